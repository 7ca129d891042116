"""The wallet that pays and signs. Its key is never exposed: not by ``repr``, not in an error."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Final

from nacl.signing import SigningKey
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.signature import Signature

from backend.chain.wire import PAPER_WALLET_SEED
from backend.domain.errors import Rejected

_FILE_BYTES_MAX: Final = 4_096


class Wallet:
    """A signing key and its address.

    libsodium signs with it: twice as fast as the solders keypair, and with identical signatures,
    because Ed25519 is deterministic.
    """

    __slots__ = ("_key", "address")

    def __init__(self, keypair: Keypair) -> None:
        self._key = SigningKey(keypair.secret())
        self.address: Final[Pubkey] = keypair.pubkey()

    def __repr__(self) -> str:
        return f"Wallet({self.address})"

    def __reduce__(self) -> str:
        raise TypeError("a wallet must not leave its process")

    def sign(self, message: bytes) -> Signature:
        """Sign the bytes of a message."""
        return Signature(self._key.sign(message).signature)


def create_paper_wallet() -> Wallet:
    """Create the wallet that the simulated node funds. Its key is public: play money only."""
    return Wallet(Keypair.from_seed(PAPER_WALLET_SEED))


def load_wallet(path: Path) -> Wallet:
    """Load the wallet from a ``solana-keygen`` file: a JSON array of 64 bytes.

    Raises ``Rejected`` (``wallet_file``) if the file cannot be read, has another format, or is
    readable by anyone but its owner.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise _make_file_error(path, "is not a file")
            if status.st_mode & 0o077:
                raise _make_file_error(path, "can be read by others: chmod 600 it")
            text = file.read(_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise _make_file_error(path, f"cannot be read: {error.strerror}") from None
    return Wallet(_parse_keypair(path, text))


def create_wallet_file(path: Path) -> Wallet:
    """Create a wallet in a new ``solana-keygen`` file that only its owner can read.

    Raises ``Rejected`` (``wallet_file``) if there is such a file, or it cannot be written.
    """
    keypair = Keypair()
    try:
        write_keypair(path, keypair)
    except FileExistsError:
        raise _make_file_error(path, "exists: it is left as it is") from None
    except OSError as error:
        raise _make_file_error(path, f"cannot be written: {error.strerror}") from None
    return Wallet(keypair)


def write_keypair(path: Path, keypair: Keypair) -> None:
    """Write a keypair to a new file that only its owner can read. Raises ``OSError``."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        json.dump(list(bytes(keypair)), file)
        file.flush()
        os.fsync(descriptor)


def _parse_keypair(path: Path, text: bytes) -> Keypair:
    # No cause is chained: the message of a decoding error would quote the key.
    try:
        numbers = json.loads(text)
        secret = bytes(numbers if isinstance(numbers, list) else [])
        keypair = Keypair.from_bytes(secret)
    except (ValueError, TypeError, RecursionError):
        raise _make_file_error(path, "is not a keypair: a JSON array of 64 bytes") from None
    if bytes(Keypair.from_seed(secret[:32])) != secret:
        raise _make_file_error(path, "holds a secret key and the address of another")
    return keypair


def _make_file_error(path: Path, reason: str) -> Rejected:
    return Rejected("wallet_file", f"the wallet file {path} {reason}")

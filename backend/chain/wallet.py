"""The keypair that pays and signs. It is never shown: not by ``repr``, not in an error."""

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
    """A key with its address at hand.

    libsodium signs with it: twice as fast as the keypair itself, and with the same signatures, for
    Ed25519 has one for each message.
    """

    __slots__ = ("_key", "address")

    def __init__(self, keypair: Keypair) -> None:
        self._key = SigningKey(keypair.secret())
        self.address: Final[Pubkey] = keypair.pubkey()

    def __repr__(self) -> str:
        return f"Wallet({self.address})"

    def __reduce__(self) -> str:
        raise TypeError("a wallet is not copied out of its process")

    def sign(self, message: bytes) -> Signature:
        """The signature of a message's bytes."""
        return Signature(self._key.sign(message).signature)


def paper_wallet() -> Wallet:
    """The wallet that the simulated node funds. Everybody knows its key: play money only."""
    return Wallet(Keypair.from_seed(PAPER_WALLET_SEED))


def load_wallet(path: Path) -> Wallet:
    """The wallet of a file that ``solana-keygen`` wrote: a JSON array of 64 bytes.

    Raises ``Rejected`` (``wallet_file``) if it cannot be read, is not that, or may be read by
    anybody but its owner.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise _refused(path, "is not a file")
            if status.st_mode & 0o077:
                raise _refused(path, "can be read by others: chmod 600 it")
            text = file.read(_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror}") from None
    return Wallet(_keypair(path, text))


def _keypair(path: Path, text: bytes) -> Keypair:
    # No cause is chained: the text of a decoding error would quote the key.
    try:
        numbers = json.loads(text)
        secret = bytes(numbers if isinstance(numbers, list) else [])
        keypair = Keypair.from_bytes(secret)
    except (ValueError, TypeError, RecursionError):
        raise _refused(path, "is not a keypair: a JSON array of 64 bytes") from None
    if bytes(Keypair.from_seed(secret[:32])) != secret:
        raise _refused(path, "holds a secret key and the address of another")
    return keypair


def _refused(path: Path, reason: str) -> Rejected:
    return Rejected("wallet_file", f"the wallet file {path} {reason}")

"""The wallet that pays and signs. Its key is never exposed: not by ``repr``, not in an error."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from nacl.signing import SigningKey
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.signature import Signature

from backend.chain.signing.keystore import (
    KeystoreError,
    decrypt_keypair,
    encrypt_keypair,
    is_keystore,
)
from backend.chain.wire import PAPER_WALLET_SEED
from backend.domain.access.file_modes import is_private
from backend.domain.errors import Rejected

_FILE_BYTES_MAX: Final = 4_096

AskPassword = Callable[[], str]
"""Returns the password of a keystore; called where one is needed only."""


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

    async def request_signature(self, message: bytes, mints: Sequence[Pubkey] = ()) -> Signature:
        """Sign the bytes of a message, as every signer does; this one at once."""
        del mints
        return self.sign(message)


def create_paper_wallet() -> Wallet:
    """Create the wallet that the simulated node funds. Its key is public: play money only."""
    return Wallet(Keypair.from_seed(PAPER_WALLET_SEED))


def load_wallet(path: Path, ask_password: AskPassword | None = None) -> Wallet:
    """Load the wallet of a file.

    Raises ``Rejected`` (``wallet_file``) as ``load_keypair``.
    """
    return Wallet(load_keypair(path, ask_password))


def load_keypair(path: Path, ask_password: AskPassword | None = None) -> Keypair:
    """Load a keypair from a ``solana-keygen`` file, a JSON array of 64 bytes, or from a keystore.

    Raises ``Rejected`` (``wallet_file``) if the file cannot be read, has another format, is
    readable by anyone but its owner, or cannot be decrypted.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise _make_file_error(path, "is not a file")
            if not is_private(status.st_mode, status.st_uid, os.geteuid()):
                raise _make_file_error(path, "can be read by others: chmod 600 it")
            text = file.read(_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise _make_file_error(path, f"cannot be read: {error.strerror}") from None
    if is_keystore(text):
        return _decrypt_keypair(path, text, ask_password)
    return _parse_keypair(path, text)


def create_wallet_file(path: Path, password: str | None = None) -> Wallet:
    """Create a wallet in a new file that only its owner can read: a keystore with a password.

    Raises ``Rejected`` (``wallet_file``) if there is such a file, or it cannot be written.
    """
    keypair = Keypair()
    save_keypair(path, keypair, password)
    return Wallet(keypair)


def save_keypair(path: Path, keypair: Keypair, password: str | None = None) -> None:
    """Write a keypair to a new file, encrypted with a password if there is one.

    Raises ``Rejected`` (``wallet_file``) if there is such a file, or it cannot be written.
    """
    try:
        write_keypair(path, keypair, password)
    except FileExistsError:
        raise _make_file_error(path, "exists: it is left as it is") from None
    except OSError as error:
        raise _make_file_error(path, f"cannot be written: {error.strerror}") from None


def write_keypair(path: Path, keypair: Keypair, password: str | None = None) -> None:
    """Write a keypair to a new file that only its owner can read. Raises ``OSError``."""
    if password is None:
        text = json.dumps(list(bytes(keypair)))
    else:
        text = encrypt_keypair(bytes(keypair), str(keypair.pubkey()), password)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def _decrypt_keypair(path: Path, text: bytes, ask_password: AskPassword | None) -> Keypair:
    if ask_password is None:
        raise _make_file_error(
            path, "is encrypted: its password is in no file, and there is no terminal"
        )
    try:
        secret = decrypt_keypair(text, ask_password())
    except KeystoreError as error:
        raise _make_file_error(path, str(error)) from None
    return _check_keypair(path, secret)


def _parse_keypair(path: Path, text: bytes) -> Keypair:
    # No cause is chained: the message of a decoding error would quote the key.
    try:
        numbers = json.loads(text)
        secret = bytes(numbers if isinstance(numbers, list) else [])
    except (ValueError, TypeError, RecursionError):
        secret = b""
    return _check_keypair(path, secret)


def _check_keypair(path: Path, secret: bytes) -> Keypair:
    try:
        keypair = Keypair.from_bytes(secret)
    except ValueError:
        raise _make_file_error(path, "is not a keypair: a JSON array of 64 bytes") from None
    if bytes(Keypair.from_seed(secret[:32])) != secret:
        raise _make_file_error(path, "holds a secret key and the address of another")
    return keypair


def _make_file_error(path: Path, reason: str) -> Rejected:
    return Rejected("wallet_file", f"the wallet file {path} {reason}")

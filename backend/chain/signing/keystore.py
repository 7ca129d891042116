"""Encrypted keypairs: Argon2id makes a key of the password, XChaCha20-Poly1305 encrypts with it.

The keystore is a JSON object. Its cipher authenticates all of it: whoever changes the address or a
parameter gets an error instead of a key.
"""

from __future__ import annotations

import json
from typing import Final

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
    crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
    crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
)
from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from nacl.utils import random

PASSWORD_LENGTH_MIN: Final = 10
_VERSION: Final = 1
_KDF: Final = "argon2id"
_CIPHER: Final = "xchacha20poly1305"
_PASSES: Final = argon2id.OPSLIMIT_MODERATE
_MEMORY_BYTES: Final = argon2id.MEMLIMIT_MODERATE
_PASSES_MAX: Final = 16
_MEMORY_BYTES_MAX: Final = 1 << 30
_KEYPAIR_BYTES: Final = 64


class KeystoreError(Exception):
    """A keystore cannot be opened; the message says why, and holds nothing of it."""


def is_keystore(text: bytes) -> bool:
    """Whether the content of a wallet file is a keystore: a JSON object."""
    return text.lstrip().startswith(b"{")


def encrypt_keypair(keypair: bytes, address: str, password: str) -> str:
    """Encrypt the 64 bytes of a keypair; returns the keystore."""
    salt, nonce = random(argon2id.SALTBYTES), random(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES)
    head: dict[str, object] = {
        "version": _VERSION,
        "address": address,
        "kdf": _KDF,
        "passes": _PASSES,
        "memoryBytes": _MEMORY_BYTES,
        "salt": salt.hex(),
        "cipher": _CIPHER,
        "nonce": nonce.hex(),
    }
    key = _derive_key(password, salt, _PASSES, _MEMORY_BYTES)
    encrypted = crypto_aead_xchacha20poly1305_ietf_encrypt(keypair, _encode_head(head), nonce, key)
    return json.dumps({**head, "ciphertext": encrypted.hex()}, indent=1) + "\n"


def decrypt_keypair(text: bytes, password: str) -> bytes:
    """Decrypt a keystore; returns the 64 bytes of its keypair.

    Raises ``KeystoreError``, also for parameters that would take too much time or memory.
    """
    try:
        head = json.loads(text)
        encrypted = bytes.fromhex(head.pop("ciphertext"))
        salt, nonce = bytes.fromhex(head["salt"]), bytes.fromhex(head["nonce"])
        names = head["version"], head["kdf"], head["cipher"]
        passes, memory = head["passes"], head["memoryBytes"]
        is_known = (
            names == (_VERSION, _KDF, _CIPHER)
            and len(salt) == argon2id.SALTBYTES
            and len(nonce) == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
            and argon2id.OPSLIMIT_MIN <= passes <= _PASSES_MAX
            and argon2id.MEMLIMIT_MIN <= memory <= _MEMORY_BYTES_MAX
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        is_known = False
    if not is_known:
        raise KeystoreError("is not a keystore of a form that is known here")
    key = _derive_key(password, salt, passes, memory)
    try:
        keypair = crypto_aead_xchacha20poly1305_ietf_decrypt(
            encrypted, _encode_head(head), nonce, key
        )
    except CryptoError:
        raise KeystoreError(
            "cannot be decrypted: the password is wrong, or it was changed"
        ) from None
    if len(keypair) != _KEYPAIR_BYTES:
        raise KeystoreError("does not hold a keypair")
    return keypair


def _derive_key(password: str, salt: bytes, passes: int, memory_bytes: int) -> bytes:
    return argon2id.kdf(
        crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
        password.encode(),
        salt,
        opslimit=passes,
        memlimit=memory_bytes,
    )


def _encode_head(head: dict[str, object]) -> bytes:
    """What is authenticated beside the keypair: all of the keystore but the ciphertext."""
    return json.dumps(head, sort_keys=True, separators=(",", ":")).encode()

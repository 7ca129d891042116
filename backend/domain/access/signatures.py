"""Signed requests: what a caller signs in place of showing its key, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

SIGNATURE_HEADER: Final = "x-signature"
"""The header of a signed request, in lower case."""


class SigningMethod(StrEnum):
    """By what a key signs its requests."""

    HMAC = "hmac-sha256"
    """By a secret that both sides know: the SHA-256 of the key."""
    ED25519 = "ed25519"
    """By a private key that only the caller has."""


@dataclass(frozen=True, slots=True)
class RequestSigning:
    """How the signatures of a key are verified."""

    method: SigningMethod
    verify_key: bytes = field(repr=False)
    """The secret of ``HMAC``, or the public key of ``ED25519``: 32 bytes."""


def build_signed_text(
    method: str, target: str, timestamp: str, nonce: str, body_hash: str
) -> bytes:
    """What is signed of a request: one line each, the body by its SHA-256 in hex."""
    return "\n".join((method, target, timestamp, nonce, body_hash)).encode()

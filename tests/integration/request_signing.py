"""A client that signs its requests, as ``backend/api/ACCESS.md`` describes it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import UTC, datetime

from nacl.signing import SigningKey


def sign_request(
    key: str | SigningKey,
    key_id: str,
    method: str,
    target: str,
    body: bytes = b"",
    *,
    skew_ms: int = 0,
    nonce: str | None = None,
) -> dict[str, str]:
    """The headers of a signed request; ``key`` is an API key, or a private key."""
    now = datetime.now(UTC)  # noqa: TID251 - signatures are of the real time
    timestamp = str(int(now.timestamp() * 1_000) + skew_ms)
    nonce = nonce or secrets.token_urlsafe(24)
    body_hash = hashlib.sha256(body).hexdigest()
    text = "\n".join((method, target, timestamp, nonce, body_hash)).encode()
    if isinstance(key, SigningKey):
        signature = key.sign(text).signature.hex()
    else:
        secret = hashlib.sha256(key.encode()).digest()
        signature = hmac.new(secret, text, hashlib.sha256).hexdigest()
    return {
        "X-Key-Id": key_id,
        "X-Timestamp": timestamp,
        "X-Nonce": nonce,
        "X-Content-SHA256": body_hash,
        "X-Signature": signature,
    }

"""Signed requests: each is for one method, path, time and body, and is taken once.

The signature covers the hash of the body, which is a header: so it is verified before the body is
read. Redis knows each nonce for as long as its request could come again, for all API processes;
without Redis no signed request is taken.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple

from hypercorn.typing import HTTPScope, WebsocketScope
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from redis.asyncio import Redis
from redis.exceptions import RedisError

from backend.api.admission.refusals import refuse_signature
from backend.api.wire.problems import retry_later
from backend.domain.access.signatures import (
    SIGNATURE_HEADER,
    RequestSigning,
    SigningMethod,
    build_signed_text,
)
from backend.runtime import observe_queue
from backend.runtime.redis.errors import drop_connections_if_moved

WINDOW_MS: Final = 5_000
"""How far the time of a request may be from this server's, in milliseconds."""
NONCE_TTL_MS: Final = 2 * WINDOW_MS + 1_000
REDIS_TIMEOUT_S: Final = 2.0
BODY_HASH_HEADER: Final = "x-content-sha256"
_FORMS: Final = {
    "x-key-id": re.compile(r"oek_[0-9a-f]{12}"),
    "x-timestamp": re.compile(r"[0-9]{13}"),
    "x-nonce": re.compile(r"[A-Za-z0-9_-]{16,64}"),
    BODY_HASH_HEADER: re.compile(r"[0-9a-f]{64}"),
    SIGNATURE_HEADER: re.compile(r"(?:[0-9a-f]{64}){1,2}"),
}
_WRONG: Final = "is wrong, or of a key that is not known: it must be of this method, path and body"


class SignedRequest(NamedTuple):
    """A request that says which key has signed it; nothing of it is verified."""

    key_id: str
    nonce: str
    text: bytes
    signature: bytes


class SignedRequests:
    """Reads signed requests, and takes each once, for all processes with this ``key_prefix``."""

    def __init__(
        self,
        redis: Redis,
        key_prefix: str,
        *,
        now: Callable[[], datetime],
        cut_prefix: Callable[[str], str],
    ) -> None:
        self._redis = redis
        self._key_prefix = key_prefix
        self._now = now
        self._cut_prefix = cut_prefix

    def read(self, headers: Mapping[str, str], scope: HTTPScope | WebsocketScope) -> SignedRequest:
        """What a request says of its signature.

        Raises ``Problem`` (401) if a header is missing or malformed, or its time is not now.
        """
        key_id, timestamp, nonce, body_hash, signature = (
            _read_header(headers, name) for name in _FORMS
        )
        apart_ms = int(timestamp) - int(self._now().timestamp() * 1_000)
        if abs(apart_ms) > WINDOW_MS:
            raise refuse_signature(
                f"is of a time that is {abs(apart_ms)} ms {'before' if apart_ms < 0 else 'after'}"
                f" that of this server: {WINDOW_MS} are allowed"
            )
        method = scope["method"] if scope["type"] == "http" else "GET"
        target = self._cut_prefix(scope["raw_path"].decode("latin1"))
        if scope["query_string"]:
            target = f"{target}?{scope['query_string'].decode('latin1')}"
        text = build_signed_text(method, target, timestamp, nonce, body_hash)
        return SignedRequest(key_id, nonce, text, bytes.fromhex(signature))

    async def take(self, request: SignedRequest, signing: RequestSigning | None) -> None:
        """Return if a request is signed by a key, and for the first time here.

        ``None`` is a key that is not known, or signs nothing. Raises ``Problem``: 401, 503.
        """
        if signing is None or not _is_signed(request, signing):
            raise refuse_signature(_WRONG)
        if not await self._add_nonce(f"{self._key_prefix}{request.key_id}:{request.nonce}"):
            raise refuse_signature("was used before: each request needs an X-Nonce of its own")

    async def _add_nonce(self, name: str) -> bool:
        try:
            async with asyncio.timeout(REDIS_TIMEOUT_S):
                return bool(await self._redis.set(name, b"", nx=True, px=NONCE_TTL_MS))
        except (RedisError, OSError, TimeoutError) as error:
            observe_queue.redis_unavailable("nonce", error)
            await drop_connections_if_moved(self._redis.connection_pool, error)
            detail = "signed requests need Redis, which does not answer: try again"
            raise retry_later("signatures_unavailable", detail) from None


def require_body(headers: Mapping[str, str], body: bytes) -> None:
    """Return if a body is the one that was signed. Raises ``Problem`` (401)."""
    if sha256(body).hexdigest() != headers[BODY_HASH_HEADER]:
        raise refuse_signature("is of another body: X-Content-SHA256 is not that of this one")


def _read_header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not _FORMS[name].fullmatch(value):
        raise refuse_signature(f"needs the header {name}, which is missing or malformed")
    return value


def _is_signed(request: SignedRequest, signing: RequestSigning) -> bool:
    if signing.method is SigningMethod.HMAC:
        expected = hmac.digest(signing.verify_key, request.text, "sha256")
        return hmac.compare_digest(expected, request.signature)
    try:
        VerifyKey(signing.verify_key).verify(request.text, request.signature)
    except (BadSignatureError, ValueError):
        return False
    return True

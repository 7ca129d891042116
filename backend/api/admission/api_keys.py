"""Authentication: the owner of the API key that a request carries.

Keys are compared as hashes, and with every configured key, so that the time taken reveals nothing.
Without configured keys every caller is one owner, ``local``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from hmac import compare_digest

from backend.api.wire.problems import Problem

DEFAULT_OWNER = "local"
UNAUTHORIZED_HEADERS = {"WWW-Authenticate": 'Bearer realm="orders"'}


class ApiKeys:
    """The configured API keys; ``pairs`` are ``owner:key``."""

    def __init__(self, pairs: Iterable[str]) -> None:
        parts = [pair.partition(":") for pair in pairs]
        self._owners = [(_hash_key(key), owner) for owner, _, key in parts]

    def authenticate(self, headers: Mapping[str, str]) -> str:
        """The owner of the key in ``Authorization`` or ``X-API-Key``.

        Raises ``Problem`` (401) if the key is missing or unknown, or if they have different ones.
        """
        if not self._owners:
            return DEFAULT_OWNER
        token, key = _read_bearer_token(headers), headers.get("x-api-key")
        if token and key and token != key:
            raise Problem(
                401,
                "unauthorized",
                "Authorization and X-API-Key have different keys: send one of them",
                headers=UNAUTHORIZED_HEADERS,
            )
        key_hash = _hash_key(token or key or "")
        owners = [owner for digest, owner in self._owners if compare_digest(digest, key_hash)]
        if not owners:
            raise Problem(
                401,
                "unauthorized",
                "a known API key is needed: Authorization: Bearer <key>, or X-API-Key: <key>",
                headers=UNAUTHORIZED_HEADERS,
            )
        return owners[0]


def _read_bearer_token(headers: Mapping[str, str]) -> str | None:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


def _hash_key(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogatepass")).digest()

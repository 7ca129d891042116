"""Authentication: the owner of the API key that a request carries.

Keys are compared as hashes, and with every configured key, so that the time taken reveals nothing.
Without configured keys every caller is one owner, ``local``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from hmac import compare_digest

from backend.api.wire.problems import Problem

DEFAULT_OWNER = "local"


class ApiKeys:
    """The configured API keys; ``pairs`` are ``owner:key``."""

    def __init__(self, pairs: Iterable[str]) -> None:
        parts = [pair.partition(":") for pair in pairs]
        self._owners = [(_hash_key(key), owner) for owner, _, key in parts]

    @property
    def are_required(self) -> bool:
        """Whether a request needs a key; without keys, only own pages may open a WebSocket."""
        return bool(self._owners)

    def authenticate(self, headers: Mapping[str, str], token: str | None = None) -> str:
        """The owner of the key in ``Authorization``, ``X-API-Key`` or ``token``.

        Raises ``Problem`` (401) if the key is missing or unknown.
        """
        if not self._owners:
            return DEFAULT_OWNER
        key_hash = _hash_key(_read_bearer_token(headers) or headers.get("x-api-key") or token or "")
        owners = [owner for digest, owner in self._owners if compare_digest(digest, key_hash)]
        if not owners:
            raise Problem(
                401,
                "unauthorized",
                "a known API key is needed: Authorization: Bearer <key>, or X-API-Key: <key>",
                headers={"WWW-Authenticate": 'Bearer realm="orders"'},
            )
        return owners[0]

    def authenticate_socket(
        self, headers: Mapping[str, str], query: Mapping[str, Sequence[str]]
    ) -> str:
        """The owner of a WebSocket, whose key may also be the parameter ``access_token``.

        Raises ``Problem`` (401) if the key is missing or unknown.
        """
        tokens = query.get("access_token")
        return self.authenticate(headers, tokens[-1] if tokens else None)


def _read_bearer_token(headers: Mapping[str, str]) -> str | None:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


def _hash_key(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogatepass")).digest()

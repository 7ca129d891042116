"""Who calls: the owner of the key that came with the request.

Keys are compared as hashes, all of them, so that the time taken tells nothing. Without configured
keys everybody is one owner, ``local``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from hmac import compare_digest
from urllib.parse import urlsplit

from backend.api.wire.problems import Problem

NOBODY = "local"


class Keys:
    """The keys that are known; ``pairs`` are ``owner:key``."""

    def __init__(self, pairs: Iterable[str]) -> None:
        split = [pair.partition(":") for pair in pairs]
        self._owners = [(_digest(key), owner) for owner, _, key in split]

    def owner(self, headers: Mapping[str, str], token: str | None = None) -> str:
        """The owner of the key in ``Authorization``, ``X-API-Key`` or ``token``.

        Raises ``Problem`` (401) if there is none or it is not known.
        """
        if not self._owners:
            return NOBODY
        given = _digest(_bearer(headers) or headers.get("x-api-key") or token or "")
        owners = [owner for digest, owner in self._owners if compare_digest(digest, given)]
        if not owners:
            raise Problem(
                401,
                "unauthorized",
                "a known API key is needed: Authorization: Bearer <key>, or X-API-Key: <key>",
                headers={"WWW-Authenticate": 'Bearer realm="orders"'},
            )
        return owners[0]

    def socket_owner(self, headers: Mapping[str, str], args: Mapping[str, Sequence[str]]) -> str:
        """The owner behind a WebSocket, whose key may also be the parameter ``access_token``.

        Browsers ask nobody before they open a socket to another site: where no key protects us,
        only our own pages may. Raises ``Problem``: 401, or 403 for a page of another site.
        """
        origin = headers.get("origin")
        if not self._owners and origin is not None:
            site = urlsplit(origin).netloc
            if site != headers.get("host"):
                raise Problem(403, "foreign_origin", f"a page of {site[:100]!r} may not do this")
        tokens = args.get("access_token")
        return self.owner(headers, tokens[-1] if tokens else None)


def _bearer(headers: Mapping[str, str]) -> str | None:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogatepass")).digest()

"""The public keys of a token issuer: a JWKS document from a file or an address, by ``kid``.

It is read at the start, every ``REFRESH_S``, and when a token names a key that is not known; but
never twice within ``INTERVAL_MIN_S``, whatever tokens name. While it cannot be read the keys that
are known stay valid, for ``KEEP_MAX_S`` at most.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any, Final

import aiohttp
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK, PyJWTError

from backend.runtime import observe_connections

ALGORITHMS: Final = frozenset({"RS256", "ES256", "EdDSA"})
REFRESH_S: Final = 300.0
INTERVAL_MIN_S: Final = 60.0
KEEP_MAX_S: Final = 3_600.0
BYTES_MAX: Final = 262_144
KEYS_MAX: Final = 100
FETCH_TIMEOUT_S: Final = 5.0
RSA_BITS_MIN: Final = 2_048
KID_LENGTH_MAX: Final = 200
_PUBLIC_MEMBERS: Final = frozenset({"kty", "alg", "n", "e", "crv", "x", "y"})

FetchDocument = Callable[[], Awaitable[bytes]]


class SigningKeys:
    """The keys by their ``kid``; ``run`` must be running."""

    def __init__(
        self,
        fetch: FetchDocument,
        *,
        on_change: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: Mapping[str, PyJWK] = {}
        self._document = b""
        self._tried_at_s = -inf
        self._read_at_s = -inf
        self._lock = asyncio.Lock()
        self.on_change = on_change
        """Called when the document has changed."""

    @property
    def is_usable(self) -> bool:
        """Whether the document was read recently enough to go by."""
        return self._clock() - self._read_at_s <= KEEP_MAX_S

    def has(self, kid: str) -> bool:
        """Whether the issuer has a key of this id."""
        return kid in self._keys

    async def find(self, kid: str) -> PyJWK | None:
        """The key of this id; for one that is not known the document is read again, if due."""
        if kid not in self._keys or not self.is_usable:
            await self.refresh()
        return self._keys.get(kid)

    async def refresh(self) -> None:
        """Read the document, unless that was tried a short time ago."""
        async with self._lock:
            if self._clock() - self._tried_at_s < INTERVAL_MIN_S:
                return
            self._tried_at_s = self._clock()
            try:
                async with asyncio.timeout(FETCH_TIMEOUT_S):
                    document = await self._fetch()
                keys = parse_keys(document)
            except (OSError, ValueError, aiohttp.ClientError) as error:
                observe_connections.signing_keys_unavailable(error)
                return
            self._read_at_s = self._clock()
            if document != self._document:
                self._keys, self._document = keys, document
                self.on_change()

    async def run(self) -> None:
        """Keep the keys current until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_S)
            await self.refresh()


def parse_keys(document: bytes) -> dict[str, PyJWK]:
    """The keys of a JWKS document that sign by one of ``ALGORITHMS``; others are left out.

    Raises ``ValueError`` if it is no JWKS, or has no such key.
    """
    try:
        content = json.loads(document)
        entries = content["keys"]
        assert isinstance(entries, list)
    except (ValueError, KeyError, TypeError, AssertionError, RecursionError):
        raise ValueError("it is no JWKS document: a JSON object with `keys`") from None
    keys: dict[str, PyJWK] = {}
    for entry in entries[:KEYS_MAX]:
        key = _read_key(entry)
        if key is not None:
            keys.setdefault(entry["kid"], key)
    if not keys:
        names = ", ".join(sorted(ALGORITHMS))
        raise ValueError(f"it has no key with a `kid` for {names} (RSA of {RSA_BITS_MIN} bits)")
    return keys


def _read_key(entry: Any) -> PyJWK | None:
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    kid = entry.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= KID_LENGTH_MAX:
        return None
    # Of a private key only its public part is taken, and of a symmetric one nothing.
    public = {name: value for name, value in entry.items() if name in _PUBLIC_MEMBERS}
    try:
        key = PyJWK(public)
    except (PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        return None  # a member is missing, or is no number
    if key.algorithm_name not in ALGORITHMS:
        return None
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < RSA_BITS_MIN:
        return None
    return key


def make_fetch(source: str) -> FetchDocument:
    """What reads the document at an address (``http://`` or ``https://``) or in a file."""
    if source.startswith(("https://", "http://")):
        return lambda: _fetch_address(source)
    return lambda: asyncio.to_thread(_read_file, Path(source))


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        return _require_size(file.read(BYTES_MAX + 1))


async def _fetch_address(url: str) -> bytes:
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, allow_redirects=False, raise_for_status=True) as response,
    ):
        if response.status != 200:
            raise ValueError(f"its address answers {response.status}")
        document = b""
        async for chunk in response.content.iter_chunked(65_536):
            document = _require_size(document + chunk)
        return document


def _require_size(document: bytes) -> bytes:
    if len(document) > BYTES_MAX:
        raise ValueError(f"it is larger than {BYTES_MAX} bytes")
    return document

"""A cache of the recent blockhash that transactions are signed with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from backend.chain.rpc.results import Blockhash

AGE_MAX_S: Final = 1.0
"""A blockhash is valid for about a minute: an age of one second costs little of that."""


class BlockhashCache:
    """Caches the result of ``fetch``; nothing older than ``age_max_s`` is signed with."""

    def __init__(
        self, fetch: Callable[[], Awaitable[Blockhash]], *, age_max_s: float = AGE_MAX_S
    ) -> None:
        self._fetch = fetch
        self._age_max_s = age_max_s
        self._cached: tuple[float, Blockhash] | None = None
        self._fetch_lock = asyncio.Lock()

    async def get(self) -> Blockhash:
        """The blockhash to sign with. Raises what ``fetch`` raises."""
        cached = self._get_fresh()
        if cached is not None:
            return cached
        async with self._fetch_lock:
            cached = self._get_fresh()  # another caller may have fetched it meanwhile
            if cached is None:
                fetched_at = asyncio.get_running_loop().time()
                cached = await self._fetch()
                self._cached = fetched_at, cached
            return cached

    def invalidate(self) -> None:
        """Drop the cached blockhash, so that the next ``get`` fetches one."""
        self._cached = None

    def _get_fresh(self) -> Blockhash | None:
        if self._cached is None:
            return None
        fetched_at, blockhash = self._cached
        is_old = asyncio.get_running_loop().time() - fetched_at > self._age_max_s
        return None if is_old else blockhash

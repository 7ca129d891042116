"""The blockhash that transactions are signed with, asked for once for all of a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from backend.chain.rpc_results import Blockhash

AGE_S = 1.0
"""A blockhash is good for about a minute: sharing one for a second costs little of that."""


class RecentBlockhash:
    """Remembers what ``ask`` answered at most ``AGE_S`` ago."""

    def __init__(self, ask: Callable[[], Awaitable[Blockhash]]) -> None:
        self._ask = ask
        self._known: tuple[float, Blockhash] | None = None
        self._asking = asyncio.Lock()

    async def get(self) -> Blockhash:
        """The blockhash to sign with. Raises what ``ask`` raises."""
        known = self._fresh()
        if known is not None:
            return known
        async with self._asking:
            known = self._fresh()  # from whoever asked while this one waited
            if known is None:
                asked_at = asyncio.get_running_loop().time()
                known = await self._ask()
                self._known = asked_at, known
            return known

    def forget(self) -> None:
        """Ask again at the next call."""
        self._known = None

    def _fresh(self) -> Blockhash | None:
        if self._known is None:
            return None
        asked_at, blockhash = self._known
        is_old = asyncio.get_running_loop().time() - asked_at > AGE_S
        return None if is_old else blockhash

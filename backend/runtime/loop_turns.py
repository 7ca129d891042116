"""Turns of the event loop: what is not urgent takes one each, and the rest waits for no burst."""

from __future__ import annotations

import asyncio


class LoopTurns:
    """Lets one of its callers go on in each turn of the loop, in the order in which they came.

    All callbacks that are ready run in the same turn. So where work arrives in a burst, everything
    that becomes ready meanwhile waits for all of it. Work that takes turns is done piece by piece,
    and others get theirs in between.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def take(self) -> None:
        """Wait for a turn."""
        async with self._lock:
            await asyncio.sleep(0)

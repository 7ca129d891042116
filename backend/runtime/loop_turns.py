"""Turns of the event loop: what is not urgent takes one each, and the rest waits for no burst."""

from __future__ import annotations

import asyncio
from collections import deque


class LoopTurns:
    """Lets one of its callers go on in each turn of the loop, in the order in which they came.

    All callbacks that are ready run in the same turn. So where work arrives in a burst, everything
    that becomes ready meanwhile waits for all of it. Work that takes turns is done piece by piece,
    and others get theirs in between.
    """

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting)

    async def take(self) -> None:
        """Wait for a turn."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        if len(self._waiting) == 1:
            loop.call_soon(self._give_turn, loop)
        await turn

    def _give_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        turn = self._waiting.popleft()
        if not turn.done():  # its caller may have been cancelled
            turn.set_result(None)
        if self._waiting:
            loop.call_soon(self._give_turn, loop)

"""Outages: how an order waits while the node, or every venue through it, is unavailable.

As long as nothing is signed, waiting is safe and uses up no attempt, so an order waits in place
under its lease. It is bounded: the wait of an attempt is measured from the first failure, also
over several workers, since the lease store keeps that time.
"""

from __future__ import annotations

import asyncio
from random import Random

from backend.domain.errors import EngineError, Unavailable

FIRST_PAUSE_S = 0.05
PAUSE_MAX_S = 1.5
PAUSE_JITTER = 0.25
"""The largest deviation of a pause, as a fraction of it: a thousand orders do not ask as one."""

QUOTE_WAIT_MAX_S = 10.0
"""After a longer wait with a chosen route, its quotes are too old: the order is routed again."""


class OutageTooLong(EngineError):
    """The outage outlasted the longest wait of an order; nothing was signed."""


class OutageWait:
    """The wait of one order during an outage that was first met ``waited_s`` ago."""

    def __init__(self, waited_s: float, *, wait_max_s: float, random: Random) -> None:
        self.since = asyncio.get_running_loop().time() - waited_s
        self._wait_max_s = wait_max_s
        self._random = random
        self._pause_s = FIRST_PAUSE_S

    @property
    def elapsed_s(self) -> float:
        """The seconds since the first failure."""
        return asyncio.get_running_loop().time() - self.since

    def shorten_pauses(self) -> None:
        """Begin with short pauses again, after a request that succeeded."""
        self._pause_s = FIRST_PAUSE_S

    async def pause(self, error: Unavailable, code: str) -> None:
        """Wait before the next try: as long as the node asks for, or else longer each time.

        Raises ``OutageTooLong`` with ``code`` once the longest wait has passed.
        """
        left_s = self._wait_max_s - self.elapsed_s
        if left_s <= 0:
            reason = f"{error.reason} (waited {self._wait_max_s:g} s, nothing was sent)"
            raise OutageTooLong(code, reason) from error
        pause_s = max(self._pause_s, error.retry_after_s or 0)
        pause_s *= 1 + PAUSE_JITTER * self._random.random()
        self._pause_s = min(2 * self._pause_s, PAUSE_MAX_S)
        await asyncio.sleep(min(pause_s, left_s))

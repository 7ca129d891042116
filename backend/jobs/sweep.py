"""The sweep: finds the orders that nobody drives, and sends their jobs again.

It is what makes the queue a hint: whatever becomes of messages and workers, an order that is
open, due and not leased is found here, by any worker, within one interval.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Protocol
from uuid import UUID

from backend import observe

SWEPT_MAX = 1_000


class Overdue(Protocol):
    """Where orders that nobody drives are found."""

    async def overdue(self, limit: int) -> Sequence[UUID]:
        """Up to ``limit`` of them; those returned count as kicked."""
        ...


async def sweep(
    orders: Overdue,
    send: Callable[[Sequence[UUID]], Awaitable[None]],
    *,
    interval_s: float,
    random: Random,
) -> None:
    """Look every ``interval_s``, give or take a tenth so that workers spread out, for ever."""
    while True:
        try:
            found = await orders.overdue(SWEPT_MAX)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next look may succeed
            observe.sweep_failed(error)
            found = []
        if found:
            observe.swept(len(found))
            await send(found)
        if len(found) < SWEPT_MAX:
            await asyncio.sleep(interval_s * random.uniform(0.9, 1.1))

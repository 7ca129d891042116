"""The sweep: finds the orders that nobody drives, and sends their jobs again.

It is what makes the queue a hint: whatever becomes of messages and workers, an order that is
open, due and not leased is found here, by any worker, within one interval.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from random import Random
from typing import Protocol
from uuid import UUID

from backend.runtime import observe

SWEPT_MAX = 1_000
DEEP_S = 60.0
"""How much longer the job of a new order may lie in a deep queue before it is sent again."""


class Overdue(Protocol):
    """Where orders that nobody drives are found."""

    async def overdue(self, limit: int, patience_s: float) -> Sequence[UUID]:
        """Up to ``limit`` of them, those that nobody ever drove only ``patience_s`` later.

        Those returned count as kicked.
        """
        ...


class Queue(Protocol):
    """Where jobs are sent."""

    async def send(self, order_ids: Iterable[UUID], *, by: str) -> None:
        """Put a job for each order on the queue."""
        ...

    async def is_deep(self) -> bool:
        """Whether so many jobs wait that most of what is overdue waits among them."""
        ...


async def sweep(orders: Overdue, queue: Queue, *, interval_s: float, random: Random) -> None:
    """Look every ``interval_s``, give or take a tenth so that workers spread out, for ever.

    While the queue is deep, new orders mostly wait in it, and sending their jobs again would not
    end them sooner: they get more time. If one look is not enough, the next follows at once.
    """
    while True:
        try:
            found = await orders.overdue(SWEPT_MAX, DEEP_S if await queue.is_deep() else 0)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next look may succeed
            observe.sweep_failed(error)
            found = []
        if found:
            observe.swept(len(found))
            await queue.send(found, by="sweep")
        if len(found) < SWEPT_MAX:
            await asyncio.sleep(interval_s * random.uniform(0.9, 1.1))

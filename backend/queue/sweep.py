"""The sweep: finds orders that no worker executes, and sends their jobs again.

It makes the queue a mere hint: whatever happens to messages and workers, every worker finds an
order that is open, due and not leased here within one interval.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from random import Random
from typing import Protocol
from uuid import UUID

from backend.runtime import observe

SWEEP_BATCH_MAX = 1_000
DEEP_QUEUE_GRACE_S = 60.0
"""How much longer a pending order waits in a deep queue before its job is sent again."""


class OverdueOrders(Protocol):
    """The store that finds overdue orders."""

    async def find_overdue(self, limit: int, pending_grace_s: float) -> Sequence[UUID]:
        """Up to ``limit`` overdue orders; pending ones only ``pending_grace_s`` later.

        The returned orders count as sent to the queue.
        """
        ...


class SweepQueue(Protocol):
    """The queue that jobs are sent to."""

    async def send(self, order_ids: Iterable[UUID], *, sender: str) -> None:
        """Send a job for each order."""
        ...

    async def is_deep(self) -> bool:
        """Whether so many jobs wait that most overdue orders have a job among them."""
        ...


async def run_sweep(
    orders: OverdueOrders, queue: SweepQueue, *, interval_s: float, random: Random
) -> None:
    """Sweep every ``interval_s``, with 10 % of jitter to spread the workers out, until cancelled.

    While the queue is deep, pending orders mostly have a job in it, and sending another would not
    execute them sooner: they get more time. If a sweep fills its batch, the next follows at once.
    """
    while True:
        try:
            overdue = await orders.find_overdue(
                SWEEP_BATCH_MAX, DEEP_QUEUE_GRACE_S if await queue.is_deep() else 0
            )
        except Exception as error:  # noqa: BLE001 - the next sweep may succeed after any error
            observe.sweep_failed(error)
            overdue = []
        if overdue:
            observe.orders_swept(len(overdue))
            await queue.send(overdue, sender="sweep")
        if len(overdue) < SWEEP_BATCH_MAX:
            await asyncio.sleep(interval_s * random.uniform(0.9, 1.1))

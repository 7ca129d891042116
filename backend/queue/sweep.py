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

from backend.runtime import observe_queue

SWEEP_BATCH_MAX = 1_000
GRACE_S_MAX = 600.0
"""Longest extra time for a pending order, whatever the age of the oldest job says."""


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

    async def measure_delay_s(self) -> float:
        """How long the oldest job waits to be received; 0 if none does, or none can be."""
        ...


async def run_sweep(
    orders: OverdueOrders, queue: SweepQueue, *, interval_s: float, random: Random
) -> None:
    """Sweep every ``interval_s``, with 10 % of jitter to spread the workers out, until cancelled.

    An order whose job was sent after the oldest one that waits has its job on the queue, and
    sending another would not execute it sooner: pending orders get as much more time as that job
    has waited. An order whose job is older has lost it. If a sweep fills its batch, the next
    follows at once.
    """
    while True:
        try:
            grace_s = min(await queue.measure_delay_s(), GRACE_S_MAX)
            overdue = await orders.find_overdue(SWEEP_BATCH_MAX, grace_s)
        except Exception as error:  # noqa: BLE001 - the next sweep may succeed after any error
            observe_queue.sweep_failed(error)
            overdue = []
        if overdue:
            observe_queue.orders_swept(len(overdue))
            await queue.send(overdue, sender="sweep")
        if len(overdue) < SWEEP_BATCH_MAX:
            await asyncio.sleep(interval_s * random.uniform(0.9, 1.1))

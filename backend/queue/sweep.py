"""The sweep: finds the owners with orders that no worker executes, for the worker to claim them.

It makes the queue a mere hint: whatever happens to messages and workers, every worker finds an
order that is open, due and not leased here within one interval.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Protocol

from backend.runtime import observe_queue


class OverdueOrders(Protocol):
    """The store that finds overdue orders."""

    async def find_overdue_owners(self) -> Sequence[str]:
        """The owners with an order that no worker executes, and whose job is overdue."""
        ...


class SweepQueue(Protocol):
    """The queue of jobs."""

    async def tidy(self) -> None:
        """Remove what nobody would read, and measure what waits."""
        ...


class Backlogs(Protocol):
    """What is started by turns of the owners."""

    def mark_backlog(self, owner: str) -> None:
        """Have an owner's orders claimed from the rows."""
        ...


async def run_sweep(
    orders: OverdueOrders,
    queue: SweepQueue,
    backlogs: Backlogs,
    *,
    interval_s: float,
    random: Random,
) -> None:
    """Sweep every ``interval_s``, with 10 % of jitter to spread the workers out, until cancelled.

    It writes nothing: which worker gets an order is decided by the claim.
    """
    while True:
        await queue.tidy()
        try:
            owners = await orders.find_overdue_owners()
        except Exception as error:  # noqa: BLE001 - the next sweep may succeed after any error
            observe_queue.sweep_failed(error)
            owners = []
        if owners:
            observe_queue.backlogs_found(len(owners))
        for owner in owners:
            backlogs.mark_backlog(owner)
        await asyncio.sleep(interval_s * random.uniform(0.9, 1.1))

"""The keeper: renews the leases of the orders that this worker drives, and knows them all.

Most orders end long before half of their lease is over and are never renewed. A drive whose lease
was lost is stopped at once; had it gone on, its next write would have been refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from backend import observe
from backend.domain.orders import Held
from backend.store.journal import LostLease
from backend.store.leases import Leases

RENEWALS_PER_LEASE = 3
RENEWED_MAX = 1_000


@dataclass(slots=True, eq=False)
class _Kept:
    order: Held
    task: asyncio.Task[object]
    renewed_at: float
    is_lost: bool = False


class Keeper:
    """The orders in this worker's hands; ``run`` must be running."""

    def __init__(self, leases: Leases, *, lease_s: float) -> None:
        self._leases = leases
        self._every_s = lease_s / RENEWALS_PER_LEASE
        self._kept: set[_Kept] = set()

    @contextmanager
    def keep(self, order: Held) -> Iterator[None]:
        """Renew the order's lease while the block runs.

        Raises ``LostLease`` out of the block once the lease is known to be lost.
        """
        task = asyncio.current_task()
        assert task is not None
        kept = _Kept(order, task, asyncio.get_running_loop().time())
        self._kept.add(kept)
        observe.in_flight(len(self._kept))
        try:
            yield
        except asyncio.CancelledError:
            if kept.is_lost and task.uncancel() == 0:
                raise LostLease(str(order.id)) from None
            raise
        finally:
            self._kept.discard(kept)
            observe.in_flight(len(self._kept))

    async def run(self) -> None:
        """Renew until cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            before = asyncio.get_running_loop().time() - self._every_s / 2
            aging = [kept for kept in self._kept if kept.renewed_at < before]
            for at in range(0, len(aging), RENEWED_MAX):
                await self._renew(aging[at : at + RENEWED_MAX])

    async def _renew(self, aging: list[_Kept]) -> None:
        now = asyncio.get_running_loop().time()
        try:
            held = await self._leases.renew([kept.order for kept in aging])
        except Exception as error:  # noqa: BLE001 - while PostgreSQL is away, the epoch guards us
            observe.database_gone(error)
            return
        observe.leases_renewed(len(held))
        for kept in aging:
            if kept.order.id in held:
                kept.renewed_at = now
            elif kept in self._kept:
                kept.is_lost = True
                kept.task.cancel()

    async def hand_back(self, written: Callable[[], Awaitable[None]]) -> None:
        """Stop driving everything, and give it back for other workers to take at once.

        ``written`` returns when the journal has stored what it was already given: a transition
        stored after the release would take the lease again.
        """
        kept = list(self._kept)
        for order in kept:
            order.task.cancel()
        if kept:
            await asyncio.wait([order.task for order in kept])
            await written()
            await self._leases.release([order.order for order in kept])
        observe.orders_handed_back(len(kept))

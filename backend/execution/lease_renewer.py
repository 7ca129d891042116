"""The keeper: takes the leases of the orders that this worker drives, renews them, and knows them.

Most orders end long before half of their lease is over and are never renewed. A drive whose lease
was lost is stopped at once; had it gone on, its next write would have been refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from backend.domain.orders import Held
from backend.runtime import observe
from backend.store.journal import LostLease
from backend.store.leases import Leases

RENEWALS_PER_LEASE = 3
RENEWED_MAX = 1_000
HAND_BACK_S = 10.0
RETRY_S = 0.1


@dataclass(slots=True, eq=False)
class _Kept:
    order: Held
    task: asyncio.Task[object]
    renewed_at: float
    is_lost: bool = False

    def lose(self) -> None:
        self.is_lost = True
        self.task.cancel()


class Keeper:
    """The orders in this worker's hands; ``run`` must be running."""

    def __init__(self, leases: Leases, *, lease_s: float) -> None:
        self._leases = leases
        self._every_s = lease_s / RENEWALS_PER_LEASE
        self._kept: dict[UUID, _Kept] = {}
        self._claims = 0
        self._answered = asyncio.Event()
        self._is_closing = False

    async def claim(self, order_id: UUID) -> Held | None:
        """Take an order, to be kept at once; ``None`` if it is not to be had.

        Raises what asyncpg raises.
        """
        if self._is_closing:
            return None
        self._claims += 1
        try:
            return await self._leases.claim(order_id)
        finally:
            self._claims -= 1
            self._answered.set()

    @contextmanager
    def keep(self, order: Held) -> Iterator[None]:
        """Renew the order's lease while the block runs.

        Raises ``LostLease`` out of the block once the lease is known to be lost.
        """
        task = asyncio.current_task()
        assert task is not None
        if order.id in self._kept:
            # This very worker has claimed it again: an earlier drive has lost it, and must not
            # live on in the shadow of the new one.
            self._kept[order.id].lose()
        kept = self._kept[order.id] = _Kept(order, task, asyncio.get_running_loop().time())
        observe.in_flight(len(self._kept))
        try:
            yield
        except asyncio.CancelledError:
            if kept.is_lost and task.uncancel() == 0:
                raise LostLease(str(order.id)) from None
            raise
        finally:
            if self._kept.get(order.id) is kept:
                del self._kept[order.id]
            observe.in_flight(len(self._kept))

    async def run(self) -> None:
        """Renew until cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            before = asyncio.get_running_loop().time() - self._every_s / 2
            aging = [kept for kept in self._kept.values() if kept.renewed_at < before]
            for at in range(0, len(aging), RENEWED_MAX):
                await self._renew(aging[at : at + RENEWED_MAX])

    async def _renew(self, aging: Sequence[_Kept]) -> None:
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
            elif self._kept.get(kept.order.id) is kept:
                kept.lose()

    async def hand_back(self, written: Callable[[], Awaitable[None]]) -> None:
        """Stop driving everything, and give it back for other workers to take at once.

        ``written`` returns when the journal has stored what it was already given: a transition
        stored after the release would take the lease again. After ``HAND_BACK_S`` without
        PostgreSQL it gives up: the leases end by themselves.
        """
        self._is_closing = True
        kept: list[_Kept] = []
        try:
            async with asyncio.timeout(HAND_BACK_S):
                while self._claims:  # whoever is answered keeps its order before this goes on
                    self._answered.clear()
                    await self._answered.wait()
                kept = list(self._kept.values())
                await self._end(kept)
                await written()
                await self._release([each.order for each in kept])
        except TimeoutError as error:
            observe.database_gone(error)
            return
        observe.orders_handed_back(len(kept))

    async def _end(self, kept: Sequence[_Kept]) -> None:
        for each in kept:
            each.task.cancel()
        if kept:
            await asyncio.wait([each.task for each in kept])

    async def _release(self, orders: Sequence[Held]) -> None:
        while orders:
            try:
                return await self._leases.release(orders)
            except Exception as error:  # noqa: BLE001 - to release twice does no harm
                observe.database_gone(error)
                await asyncio.sleep(RETRY_S)
        return None

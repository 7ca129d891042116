"""The lease renewer: claims and renews the leases of the orders that this worker executes.

Most orders end long before half of their lease has passed and are never renewed. The execution of
an order whose lease was lost is cancelled at once; its next write would be rejected anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from backend.domain.orders import LeasedOrder
from backend.execution.release_timeout import RELEASE_TIMEOUT_S
from backend.runtime import observe, observe_database
from backend.runtime.background import shield
from backend.store.errors import DATABASE_ERRORS, report_unavailable
from backend.store.leases import LeaseStore
from backend.store.leases.outage_waits import OutageWaited
from backend.store.transitions import LeaseLost

RENEWALS_PER_LEASE = 3
RENEW_BATCH_MAX = 1_000
RETRY_S = 0.1


@dataclass(slots=True, eq=False)
class HeldLease:
    """The lease of one execution. ``waiting_since`` is when it met an outage, by the loop's clock,
    and ``outage_code`` what is away: a renewal stores both, so that the next worker does not begin
    to wait anew, and clients see it.
    """

    order: LeasedOrder
    task: asyncio.Task[object]
    renewed_at: float
    is_lost: bool = False
    waiting_since: float | None = None
    outage_code: str = ""

    def cancel_lost(self) -> None:
        """Mark the lease as lost, and cancel the execution."""
        self.is_lost = True
        self.task.cancel()


class LeaseRenewer:
    """Holds the leases of this worker; ``run`` must be running."""

    def __init__(self, leases: LeaseStore, *, lease_s: float) -> None:
        self._lease_store = leases
        self._interval_s = lease_s / RENEWALS_PER_LEASE
        self._held_leases: dict[UUID, HeldLease] = {}
        self._claimed: dict[UUID, LeasedOrder] = {}
        self._claims_running = 0
        self._claim_ended = asyncio.Event()
        self._is_closing = False

    async def claim(self, order_id: UUID) -> LeasedOrder | None:
        """Claim an order, whose lease must be kept at once; ``None`` if it cannot be claimed.

        An order of ``claim_waiting`` is claimed already. Raises what ``LeaseStore.claim`` raises.
        """
        if self._is_closing:
            return None
        if (order := self._claimed.pop(order_id, None)) is not None:
            return order
        with self._count_claim():
            return await self._lease_store.claim(order_id)

    async def claim_by(self, commit: Coroutine[Any, Any, None]) -> None:
        """Claim an order by a commit of its own; its lease must be kept at once.

        Raises what ``commit`` raises, and ``LeaseLost`` if this worker claims no more.
        """
        if self._is_closing:
            commit.close()
            raise LeaseLost("this worker shuts down")
        with self._count_claim():
            await commit

    async def claim_waiting(self, places: Mapping[str, int]) -> list[tuple[str, UUID]]:
        """Claim up to so many waiting orders of each owner; returns owners and ids.

        ``claim`` must follow for each at once. Raises what ``LeaseStore.claim_waiting`` raises.
        """
        # Not cancelled half-way: what was claimed is known, and released.
        return await shield(self._claim_waiting(places))

    async def _claim_waiting(self, places: Mapping[str, int]) -> list[tuple[str, UUID]]:
        if self._is_closing:
            return []
        with self._count_claim():
            claimed = await self._lease_store.claim_waiting(places)
        self._claimed |= {order.id: order for _, order in claimed}
        return [(owner, order.id) for owner, order in claimed]

    @contextmanager
    def _count_claim(self) -> Iterator[None]:
        """Have ``release_all`` wait for a claim."""
        self._claims_running += 1
        try:
            yield
        finally:
            self._claims_running -= 1
            self._claim_ended.set()

    @contextmanager
    def keep_lease(self, order: LeasedOrder) -> Iterator[HeldLease]:
        """Renew the order's lease while the block runs.

        Raises ``LeaseLost`` out of the block once the lease is known to be lost.
        """
        task = asyncio.current_task()
        assert task is not None
        if order.id in self._held_leases:
            # This worker has claimed the order again: the earlier execution has lost its lease,
            # and must not go on beside the new one.
            self._held_leases[order.id].cancel_lost()
        lease = self._held_leases[order.id] = HeldLease(
            order, task, asyncio.get_running_loop().time()
        )
        observe.orders_in_flight(len(self._held_leases))
        try:
            yield lease
        except asyncio.CancelledError:
            if lease.is_lost and task.uncancel() == 0:
                raise LeaseLost(str(order.id)) from None
            raise
        finally:
            if self._held_leases.get(order.id) is lease:
                del self._held_leases[order.id]
            observe.orders_in_flight(len(self._held_leases))

    async def release_held(self, order: LeasedOrder) -> None:
        """Release the lease of an order that a trading state holds; else it runs out."""
        try:
            await self._lease_store.release_held(order)
        except DATABASE_ERRORS as error:
            report_unavailable(error)

    async def run(self) -> None:
        """Renew leases until cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            renewed_before = asyncio.get_running_loop().time() - self._interval_s / 2
            due = [
                lease for lease in self._held_leases.values() if lease.renewed_at < renewed_before
            ]
            for start in range(0, len(due), RENEW_BATCH_MAX):
                await self._renew(due[start : start + RENEW_BATCH_MAX])

    async def _renew(self, due: Sequence[HeldLease]) -> None:
        now = asyncio.get_running_loop().time()
        try:
            renewed = await self._lease_store.renew(
                [lease.order for lease in due], _measure_waits(due, now)
            )
        except Exception as error:  # noqa: BLE001 - without PostgreSQL, the epoch still fences
            observe_database.unavailable(error)
            return
        observe.leases_renewed(len(renewed))
        for lease in due:
            if lease.order.id in renewed:
                lease.renewed_at = now
            elif self._held_leases.get(lease.order.id) is lease:
                lease.cancel_lost()

    async def release_all(self, wait_journal_idle: Callable[[], Awaitable[None]]) -> None:
        """Cancel all executions, and release their leases for other workers to claim at once.

        ``wait_journal_idle`` returns when the journal has stored all submitted transitions: a
        transition that is stored after the release would take the lease again. Without PostgreSQL
        it gives up after ``RELEASE_TIMEOUT_S``: the leases expire by themselves.
        """
        self._is_closing = True
        leases: list[HeldLease] = []
        try:
            async with asyncio.timeout(RELEASE_TIMEOUT_S):
                # A claimed order calls keep_lease before this continues.
                while self._claims_running:
                    self._claim_ended.clear()
                    await self._claim_ended.wait()
                leases = list(self._held_leases.values())
                await self._cancel(leases)
                await wait_journal_idle()
                await self._release(leases, list(self._claimed.values()))
        except TimeoutError as error:
            observe_database.unavailable(error)
            return
        observe.orders_released(len(leases))

    async def _cancel(self, leases: Sequence[HeldLease]) -> None:
        for lease in leases:
            lease.task.cancel()
        if leases:
            await asyncio.wait([lease.task for lease in leases])

    async def _release(
        self, leases: Sequence[HeldLease], not_started: Sequence[LeasedOrder]
    ) -> None:
        orders = [*(lease.order for lease in leases), *not_started]
        while orders:
            waits = _measure_waits(leases, asyncio.get_running_loop().time())
            try:
                return await self._lease_store.release(orders, waits)
            except Exception as error:  # noqa: BLE001 - a second release is harmless
                observe_database.unavailable(error)
                await asyncio.sleep(RETRY_S)
        return None


def _measure_waits(leases: Sequence[HeldLease], now: float) -> dict[UUID, OutageWaited]:
    """How long each order has waited for the end of an outage."""
    return {
        lease.order.id: OutageWaited(now - lease.waiting_since, lease.outage_code)
        for lease in leases
        if lease.waiting_since is not None
    }

"""Places the slices of TWAP orders when they are due, and ends the orders when these have ended.

It runs in the process that holds the shard of an order, and knows only when to look at it: what is
to do follows from the rows. So it may be killed at any moment, and two of them do no harm.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import heappop, heappush
from typing import Final, Protocol
from uuid import UUID

from backend.domain.conditions import Condition
from backend.domain.waiting.slices import SliceSchedule
from backend.runtime import order_traces
from backend.store.waiting.sliced_orders import NewSlice, PlacedSlice, SlicedOrder, SlicesEnd
from backend.store.waiting.waiting_orders import WaitingRecord
from backend.triggers import observe_triggers
from backend.triggers.attempts import attempt
from backend.triggers.orders_apart import LATEST
from backend.triggers.releases import JobSender, ReleasedOrder, send_jobs
from backend.triggers.slices.steps import plan_step

LOOKS_MAX: Final = 200
"""Most orders that are looked at together."""
RETRY_S: Final = 1.0
POLL_S: Final = 0.25
"""How long after its last slice was placed an order is looked at, to see whether it has ended."""
POLL_S_MAX: Final = 5.0


class SliceStore(Protocol):
    """The rows of TWAP orders and of their slices."""

    async def load(self, order_ids: Sequence[UUID]) -> Sequence[SlicedOrder]:
        """Those of some orders that wait."""
        ...

    async def place(self, slices: Sequence[NewSlice]) -> Sequence[PlacedSlice]:
        """Place slices that are due; returns those that were placed."""
        ...

    async def end(self, ended: Sequence[SlicesEnd]) -> Collection[UUID]:
        """End orders; returns those that were ended."""
        ...


@dataclass(slots=True)
class _Known:
    """An order: the place of its pair, its row, and when to look at it by the loop's clock."""

    shard: int
    seq: int
    look_at: float
    poll_s: float = POLL_S


class SlicePlacer:
    """Places the slices of the orders that were added; ``run`` must be running."""

    def __init__(self, orders: SliceStore, jobs: JobSender) -> None:
        self._orders = orders
        self._jobs = jobs
        self._known: dict[UUID, _Known] = {}
        self._looks: list[tuple[float, UUID]] = []
        self._added = asyncio.Event()

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, order_id: object) -> bool:
        return order_id in self._known

    def __iter__(self) -> Iterator[UUID]:
        return iter(list(self._known))

    def knows(self, order_id: UUID, seq: int) -> bool:
        """Whether an order is watched as of its row with this ``seq``, or a later one."""
        known = self._known.get(order_id)
        return known is not None and known.seq >= seq

    def takes(self, condition: Condition) -> bool:
        """Whether an order with this condition belongs here."""
        return isinstance(condition, SliceSchedule)

    def add(self, record: WaitingRecord, shard: int, now: float) -> None:
        """Look at an order from now on, unless what is known of it is as new."""
        known = self._known.get(record.id)
        if known is None or known.seq < record.seq:
            self._known[record.id] = _Known(shard, record.seq, now)
            self._look(record.id, now)
            self._added.set()

    def remove(self, order_id: UUID, seq: int = LATEST) -> None:
        """Look at an order no more, unless what is known of it is newer than ``seq``."""
        known = self._known.get(order_id)
        if known is not None and known.seq <= seq:
            del self._known[order_id]

    def drop_shards(self, shards: Collection[int]) -> None:
        """Look at no order of these shards any more."""
        self._known = {
            order_id: known for order_id, known in self._known.items() if known.shard not in shards
        }

    async def run(self) -> None:
        """Place slices until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._added.clear()
            due = self._take_due(loop.time())
            if due and not await attempt("place slices", partial(self.advance, due)):
                for order_id in due:
                    self._look(order_id, loop.time() + RETRY_S)
            if not due:
                await self._wait_next()

    async def advance(self, order_ids: Sequence[UUID]) -> None:
        """Take the next step of some orders, where there is one. Raises ``DATABASE_ERRORS``."""
        orders = await self._orders.load(order_ids)
        now = asyncio.get_running_loop().time()
        for order_id in set(order_ids) - {order.id for order in orders}:
            self.remove(order_id)
        slices, ends = [], []
        for order in orders:
            if order.id in self._known:
                self._known[order.id].seq = order.seq
            match plan_step(order):
                case None:
                    self._poll(order.id, now)
                case SlicesEnd() as end:
                    ends.append(end)
                case NewSlice() if order.due_in_s > 0:
                    self._look(order.id, now + order.due_in_s)
                case NewSlice() as new_slice:
                    slices.append(new_slice)
        await self._place(slices)
        await self._end(ends)

    async def _place(self, slices: Sequence[NewSlice]) -> None:
        placed = await self._orders.place(slices)
        now = asyncio.get_running_loop().time()
        by_parent = {each.order.parent_id: each for each in placed}
        for each in slices:
            done = by_parent.get(each.parent.id)
            if done is None:  # changed by another, or expired
                self._look(each.parent.id, now + RETRY_S)
                continue
            order_traces.child_placed(done.order.id, each.parent.id)
            if each.parent.id in self._known:
                self._known[each.parent.id].seq = each.parent.seq + 1
            if each.parent.progress.placed + 1 < each.parent.plan.schedule.slices:
                self._look(each.parent.id, now + max(done.next_in_s, 0))
            else:
                self._poll(each.parent.id, now)
        if slices:
            observe_triggers.slices_placed(len(placed), len(slices) - len(placed))
        await self._send_jobs(placed)

    async def _send_jobs(self, placed: Sequence[PlacedSlice]) -> None:
        released = [
            ReleasedOrder(order.id, order.owner, order.terms.token_in, order.terms.token_out)
            for order in (each.order for each in placed)
            if not order.waits
        ]
        await send_jobs(self._jobs, released, Counter())

    async def _end(self, ends: Sequence[SlicesEnd]) -> None:
        ended = await self._orders.end(ends)
        now = asyncio.get_running_loop().time()
        for each in ends:
            if each.order.id in ended:
                self.remove(each.order.id)
            else:
                self._look(each.order.id, now + RETRY_S)

    def _poll(self, order_id: UUID, now: float) -> None:
        """Look at an order whose slices are open, after longer and longer times."""
        known = self._known.get(order_id)
        if known is not None:
            self._look(order_id, now + known.poll_s)
            known.poll_s = min(2 * known.poll_s, POLL_S_MAX)

    def _look(self, order_id: UUID, at: float) -> None:
        known = self._known.get(order_id)
        if known is not None:
            known.look_at = at
            heappush(self._looks, (at, order_id))

    def _take_due(self, now: float) -> list[UUID]:
        due: list[UUID] = []
        while self._looks and self._looks[0][0] <= now and len(due) < LOOKS_MAX:
            at, order_id = heappop(self._looks)
            known = self._known.get(order_id)
            if known is not None and known.look_at == at:  # the others were moved, or are gone
                due.append(order_id)
        return due

    async def _wait_next(self) -> None:
        """Wait until an order is to be looked at, or one was added."""
        at = self._looks[0][0] if self._looks else None
        try:
            async with asyncio.timeout_at(at):
                await self._added.wait()
        except TimeoutError:
            return

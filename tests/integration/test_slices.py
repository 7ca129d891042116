"""TWAP orders on a real database: slices placed once, counted exactly, cancelled with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import orjson
import pytest

from backend.domain.amounts import TransactionCosts
from backend.domain.lifecycle import Cause, Status, advance
from backend.domain.orders import OrderRecord, OrderTerms, OrderType, SignedTransaction, TimeInForce
from backend.domain.prices import PriceRatio
from backend.domain.quotes import Dex
from backend.domain.tokens import TokenRegistry
from backend.domain.waiting.slices import SliceSchedule
from backend.store.late_amounts import LateAmount, LateAmountStore
from backend.store.reads.order_lists import OrderFilter
from backend.store.transitions import Transition
from backend.store.waiting.sliced_orders import NewSlice, SlicedOrder, SlicedOrders, SlicesEnd
from backend.store.withdrawals.cancellations import CancelReason
from backend.triggers.slices.steps import plan_step
from tests.integration.stores import ORDER_TERMS, Store, new_order, open_store

SCHEDULE = SliceSchedule(slices=4, interval_s=60)
LOCK_PARENT = "SELECT FROM orders WHERE id = $1 FOR UPDATE"
COUNT_LOCKED = """
SELECT count(*) FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND datname = current_database()
"""
TERMS = replace(ORDER_TERMS, type=OrderType.TWAP, condition=SCHEDULE)


class SlicedStore:
    """A store with a TWAP order in it, and steps of it and of its slices."""

    def __init__(self, store: Store, order_id: UUID) -> None:
        self.store = store
        self.order_id = order_id
        self.sliced = SlicedOrders(
            store.pool,
            tokens=TokenRegistry(),
            rekick_after=timedelta(seconds=60),
            on_commit=store.commits.append,
        )

    async def load(self) -> SlicedOrder:
        [order] = await self.sliced.load([self.order_id])
        return order

    async def make_due(self, seconds_ago: float = 0) -> None:
        await self.store.pool.execute(
            "UPDATE orders SET next_slice_at = now() - make_interval(secs => $2) WHERE id = $1",
            self.order_id,
            seconds_ago,
        )

    async def place(self) -> UUID | None:
        """Place the next slice, if it is due."""
        step = plan_step(await self.load())
        assert isinstance(step, NewSlice)
        placed = await self.sliced.place([step])
        return placed[0].order.id if placed else None

    async def place_due(self) -> UUID:
        await self.make_due()
        placed = await self.place()
        assert placed is not None
        return placed

    async def submit(self, order_id: UUID) -> Transition:
        """Have a slice submitted; returns that transition."""
        order = await self.store.leases.claim(order_id)
        assert order is not None
        step = advance(order.status, order.attempt, Cause.ROUTED)
        routed = Transition(order, step, "{}", dex=Dex.RAYDIUM, route="{}")
        await self.store.journal.record(routed)
        order = replace(order, status=step.status, seq=order.seq + 1)
        step = advance(order.status, order.attempt, Cause.SIGNED)
        submitted = Transition(order, step, "{}", signed=SignedTransaction("s", b"t", 9))
        await self.store.journal.record(submitted)
        return replace(submitted, order=replace(order, status=step.status, seq=order.seq + 1))

    async def confirm(self, order_id: UUID, amount_out: int | None) -> None:
        order = (await self.submit(order_id)).order
        step = advance(order.status, order.attempt, Cause.LANDED)
        price = None if amount_out is None else "100"
        await self.store.journal.record(
            Transition(order, step, "{}", amount_out=amount_out, executed_price=price)
        )

    async def fail(self, order_id: UUID) -> None:
        order = (await self.submit(order_id)).order
        step = advance(order.status, order.attempt, Cause.REJECTED)
        await self.store.journal.record(Transition(order, step, "{}", last_error="x"))

    async def get(self, order_id: UUID | None = None) -> OrderRecord:
        record = await self.store.orders.get("local", order_id or self.order_id)
        assert record is not None
        return record

    async def read_events(
        self, order_id: UUID | None = None
    ) -> list[tuple[Status, dict[str, object]]]:
        events = await self.store.feed.read_order_events(order_id or self.order_id, 0)
        return [(event.status, orjson.loads(event.data)) for event in events]


@asynccontextmanager
async def open_sliced(
    database_url: str, terms: OrderTerms = TERMS, **fields: object
) -> AsyncIterator[SlicedStore]:
    async with open_store(database_url) as store:
        order = replace(new_order(terms=terms), **fields)  # type: ignore[arg-type]
        accepted = await store.intake.accept(order)
        assert accepted.status is Status.WAITING
        yield SlicedStore(store, accepted.id)


async def test_a_slice_is_placed_once_with_its_events_in_one_commit(database_url: str) -> None:
    async with open_sliced(database_url) as sliced:
        step = plan_step(await sliced.load())
        assert isinstance(step, NewSlice)
        [placed] = await sliced.sliced.place([step])
        assert await sliced.sliced.place([step]) == []
        assert 59 < placed.next_in_s <= 60
        child = await sliced.get(placed.order.id)
        assert (child.type, child.amount_in, child.status) == (
            OrderType.MARKET,
            250_000_000,
            "pending",
        )
        assert (child.parent_id, child.expires_at) == (sliced.order_id, None)
        assert child.client_order_id == f"twap:{sliced.order_id.hex}:1"
        data = {"slice": 1, "childId": str(child.id), "amountIn": "0.25"}
        assert (await sliced.read_events())[-1] == (Status.WAITING, data)
        commit = sliced.store.commits[-1]
        assert commit.events is not None
        assert [(e.order_id, e.seq, e.status) for e in commit.events] == [
            (sliced.order_id, 3, Status.WAITING),
            (child.id, 1, Status.PENDING),
        ]
        stored = await sliced.store.feed.read_newest_events([(sliced.order_id, 2), (child.id, 0)])
        assert {(e.order_id, e.txid, e.at, e.owner) for e in stored} == {
            (e.order_id, e.txid, e.at, e.owner) for e in commit.events
        }
        assert orjson.loads(commit.events[1].data) == (await sliced.read_events(child.id))[0][1]
        assert await sliced.place() is None  # the next one is not due


async def test_a_late_slice_moves_those_after_it(database_url: str) -> None:
    async with open_sliced(database_url) as sliced:
        for late_s, next_in_s in ((0.5, 59.5), (3_600, 60), (-3_600, 60)):
            await sliced.make_due(late_s)
            order = await sliced.load()
            assert order.due_in_s == 0
            step = plan_step(order)
            assert isinstance(step, NewSlice)
            [placed] = await sliced.sliced.place([step])
            assert next_in_s - 0.5 < placed.next_in_s <= next_in_s
        await sliced.make_due(-30)  # a time that may be: not one from before the clock was set back
        assert 29 < (await sliced.load()).due_in_s <= 30


async def test_slices_fill_their_parent_to_the_base_unit(database_url: str) -> None:
    """One fails, and two amounts come late: what was left goes to the rest."""
    async with open_sliced(database_url, replace(TERMS, amount_in=1_000_003)) as sliced:
        await sliced.confirm(await sliced.place_due(), 100)
        await sliced.fail(await sliced.place_due())
        late = [await sliced.place_due(), await sliced.place_due()]
        assert plan_step(await sliced.load()) is None  # two are open
        for order_id in late:
            await sliced.confirm(order_id, None)
        record = await sliced.get()
        assert record.progress is not None
        assert record.progress.filled_amount_in == record.amount_in == 1_000_003
        assert record.progress.amount_out == 100
        end = plan_step(await sliced.load())
        assert isinstance(end, SlicesEnd)
        assert await sliced.sliced.end([end]) == {sliced.order_id}
        assert await sliced.sliced.end([end]) == set()
        status, data = (await sliced.read_events())[-1]
        assert (status, data["leavesAmountIn"], data["amountKnown"]) == ("confirmed", "0", False)
        amounts = [LateAmount(order_id, 250, "1", TransactionCosts(5_000, 0)) for order_id in late]
        await LateAmountStore(sliced.store.pool, TokenRegistry()).store(amounts)
        record = await sliced.get()
        assert record.progress is not None
        assert record.progress.average_price == PriceRatio(600, 1_000_003)
        listed = await sliced.store.orders.list_page(
            "local", OrderFilter(type=OrderType.TWAP), limit=9
        )
        assert listed == [record]
        children = await sliced.store.orders.list_page(
            "local", OrderFilter(parent_id=sliced.order_id), limit=9, is_ascending=True
        )
        assert [each.status for each in children] == ["confirmed", "failed", *["confirmed"] * 2]


@pytest.mark.parametrize(("fills", "code"), [(1, "partly_filled"), (0, "unfilled")])
async def test_what_is_not_filled_ends_as_failed(database_url: str, fills: int, code: str) -> None:
    """What the slices left is tried once more."""
    async with open_sliced(database_url) as sliced:
        for number in range(5):
            placed = await sliced.place_due()
            await (sliced.confirm(placed, 10) if number < fills else sliced.fail(placed))
        end = plan_step(await sliced.load())
        assert isinstance(end, SlicesEnd)
        await sliced.sliced.end([end])
        record = await sliced.get()
        assert (record.status, (record.last_error or "").partition(":")[0]) == ("failed", code)
        assert record.next_slice_at is None
        status, data = (await sliced.read_events())[-1]
        assert (status, data["code"], data["slicesPlaced"]) == ("failed", code, 5)
        assert data["filledAmountIn"] == ("0.25" if fills else "0")
        assert await sliced.sliced.load([sliced.order_id]) == []


async def test_a_slice_with_a_limit_waits_for_it_for_half_an_interval(database_url: str) -> None:
    terms = replace(TERMS, condition=replace(SCHEDULE, limit=PriceRatio(12, 100)))
    async with open_sliced(database_url, terms) as sliced:
        child = await sliced.get(await sliced.place_due())
        assert (child.type, child.status) == (OrderType.LIMIT, Status.WAITING)
        assert (child.min_amount_out, child.time_in_force) == (30_000_000, TimeInForce.GTD)
        assert child.expires_at is not None
        assert timedelta(seconds=29) < child.expires_at - child.created_at <= timedelta(seconds=30)
        [waiting] = await sliced.store.waiting.load([child.id])
        assert waiting.condition == child.condition


async def test_slices_expire_with_their_parent(database_url: str) -> None:
    async with open_store(database_url) as store:
        expires_at = await store.pool.fetchval("SELECT now() + interval '1 hour'")
    fields = {"time_in_force": TimeInForce.GTD, "expires_at": expires_at}
    async with open_sliced(database_url, TERMS, **fields) as sliced:
        child = await sliced.place_due()
        assert (await sliced.get(child)).expires_at == expires_at
        await sliced.make_due()
        await sliced.store.pool.execute("UPDATE orders SET expires_at = now()")
        assert await sliced.place() is None
        assert await sliced.store.expiries.expire_due() == 2
        assert {(await sliced.get(each)).status for each in (child, sliced.order_id)} == {"expired"}


async def test_slices_are_cancelled_with_their_parent(database_url: str) -> None:
    """Also one that was submitted at that time, once it is to be tried again."""
    async with open_sliced(database_url) as sliced:
        confirmed, submitted, pending = [await sliced.place_due() for _ in range(3)]
        await sliced.confirm(confirmed, 10)
        order = (await sliced.submit(submitted)).order
        cancellations = sliced.store.cancellations
        assert await cancellations.cancel("local", sliced.order_id, CancelReason.REQUESTED)
        parent, child = await sliced.get(), await sliced.get(pending)
        assert (parent.status, parent.cancel_reason) == ("cancelled", "cancelled_by_request")
        assert (child.status, child.cancel_reason) == ("cancelled", "cancelled_with_parent")
        assert parent.progress is not None
        assert (parent.progress.filled_amount_in, parent.next_slice_at) == (250_000_000, None)
        assert await cancellations.cancel_due() == 1
        assert (await sliced.get(submitted)).status is Status.SUBMITTED
        step = advance(order.status, order.attempt, Cause.SIGNATURE_EXPIRED)
        await sliced.store.journal.record(Transition(order, step, "{}", wait_ms=0, last_error="x"))
        assert await cancellations.cancel_due() == 1
        assert (await sliced.get(submitted)).status is Status.CANCELLED
        assert await cancellations.cancel_due() == 0
        assert await sliced.sliced.load([sliced.order_id]) == []


async def test_a_slice_that_is_placed_meanwhile_is_cancelled_with_its_parent(
    database_url: str,
) -> None:
    """Both statements wait for the row of the parent: whichever comes first, none is left open."""
    async with open_sliced(database_url) as sliced:
        pool, cancellations = sliced.store.pool, sliced.store.cancellations
        async with (
            asyncio.TaskGroup() as tasks,
            pool.acquire() as connection,
            connection.transaction(),
            asyncio.timeout(60),
        ):
            await connection.execute(LOCK_PARENT, sliced.order_id)
            placing = tasks.create_task(sliced.place())
            cancelling = tasks.create_task(
                cancellations.cancel("local", sliced.order_id, CancelReason.REQUESTED)
            )
            while await pool.fetchval(COUNT_LOCKED) < 2:
                await asyncio.sleep(0.01)
        assert cancelling.result()
        assert (await sliced.get()).status is Status.CANCELLED
        child = placing.result()
        assert child is None or (await sliced.get(child)).status is Status.CANCELLED
        assert await sliced.store.count_open() == 0

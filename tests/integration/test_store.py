"""The store on a real PostgreSQL: intake, leases, journal and feed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from uuid import UUID

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from backend.domain.errors import IdempotencyKeyReused
from backend.domain.lifecycle import Cause, Status, advance
from backend.domain.orders import NewOrder, SignedTransaction
from backend.domain.quotes import Dex
from backend.store.feed import Feed, FeedPosition
from backend.store.intake import NewBatch
from backend.store.migrations import migrate
from backend.store.reads.order_lists import ListPosition, OrderFilter
from backend.store.transitions import IntermediateStep, LeaseLost, Transition
from tests.integration.stores import (
    EXPIRED_LEASES,
    LONG_LEASES,
    accept_order,
    build_routed,
    claim_order,
    new_order,
    open_store,
)


async def test_migrating_twice_changes_nothing(database_url: str) -> None:
    assert await migrate(database_url) == []


async def test_an_accepted_order_is_stored_with_its_first_event(database_url: str) -> None:
    async with open_store(database_url) as store:
        order_id = await accept_order(store)
        record = await store.orders.get("local", order_id)
        assert record is not None
        assert (record.status, record.seq, record.amount_in) == (Status.PENDING, 1, 10**9)
        [event] = await store.feed.read_order_events(order_id, 0)
        assert (event.seq, event.status) == (1, Status.PENDING)
        assert '"amountIn": "1"' in event.data


async def test_another_owner_does_not_see_an_order(database_url: str) -> None:
    async with open_store(database_url) as store:
        order_id = await accept_order(store)
        assert await store.orders.get("somebody", order_id) is None
        assert await store.orders.list_page("somebody", OrderFilter(), limit=9) == []


KEYED_ORDERS = [
    partial(new_order, client_order_id="key-1"),
    partial(new_order, idempotency_key="key-1"),
]


@pytest.mark.parametrize("build_order", KEYED_ORDERS)
async def test_many_requests_with_one_key_store_one_order(
    database_url: str, build_order: Callable[..., NewOrder]
) -> None:
    async with open_store(database_url) as store:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(store.intake.accept(build_order())) for _ in range(50)]
        results = [task.result() for task in tasks]
        assert len({result.id for result in results}) == 1
        assert [result.is_replay for result in results].count(False) == 1
        assert await store.count_open() == 1


@pytest.mark.parametrize("build_order", KEYED_ORDERS)
async def test_a_key_cannot_be_used_for_a_different_request(
    database_url: str, build_order: Callable[..., NewOrder]
) -> None:
    async with open_store(database_url) as store:
        await store.intake.accept(build_order())
        with pytest.raises(IdempotencyKeyReused, match="different"):
            await store.intake.accept(build_order(b"other"))
        assert await store.count_open() == 1


async def test_a_batch_is_stored_whole_or_not_at_all(database_url: str) -> None:
    async with open_store(database_url) as store:
        await store.intake.accept(new_order(b"other", client_order_id="used"))
        batch = NewBatch(uuid7(), "local", "key", b"batch", '{"orders": []}')
        orders = [new_order(), new_order(client_order_id="used")]
        with pytest.raises(IdempotencyKeyReused):
            await store.intake.accept_batch(batch, orders)
        assert await store.count_open() == 1
        assert await store.intake.accept_batch(batch, orders[:1]) is None
        assert await store.intake.accept_batch(batch, [new_order()]) == batch.response
        assert await store.intake.find_batch_response(batch) == batch.response
        assert await store.count_open() == 2


async def test_a_transition_updates_the_order_and_writes_its_event(database_url: str) -> None:
    async with open_store(database_url) as store:
        order = await claim_order(store)
        await store.journal.record(build_routed(order))
        record = await store.orders.get("local", order.id)
        assert record is not None
        assert (record.status, record.seq, record.dex) == (Status.BUILDING, 3, Dex.RAYDIUM)
        assert len(store.committed_txids) == 3


async def test_a_transition_is_stored_once_however_often_it_is_recorded(database_url: str) -> None:
    async with open_store(database_url) as store:
        order = await claim_order(store)
        await store.journal.record(build_routed(order))
        with pytest.raises(LeaseLost):
            await store.journal.record(build_routed(order))
        assert len(await store.feed.read_order_events(order.id, 0)) == 3


async def test_an_intermediate_step_has_its_event_in_the_same_commit(database_url: str) -> None:
    async with open_store(database_url) as store:
        order = await claim_order(store)
        step = advance(Status.BUILDING, order.attempt, Cause.SIGNED)
        signed = SignedTransaction("5" * 88, b"wire", 151)
        via = IntermediateStep(build_routed(order).step, '{"dex":"raydium"}')
        await store.journal.record(
            Transition(order, step, "{}", via, dex=Dex.RAYDIUM, route="{}", signed=signed)
        )
        record = await store.orders.get("local", order.id)
        assert record is not None
        assert (record.status, record.seq, record.dex) == (Status.SUBMITTED, 4, Dex.RAYDIUM)
        *_, building, submitted = await store.feed.read_order_events(order.id, 0)
        assert (building.seq, building.status) == (3, Status.BUILDING)
        assert (submitted.seq, submitted.status) == (4, Status.SUBMITTED)
        assert building.txid == submitted.txid
        assert building.at <= submitted.at
        assert building.data == '{"dex": "raydium"}'


async def test_a_worker_whose_lease_was_taken_over_writes_nothing(database_url: str) -> None:
    async with open_store(database_url, EXPIRED_LEASES) as store:
        stale = await claim_order(store)
        holder = await store.leases.claim(stale.id)
        assert holder is not None
        assert holder.epoch == stale.epoch + 1
        with pytest.raises(LeaseLost):
            await store.journal.record(build_routed(stale))
        await store.journal.record(build_routed(holder))
        assert await store.leases.renew([stale]) == set()
        assert await store.leases.renew([holder]) == {holder.id}


async def test_the_database_refuses_a_status_without_its_columns(database_url: str) -> None:
    async with open_store(database_url) as store:
        await accept_order(store)
        change = "UPDATE orders SET status = $1::text::order_status"
        for status in ("submitted", "confirmed", "failed"):
            with pytest.raises(asyncpg.CheckViolationError):
                await store.pool.execute(change, status)


async def test_events_cannot_be_changed(database_url: str) -> None:
    async with open_store(database_url) as store:
        await accept_order(store)
        for change in ("UPDATE order_events SET seq = 7", "DELETE FROM order_events"):
            with pytest.raises(asyncpg.RaiseError, match="append-only"):
                await store.pool.execute(change)


async def test_a_broken_connection_does_not_lose_or_double_a_transition(database_url: str) -> None:
    async with open_store(database_url) as store:
        orders = [await claim_order(store) for _ in range(20)]
        other = await asyncpg.connect(database_url)
        async with asyncio.TaskGroup() as group:
            records = [group.create_task(store.journal.record(build_routed(o))) for o in orders]
            await other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert all(record.done() for record in records)
        for order in orders:
            query = "SELECT seq FROM order_events WHERE order_id = $1 ORDER BY seq"
            assert [row["seq"] for row in await other.fetch(query, order.id)] == [1, 2, 3]
        await other.close()


async def read_all(feed: Feed, after: FeedPosition, step: int) -> list[tuple[UUID, int]]:
    event_keys: list[tuple[UUID, int]] = []
    while True:
        events, after = await feed.read_events(after, step)
        if not events:
            return event_keys
        event_keys += [(event.order_id, event.seq) for event in events]


async def test_the_feed_has_every_event_once_however_it_is_paged(database_url: str) -> None:
    async with open_store(database_url) as store:
        start = await store.feed.read_head()
        async with asyncio.TaskGroup() as group:
            for _ in range(30):
                group.create_task(claim_order(store))
        await store.wait_readable()
        for step in (1, 7, 1000):
            event_keys = await read_all(store.feed, start, step)
            assert len(event_keys) == len(set(event_keys)) == 60
        assert [seq for _, seq in event_keys].count(1) == 30


async def test_the_feed_waits_for_a_transaction_that_may_still_write_below(
    database_url: str,
) -> None:
    async with open_store(database_url, LONG_LEASES) as store:
        start = await store.feed.read_head()
        slow = await asyncpg.connect(database_url)
        transaction = slow.transaction()
        await transaction.start()
        await slow.execute("SELECT pg_current_xact_id()")
        await accept_order(store)
        events, end = await store.feed.read_events(start, 10)
        assert events == []
        assert start <= end < FeedPosition(store.committed_txids[-1])
        await transaction.commit()
        await slow.close()
        await store.wait_readable()
        events, _ = await store.feed.read_events(start, 10)
        assert len(events) == 1


@pytest.mark.parametrize("position", [FeedPosition(7), FeedPosition(7, UUID(int=5), 3)])
def test_a_position_survives_text(position: FeedPosition) -> None:
    assert FeedPosition.parse(str(position)) == position


@pytest.mark.parametrize("text", ["", "x", "1-2", "-1", "1-" + "0" * 32 + "-x", "9" * 30, "\u0661"])
def test_an_invalid_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        FeedPosition.parse(text)


async def test_a_page_is_newest_first_and_filters_compose(database_url: str) -> None:
    async with open_store(database_url) as store:
        ids = [await accept_order(store) for _ in range(5)]
        await store.leases.claim(ids[2])
        page = await store.orders.list_page("local", OrderFilter(), limit=3)
        assert [record.id for record in page] == ids[:1:-1]
        last = ListPosition(page[-1].created_at, page[-1].id)
        rest = await store.orders.list_page("local", OrderFilter(), after=last, limit=3)
        assert [record.id for record in rest] == ids[1::-1]
        routing = OrderFilter(statuses=(Status.ROUTING,), token_in="SOL")
        [record] = await store.orders.list_page("local", routing, limit=3)
        assert record.id == ids[2]
        assert await store.orders.count_by_status() == {Status.PENDING: 4, Status.ROUTING: 1}

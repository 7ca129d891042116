"""Groups on a real database: at most one of two orders is ever executed."""

from __future__ import annotations

import asyncio
from uuid import UUID

import asyncpg
import orjson

from backend.domain.lifecycle import Cause, Status
from backend.domain.orders import LeasedOrder
from backend.store.withdrawals.cancellations import CancelReason
from tests.integration.group_steps import (
    accept_pair,
    assert_told_in_order,
    build_step,
    claim,
    confirm,
    find_met,
    read_events,
    read_statuses,
    release,
    submit,
)
from tests.integration.stores import LIMIT_TERMS, new_order, open_store

GROUPS = 60
ROUNDS = 40
_READ_REASONS = "SELECT id, cancel_reason FROM orders"
_COUNT_BLOCKED = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0
"""
_AMEND = """
WITH moved AS (
    UPDATE orders SET seq = seq + 1 WHERE id = $1 AND status = 'waiting' RETURNING id, seq
)
INSERT INTO order_events (order_id, seq, status, at, attempt, data)
SELECT id, seq, 'waiting', clock_timestamp(), 1, '{}' FROM moved
"""


async def test_of_two_met_orders_of_a_group_the_first_is_released(database_url: str) -> None:
    async with open_store(database_url) as store:
        one, other = await accept_pair(store)
        alone = await store.intake.accept(new_order(terms=LIMIT_TERMS))
        met = await find_met(store, other, one, alone.id)
        assert await store.waiting.release(met) == {other, alone.id}
        assert await release(store, one) == set()
        assert (await read_statuses(store))[one] == "waiting"


async def test_releases_of_one_group_by_two_watchers_never_release_both(database_url: str) -> None:
    async with open_store(database_url) as store, open_store(database_url) as second:
        pairs = [await accept_pair(store) for _ in range(GROUPS)]
        for start in range(0, GROUPS, 10):
            part = pairs[start : start + 10]
            met = [await find_met(store, *pair) for pair in part]
            # Each watcher has all of them, in another order.
            async with asyncio.TaskGroup() as group:
                for watcher in (store, second):
                    ordered = met if watcher is store else [each[::-1] for each in met[::-1]]
                    flat = [each for pair in ordered for each in pair]
                    group.create_task(watcher.waiting.release(flat))
                    for pair in ordered:
                        group.create_task(watcher.waiting.release(pair[::-1]))
            for ids in part:
                await release(store, *ids)  # whatever both have left to the other
        statuses = await read_statuses(store)
        for ids in pairs:
            assert sorted(statuses[each] for each in ids) == ["routing", "waiting"]
        await assert_told_in_order(store)


async def test_the_confirmation_of_an_order_cancels_the_other_of_its_group_in_its_commit(
    database_url: str,
) -> None:
    async with open_store(database_url) as store:
        one, other = await accept_pair(store)
        third, _ = await accept_pair(store)
        assert await release(store, one) == {one}
        await confirm(store, await submit(store, await claim(store, one)))
        [confirmed], [cancelled] = [
            [each for each in await read_events(store, order_id) if each["status"] == status]
            for order_id, status in ((one, "confirmed"), (other, "cancelled"))
        ]
        assert confirmed["txid"] == cancelled["txid"] == store.committed_txids[-1]
        data = orjson.loads(cancelled["data"])
        assert data["code"] == "cancelled_by_oco"
        assert str(one) in data["reason"]
        assert await release(store, other) == set()
        assert (await read_statuses(store))[third] == "waiting"
        record = await store.orders.get("local", other)
        assert record is not None
        assert (record.status, record.cancel_reason) == (Status.CANCELLED, "cancelled_by_oco")
        assert record.seq == 3


async def test_an_order_that_ends_otherwise_or_waits_again_leaves_the_other(
    database_url: str,
) -> None:
    async with open_store(database_url) as store:
        for ending in ("fails", "waits", "is cancelled"):
            one, other = await accept_pair(store)
            assert await release(store, one) == {one}
            order = await claim(store, one)
            assert await release(store, other) == set()
            if ending == "fails":
                await store.journal.record(build_step(order, Cause.REJECTED, last_error="x: y"))
            elif ending == "waits":
                await store.journal.record(build_step(order, Cause.UNMET, wait_ms=0))
            else:
                assert await store.cancellations.cancel("local", one, CancelReason.REQUESTED)
            assert await release(store, other) == {other}, ending
            await confirm(store, await submit(store, await claim(store, other)))
            ended = (await read_statuses(store))[one]
            assert ended == ("failed" if ending == "fails" else "cancelled")


async def test_a_confirmation_races_releases_and_cancellations_of_the_other_order(
    database_url: str,
) -> None:
    """Whoever comes first, one is executed, and each answer of a cancellation is true."""
    async with open_store(database_url) as worker, open_store(database_url) as api:
        pairs, orders = [], []
        for _ in range(ROUNDS):
            pair = await accept_pair(worker)
            await release(worker, pair[0])
            pairs.append(pair)
            orders.append(await submit(worker, await claim(worker, pair[0])))
        met = [await find_met(api, other) for _, other in pairs]
        async with asyncio.TaskGroup() as group:
            cancelling: dict[UUID, asyncio.Task[bool]] = {}
            for number, (order, (_, other)) in enumerate(zip(orders, pairs, strict=True)):
                group.create_task(confirm(worker, order))
                group.create_task(api.waiting.release(met[number]))
                if number % 2:
                    cancelling[other] = group.create_task(
                        api.cancellations.cancel("local", other, CancelReason.REQUESTED)
                    )
                await asyncio.sleep(0)
        reasons = {row["id"]: row["cancel_reason"] for row in await api.pool.fetch(_READ_REASONS)}
        statuses = await read_statuses(api)
        for one, other in pairs:
            assert (statuses[one], statuses[other]) == ("confirmed", "cancelled")
            is_own = other in cancelling and cancelling[other].result()
            assert reasons[other] == ("cancelled_by_request" if is_own else "cancelled_by_oco")
        await assert_told_in_order(api)


async def wait_for_blocked(connection: asyncpg.Connection[asyncpg.Record], count: int) -> None:
    async with asyncio.timeout(60):
        while await connection.fetchval(_COUNT_BLOCKED) < count:
            await asyncio.sleep(0.01)
            # What a transaction has read of other sessions it reads again else.
            await connection.execute("SELECT pg_stat_clear_snapshot()")


async def test_an_order_that_moves_on_amid_the_confirmation_of_the_other_ends_after_that_step(
    database_url: str,
) -> None:
    """The transaction has its id from the lock on the first order, before the second moves on."""
    async with open_store(database_url) as store, asyncio.TaskGroup() as group:
        first, second = sorted(await accept_pair(store))
        await release(store, first)
        order = await submit(store, await claim(store, first))
        blocker = await asyncpg.connect(database_url)
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute("SELECT FROM orders WHERE id = $1 FOR UPDATE", second)
        amending = group.create_task(amend(database_url, second))  # has no transaction id yet
        await wait_for_blocked(blocker, 1)
        confirming = group.create_task(confirm(store, order))
        await wait_for_blocked(blocker, 2)
        await transaction.rollback()
        await blocker.close()
        await amending
        await confirming
        events = await read_events(store, second)
        assert [each["status"] for each in events] == ["pending", *["waiting"] * 2, "cancelled"]
        assert events[-1]["txid"] == (await read_events(store, first))[-1]["txid"]
        await assert_told_in_order(store)


async def amend(database_url: str, order_id: UUID) -> None:
    """A step of an order that waits, from ``waiting`` to ``waiting``, if it still does."""
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM orders WHERE id = $1 FOR UPDATE", order_id)
            await connection.execute(_AMEND, order_id)
    finally:
        await connection.close()


async def test_confirmations_and_amendments_of_many_groups_do_not_block_each_other(
    database_url: str,
) -> None:
    async with open_store(database_url) as store, open_store(database_url) as second:
        pairs = [await accept_pair(store) for _ in range(ROUNDS)]
        orders: list[LeasedOrder] = []
        for one, other in pairs:
            released = max(one, other) if len(orders) % 2 else min(one, other)
            await release(store, released)
            orders.append(await submit(store, await claim(store, released)))
        async with asyncio.TaskGroup() as group:
            for number, (order, pair) in enumerate(zip(orders, pairs, strict=True)):
                [other] = {*pair} - {order.id}
                group.create_task(confirm((store, second)[number % 2], order))
                if number % 4 == 0:
                    group.create_task(amend(database_url, other))
                await asyncio.sleep(0)
        statuses = await read_statuses(store)
        for order, pair in zip(orders, pairs, strict=True):
            [other] = {*pair} - {order.id}
            assert (statuses[order.id], statuses[other]) == ("confirmed", "cancelled")
        await assert_told_in_order(store)

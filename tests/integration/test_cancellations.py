"""Cancellations on a real database: exactly one of a cancellation and a worker's write wins."""

from __future__ import annotations

import asyncio
from uuid import UUID

import asyncpg
import orjson
import pytest
from uuid_utils.compat import uuid7

from backend.domain.lifecycle import CANCELLABLE_STATUSES, Cause, Status, advance
from backend.domain.orders import LeasedOrder, SignedTransaction
from backend.store.journal import _FIND_RECORDED
from backend.store.migrations import migrate
from backend.store.transitions import IntermediateStep, LeaseLost, Transition
from backend.store.withdrawals.cancellations import _CANCEL_ORDERS, CancelReason
from tests.integration.stores import (
    EXPIRED_LEASES,
    Store,
    accept_order,
    build_routed,
    claim_order,
    new_order,
    open_store,
)
from tests.integration.test_migrations import create_database_0_1, empty_database_url

__all__ = ["empty_database_url"]

RACES = 100
_ROW = """
SELECT status::text, epoch, seq, cancel_reason, open, lease_until IS NULL AS is_released,
       closed_as, closed_at IS NOT NULL AS is_marked
FROM orders WHERE id = $1
"""
_IS_BLOCKING = """
SELECT EXISTS (
    SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))
"""


async def cancel(store: Store, order_id: UUID, owner: str = "local") -> bool:
    return await store.cancellations.cancel(owner, order_id, CancelReason.REQUESTED)


async def read_rows(store: Store) -> dict[UUID, str]:
    rows = await store.pool.fetch("SELECT id, to_jsonb(o)::text AS row FROM orders o")
    return {row["id"]: row["row"] for row in rows}


def build_signed(order: LeasedOrder) -> Transition:
    """From ``routing`` to ``submitted`` in one commit, as without a preflight."""
    routed = build_routed(order)
    step = advance(Status.BUILDING, order.attempt, Cause.SIGNED)
    signed = SignedTransaction("signature", b"bytes", 7)
    return Transition(order, step, "{}", _as_via(routed), dex=routed.dex, route="{}", signed=signed)


def _as_via(routed: Transition) -> IntermediateStep:
    return IntermediateStep(routed.step, routed.data)


async def test_a_cancelled_order_has_ended_with_its_event_and_no_lease(database_url: str) -> None:
    async with open_store(database_url) as store:
        order = await claim_order(store)
        assert await cancel(store, order.id)
        [row] = await store.pool.fetch(_ROW, order.id)
        assert tuple(row) == (
            *("cancelled", order.epoch + 1, order.seq + 1, "cancelled_by_request", False, True),
            *("cancelled - market SOL USDC", True),
        )
        last = (await store.feed.read_order_events(order.id, 0))[-1]
        assert (last.seq, last.status, last.attempt) == (3, Status.CANCELLED, 1)
        assert orjson.loads(last.data)["code"] == "cancelled_by_request"
        assert store.committed_txids[-1] == last.txid
        assert await store.count_open() == 0


async def test_a_cancelled_order_is_never_claimed_renewed_released_or_written_again(
    database_url: str,
) -> None:
    async with open_store(database_url, EXPIRED_LEASES) as store:
        order = await claim_order(store)
        assert await cancel(store, order.id)
        before = await store.pool.fetch("SELECT to_jsonb(o) FROM orders o")
        assert await store.leases.claim(order.id) is None
        assert await store.leases.claim_waiting({"local": 10}) == []
        assert await store.leases.find_overdue_owners() == []
        assert await store.leases.renew([order]) == set()
        await store.leases.release([order])
        for transition in (build_routed(order), build_signed(order)):
            with pytest.raises(LeaseLost):
                await store.journal.record(transition)
        assert not await cancel(store, order.id)
        assert await store.pool.fetch("SELECT to_jsonb(o) FROM orders o") == before


async def test_a_cancellation_is_not_taken_for_a_worker_s_write_that_is_in_doubt(
    database_url: str,
) -> None:
    """Both raise the seq by one: the epoch tells them apart."""
    async with open_store(database_url) as store:
        order, other = await claim_order(store), await claim_order(store)
        assert await cancel(store, order.id)
        await store.journal.record(build_routed(other))
        orders = (order, other)
        keys = ([o.id for o in orders], [o.epoch for o in orders], [o.seq for o in orders])
        rows = await store.pool.fetch(_FIND_RECORDED, *keys, [None, None], [None, None])
        assert [row["id"] for row in rows] == [other.id]


async def test_only_its_owner_cancels_an_order(database_url: str) -> None:
    async with open_store(database_url) as store:
        order_id = await accept_order(store)
        assert not await cancel(store, order_id, owner="another")
        assert not await cancel(store, uuid7())
        assert await cancel(store, order_id)


async def test_an_order_is_cancelled_in_these_statuses_only(empty_database_url: str) -> None:
    ids = await create_database_0_1(empty_database_url)
    await migrate(empty_database_url)
    async with open_store(empty_database_url) as store:
        before = await read_rows(store)
        for status, order_id in ids.items():
            assert await cancel(store, order_id) == (status in CANCELLABLE_STATUSES)
        after = await read_rows(store)
        unchanged = {status for status, each in ids.items() if before[each] == after[each]}
        assert unchanged == set(Status) - CANCELLABLE_STATUSES


async def test_of_a_cancellation_and_the_step_to_submitted_exactly_one_is_stored(
    database_url: str,
) -> None:
    async with open_store(database_url) as worker, open_store(database_url) as api:
        orders = [await claim_order(worker) for _ in range(RACES)]

        async def sign(order: LeasedOrder, delay_turns: int) -> bool:
            for _ in range(delay_turns):
                await asyncio.sleep(0)
            try:
                await worker.journal.record(build_signed(order))
            except LeaseLost:
                return False
            return True

        async with asyncio.TaskGroup() as group:
            races = [
                (
                    order,
                    group.create_task(sign(order, number % 7)),
                    group.create_task(cancel(api, order.id)),
                )
                for number, order in enumerate(orders)
            ]
        for order, signing, cancelling in races:
            assert signing.result() != cancelling.result()
            [row] = await api.pool.fetch(_ROW, order.id)
            assert row["status"] == ("submitted" if signing.result() else "cancelled")


async def test_many_orders_are_cancelled_together(database_url: str) -> None:
    async with open_store(database_url) as store:
        orders = [new_order() for _ in range(1_100)]
        async with asyncio.TaskGroup() as group:
            for order in orders:
                group.create_task(store.intake.accept(order))
        claimed = await store.leases.claim(orders[0].id)
        assert claimed is not None
        await store.journal.record(build_signed(claimed))
        ids = [order.id for order in orders]
        reason = CancelReason.ALL_REQUESTED
        cancelled = await store.cancellations.cancel_many("local", [*ids, uuid7()], reason)
        assert cancelled == set(ids[1:])
        assert await store.cancellations.cancel_many("local", ids, reason) == set()
        rows = await store.pool.fetch("SELECT count(*) FROM order_events GROUP BY status")
        assert sorted(row["count"] for row in rows) == [1, 1, 1, 1_099, 1_100]


async def test_each_cancelled_order_is_found_by_its_id(database_url: str) -> None:
    async with open_store(database_url) as store:
        order_id = await accept_order(store)
        args = [[order_id], ["local"], ["x"], ["{}"], ["pending"]]
        async with store.pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            rows = await connection.fetch(f"EXPLAIN {_CANCEL_ORDERS}", *args)
        plan = "\n".join(row[0] for row in rows)
        assert "Index Scan using orders_pkey on orders" in plan, plan
        assert "Seq Scan" not in plan


async def test_an_order_that_moves_on_amid_its_cancellation_ends_after_that_step_in_the_feed(
    database_url: str,
) -> None:
    """The statement has its transaction id from its first order, before the second moves on."""
    async with open_store(database_url) as store, asyncio.TaskGroup() as group:
        first, second = [await accept_order(store) for _ in range(2)]
        blocker = await asyncpg.connect(database_url)
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute("SELECT FROM orders WHERE id = $1 FOR UPDATE", first)
        reason = CancelReason.REQUESTED
        cancelling = group.create_task(
            store.cancellations.cancel_many("local", [first, second], reason)
        )
        async with asyncio.timeout(60):
            while not await blocker.fetchval(_IS_BLOCKING):
                await asyncio.sleep(0.01)
        assert await store.leases.claim(second) is not None
        await transaction.rollback()
        await blocker.close()
        assert await cancelling == {first, second}
        rows = await store.pool.fetch(
            "SELECT status::text, txid FROM order_events WHERE order_id = $1 ORDER BY seq", second
        )
        assert [row["status"] for row in rows] == ["pending", "routing", "cancelled"]
        txids = [row["txid"] for row in rows]
        assert txids == sorted(txids)

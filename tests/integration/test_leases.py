"""Leases on a real database: which worker executes an order, and how abandoned ones are found."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from annotated_types import Le

from backend.config import Settings
from backend.domain.lifecycle import Cause, Status, advance
from backend.domain.orders import SignedTransaction
from backend.domain.quotes import Dex
from backend.store.journal import LEASE_MAX
from backend.store.leases.lease_store import _CLAIM_WAITING, _FIND_OVERDUE_OWNERS
from backend.store.leases.outage_waits import OutageWaited
from backend.store.transitions import Transition
from tests.integration.stores import (
    EXPIRED_LEASES,
    Store,
    accept_order,
    build_routed,
    claim_order,
    new_order,
    open_store,
)

HOUR = timedelta(hours=1)
_INSERT_ORDERS = """
INSERT INTO orders (id, owner, request_hash, type, token_in, token_out, amount_in, slippage_bps,
                    kick_at, status, last_error, condition, trigger_shard)
SELECT gen_random_uuid(), CASE n % 100 WHEN 0 THEN 'few' ELSE 'many' END, '', 'market', 'SOL',
       'USDC', 1, 0, now(), status::order_status, 'x', '{}',
       CASE status WHEN 'waiting' THEN 1 END
FROM (
    SELECT n, (ARRAY['failed', 'pending', 'waiting', 'waiting'])[n % 4 + 1] AS status
    FROM generate_series(1, $1::int) AS n
) made
"""


async def _explain(store: Store, query: str, args: Sequence[object]) -> str:
    """The plan that PostgreSQL keeps for a statement, which it makes before it knows the data."""
    async with store.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        return "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {query}", *args))


async def test_only_one_of_many_claims_gets_the_order(database_url: str) -> None:
    async with open_store(database_url) as first, open_store(database_url) as second:
        order_id = await accept_order(first)
        async with asyncio.TaskGroup() as group:
            claims = [
                group.create_task(store.leases.claim(order_id))
                for store in (first, second)
                for _ in range(10)
            ]
        claimed = [task.result() for task in claims if task.result() is not None]
        assert len(claimed) == 1
        assert [event.seq for event in await first.feed.read_order_events(order_id, 0)] == [1, 2]


async def test_an_order_that_waits_for_its_next_attempt_cannot_be_claimed(
    database_url: str,
) -> None:
    async with open_store(database_url, EXPIRED_LEASES) as store:
        order = await claim_order(store)
        step = advance(order.status, order.attempt, Cause.TRANSIENT)
        await store.journal.record(Transition(order, step, "{}", last_error="x", wait_ms=60_000))
        assert await store.leases.claim(order.id) is None
        assert await store.leases.find_overdue_owners() == []
        assert await store.leases.claim_waiting({"local": 10}) == []
        await store.pool.execute("UPDATE orders SET next_attempt_at = now(), kick_at = now()")
        assert await store.leases.find_overdue_owners() == ["local"]
        reclaimed = await store.leases.claim(order.id)
        assert reclaimed is not None
        assert (reclaimed.attempt, reclaimed.status) == (2, Status.ROUTING)


async def test_a_claim_returns_the_signed_transaction(database_url: str) -> None:
    signed = SignedTransaction("5sig", b"bytes", 1234)
    async with open_store(database_url, EXPIRED_LEASES) as store:
        order = await claim_order(store)
        await store.journal.record(build_routed(order))
        building = replace(order, status=Status.BUILDING, seq=3)
        step = advance(building.status, 1, Cause.SIGNED)
        await store.journal.record(Transition(building, step, "{}", signed=signed))
        reclaimed = await store.leases.claim(order.id)
        assert reclaimed is not None
        assert (reclaimed.signed, reclaimed.dex, reclaimed.status) == (
            signed,
            Dex.RAYDIUM,
            Status.SUBMITTED,
        )


@pytest.mark.parametrize("column", ["lease_until", "next_attempt_at", "kick_at"])
async def test_an_order_does_not_wait_for_a_time_from_before_the_clock_was_set_back(
    database_url: str, column: str
) -> None:
    async with open_store(database_url) as store:
        order = await claim_order(store)
        await store.leases.release([order])
        limit = "UPDATE orders SET {} = now() + $1::interval"
        await store.pool.execute(limit.format(column), LEASE_MAX)
        is_found = await store.leases.find_overdue_owners() == ["local"]
        assert is_found == (column == "next_attempt_at")
        assert (await store.leases.claim(order.id) is None) == (column != "kick_at")
        await store.pool.execute("UPDATE orders SET lease_until = NULL, kick_at = now()")
        await store.pool.execute(limit.format(column), timedelta(hours=1))
        assert await store.leases.find_overdue_owners() == ["local"]
        claimed = await store.leases.claim(order.id)
        assert claimed is not None
        assert claimed.epoch > order.epoch


@pytest.mark.parametrize("name", ["lease_s", "rekick_s"])
def test_no_setting_permits_a_time_further_ahead_than_any_may_be(name: str) -> None:
    bounds = [each.le for each in Settings.model_fields[name].metadata if isinstance(each, Le)]
    assert bounds == [LEASE_MAX.total_seconds()]


async def test_a_wait_from_before_the_clock_was_set_back_begins_anew(database_url: str) -> None:
    async with open_store(database_url, EXPIRED_LEASES) as store:
        order = await claim_order(store)
        await store.pool.execute("UPDATE orders SET waiting_since = now() + interval '1 h'")
        reclaimed = await store.leases.claim(order.id)
        assert reclaimed is not None
        assert reclaimed.waited_s == 0
        assert await store.leases.renew([reclaimed], {order.id: OutageWaited(5, "away")}) == {
            order.id
        }
        again = await store.leases.claim(order.id)
        assert again is not None
        assert 5 <= again.waited_s < 60


async def test_the_sweep_finds_the_owners_of_orders_without_a_worker(database_url: str) -> None:
    async with open_store(database_url) as store:
        for owner in ("a", "b", "c"):
            await store.intake.accept(replace(new_order(), owner=owner))
        leased = await claim_order(store)
        assert await store.leases.find_overdue_owners() == []
        await store.pool.execute("UPDATE orders SET kick_at = now() WHERE owner <> 'b'")
        assert await store.leases.find_overdue_owners() == ["a", "c"]
        await store.leases.release([leased])
        assert await store.leases.find_overdue_owners() == ["a", "c", "local"]


async def test_waiting_orders_are_claimed_oldest_first_so_many_of_each_owner(
    database_url: str,
) -> None:
    async with open_store(database_url) as store:
        orders = {owner: [replace(new_order(), owner=owner) for _ in range(5)] for owner in "ab"}
        for order in reversed([*orders["a"], *orders["b"]]):
            await store.intake.accept(order)
        first = await store.leases.claim_waiting({"a": 2, "b": 1, "nobody": 3})
        assert [(owner, order.id) for owner, order in first] == [
            ("a", orders["a"][0].id),
            ("a", orders["a"][1].id),
            ("b", orders["b"][0].id),
        ]
        await store.leases.release([first[0][1]])
        rest = await store.leases.claim_waiting({"a": 10})
        # What was released is older than what was claimed since, and found all the same.
        assert {order.id for _, order in rest} == (
            {order.id for order in orders["a"]} - {first[1][1].id}
        )
        assert {order.status for _, order in rest} == {Status.ROUTING}


async def test_many_workers_claim_each_waiting_order_once(database_url: str) -> None:
    async with open_store(database_url) as first, open_store(database_url) as second:
        ids = {await accept_order(first) for _ in range(60)}
        async with asyncio.TaskGroup() as group:
            claims = [
                group.create_task(store.leases.claim_waiting({"local": 10}))
                for store in (first, second)
                for _ in range(5)
            ]
        claimed = [order.id for task in claims for _, order in task.result()]
        assert len(claimed) == len(set(claimed))
        claimed += [order.id for _, order in await first.leases.claim_waiting({"local": 100})]
        assert sorted(claimed) == sorted(ids)


async def test_an_order_that_has_just_ended_or_waits_is_no_lost_lease(database_url: str) -> None:
    """The renewal may come between a commit and the moment at which its worker hears of it."""
    async with open_store(database_url) as store:
        ended, waiting, taken = [await claim_order(store) for _ in range(3)]
        step = advance(ended.status, ended.attempt, Cause.REJECTED)
        await store.journal.record(Transition(ended, step, "{}", last_error="x"))
        step = advance(waiting.status, waiting.attempt, Cause.TRANSIENT)
        await store.journal.record(Transition(waiting, step, "{}", last_error="x", wait_ms=60_000))
        await store.pool.execute("UPDATE orders SET epoch = epoch + 1 WHERE id = $1", taken.id)
        assert await store.leases.renew([ended, waiting, taken]) == {ended.id, waiting.id}
        leases = await store.pool.fetch("SELECT lease_until FROM orders WHERE id <> $1", taken.id)
        assert [row["lease_until"] for row in leases] == [None, None]


@pytest.mark.parametrize("count", [2_000, 8_000, 20_000])
async def test_claims_from_the_rows_read_no_other_orders_than_those_that_they_claim(
    database_url: str, count: int
) -> None:
    """Whatever an owner has waiting, or has had: one range of the index of open orders."""
    async with open_store(database_url) as store:
        await store.pool.execute(_INSERT_ORDERS, count)
        for query, args in (
            (
                _CLAIM_WAITING,
                (["many", "few"], "routing", HOUR, [50, 50], [UUID(int=0)] * 2, LEASE_MAX),
            ),
            (_FIND_OVERDUE_OWNERS, (LEASE_MAX,)),
        ):
            plan = await _explain(store, query, args)
            assert "Seq Scan on orders" not in plan, plan
            assert "Index Scan using orders_active_by_owner on orders" in plan, plan
            assert "Sort" not in plan, plan

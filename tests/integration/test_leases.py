"""Leases on a real database: which worker executes an order, and how abandoned ones are found."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from annotated_types import Le

from backend.config import Settings
from backend.domain.lifecycle import Cause, Status, advance
from backend.domain.orders import SignedTransaction
from backend.domain.quotes import Dex
from backend.store.journal import LEASE_MAX, Transition
from tests.integration.stores import (
    EXPIRED_LEASES,
    accept_order,
    build_routed,
    claim_order,
    open_store,
)


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
        assert await store.leases.find_overdue(10) == []
        await store.pool.execute("UPDATE orders SET next_attempt_at = now(), kick_at = now()")
        assert await store.leases.find_overdue(10) == [order.id]
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
        is_found = await store.leases.find_overdue(10) == [order.id]
        assert is_found == (column == "next_attempt_at")
        assert (await store.leases.claim(order.id) is None) == (column != "kick_at")
        await store.pool.execute("UPDATE orders SET lease_until = NULL, kick_at = now()")
        await store.pool.execute(limit.format(column), timedelta(hours=1))
        assert await store.leases.find_overdue(10) == [order.id]
        assert await store.leases.find_overdue(10) == []
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
        assert await store.leases.renew([reclaimed], {order.id: 5.0}) == {order.id}
        again = await store.leases.claim(order.id)
        assert again is not None
        assert 5 <= again.waited_s < 60


async def test_the_sweep_finds_an_order_without_a_worker_and_does_not_find_it_twice(
    database_url: str,
) -> None:
    async with open_store(database_url) as store:
        unclaimed = await accept_order(store)
        leased = await claim_order(store)
        assert await store.leases.find_overdue(10) == []
        await store.pool.execute("UPDATE orders SET kick_at = now()")
        assert await store.leases.find_overdue(10) == [unclaimed]
        assert await store.leases.find_overdue(10) == []
        await store.leases.release([leased])
        assert await store.leases.find_overdue(10) == [leased.id]


async def test_a_pending_order_is_overdue_later_while_the_queue_is_deep(
    database_url: str,
) -> None:
    async with open_store(database_url) as store:
        pending = await accept_order(store)
        released = await claim_order(store)
        await store.leases.release([released])
        await store.pool.execute("UPDATE orders SET kick_at = now() - interval '59 s'")
        assert await store.leases.find_overdue(10, pending_grace_s=60) == [released.id]
        await store.pool.execute("UPDATE orders SET kick_at = now() - interval '61 s'")
        assert set(await store.leases.find_overdue(10, pending_grace_s=60)) == {
            pending,
            released.id,
        }

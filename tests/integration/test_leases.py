"""Leases on a real database: who may drive an order, and how one that nobody drives is found."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from backend.domain.lifecycle import Happening, Status, advance
from backend.domain.orders import Signed
from backend.domain.quotes import Dex
from backend.store.journal import Transition
from tests.integration.stores import NONE, accepted, claimed, open_store, routed


async def test_only_one_of_many_claims_gets_the_order(database_url: str) -> None:
    async with open_store(database_url) as one, open_store(database_url) as other:
        order_id = await accepted(one)
        async with asyncio.TaskGroup() as group:
            claims = [
                group.create_task(store.leases.claim(order_id))
                for store in (one, other)
                for _ in range(10)
            ]
        held = [task.result() for task in claims if task.result() is not None]
        assert len(held) == 1
        assert [event.seq for event in await one.feed.of_order(order_id, 0)] == [1, 2]


async def test_an_order_that_waits_for_its_next_attempt_cannot_be_claimed(
    database_url: str,
) -> None:
    async with open_store(database_url, NONE) as store:
        order = await claimed(store)
        step = advance(order.status, order.attempt, Happening.TRANSIENT)
        await store.journal.record(Transition(order, step, "{}", last_error="x", wait_ms=60_000))
        assert await store.leases.claim(order.id) is None
        assert await store.leases.overdue(10) == []
        await store.pool.execute("UPDATE orders SET next_attempt_at = now(), kick_at = now()")
        assert await store.leases.overdue(10) == [order.id]
        again = await store.leases.claim(order.id)
        assert again is not None
        assert (again.attempt, again.status) == (2, Status.ROUTING)


async def test_a_claim_brings_back_what_was_signed(database_url: str) -> None:
    signed = Signed("5sig", b"bytes", 1234)
    async with open_store(database_url, NONE) as store:
        order = await claimed(store)
        await store.journal.record(routed(order))
        building = replace(order, status=Status.BUILDING, seq=3)
        step = advance(building.status, 1, Happening.SIGNED)
        await store.journal.record(Transition(building, step, "{}", signed=signed))
        again = await store.leases.claim(order.id)
        assert again is not None
        assert (again.signed, again.dex, again.status) == (signed, Dex.RAYDIUM, Status.SUBMITTED)


async def test_the_sweep_finds_what_nobody_drives_and_does_not_find_it_twice(
    database_url: str,
) -> None:
    async with open_store(database_url) as store:
        lost = await accepted(store)
        driven = await claimed(store)
        assert await store.leases.overdue(10) == []
        await store.pool.execute("UPDATE orders SET kick_at = now()")
        assert await store.leases.overdue(10) == [lost]
        assert await store.leases.overdue(10) == []
        await store.leases.release([driven])
        assert await store.leases.overdue(10) == [driven.id]


async def test_a_new_order_is_left_alone_for_longer_while_the_queue_is_deep(
    database_url: str,
) -> None:
    async with open_store(database_url) as store:
        waiting = await accepted(store)
        left = await claimed(store)
        await store.leases.release([left])
        await store.pool.execute("UPDATE orders SET kick_at = now() - interval '59 s'")
        assert await store.leases.overdue(10, patience_s=60) == [left.id]
        await store.pool.execute("UPDATE orders SET kick_at = now() - interval '61 s'")
        assert set(await store.leases.overdue(10, patience_s=60)) == {waiting, left.id}

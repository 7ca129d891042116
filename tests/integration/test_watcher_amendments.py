"""Amended orders in a running engine: the watcher goes by their new terms at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from backend.domain.conditions import Condition, Limit, TrailingStop
from backend.domain.lifecycle import Status
from backend.store.waiting.amendments import Amendment, Amendments
from backend.trials.audit.evidence import fetch_orders
from tests.integration.test_watcher import (
    RELEASED,
    build_terms,
    move_price,
    open_watching,
    place,
    price,
    read_release,
    read_slot,
    wait_mark,
    wait_peak,
)
from tests.scenario import EngineHarness


async def amend(
    engine: EngineHarness, order_id: UUID, condition: Condition, *, amount_in: int | None = None
) -> bool:
    record = await engine.services.orders.get("local", order_id)
    assert record is not None
    before = build_terms(engine, record.condition or condition)
    terms = build_terms(engine, condition)
    if amount_in is not None:
        terms = replace(terms, amount_in=amount_in)
    return await engine.services.amendments.amend(
        Amendment(order_id, "local", record.seq, before, terms, None, None)
    )


async def test_an_amended_order_is_executed_by_its_new_terms_alone(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_watching(database_url, redis_url, data_dir) as (engine, _):
        nearer, farther, bait = await place(
            engine, Limit(price(200)), Limit(price(103)), Limit(price(103))
        )
        assert await amend(engine, nearer, Limit(price(104)), amount_in=2 * 10**9)
        assert await amend(engine, farther, Limit(price(200)))
        await move_price(engine, 600)
        history = await engine.wait_ended(nearer)
        assert history.statuses == ["pending", "waiting", *RELEASED[1:]]
        assert (await read_release(history))["triggerPrice"] == "104"
        assert history.record.amount_out is not None
        assert history.record.amount_out >= 208_000_000
        await engine.wait_ended(bait)
        record = await engine.services.orders.get("local", farther)
        assert record is not None
        assert (record.status, record.seq) == (Status.WAITING, 3)
        releases = (await fetch_orders(database_url, history.record.created_at)).releases
        assert sorted(str(each.told_price) for each in releases) == ["103", "104"]
        assert all(each.told_price == each.trigger_price for each in releases)


async def test_an_amended_order_is_watched_though_no_notification_tells_it(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_watching(database_url, redis_url, data_dir) as (engine, _):
        [order_id] = await place(engine, Limit(price(200)))
        pool = engine.services.orders._pool
        quiet = Amendments(pool, on_commit=lambda _: None)
        before, after = (build_terms(engine, Limit(price(each))) for each in (200, 90))
        amendment = Amendment(order_id, "local", 2, before, after, None, None)
        async with asyncio.TaskGroup() as group:
            run = group.create_task(quiet.run())
            assert await quiet.amend(amendment)
            run.cancel()
        assert (await engine.wait_ended(order_id)).record.status is Status.CONFIRMED


async def test_a_trailing_stop_keeps_its_mark_when_its_distance_changes(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_watching(database_url, redis_url, data_dir) as (engine, _):
        [order_id] = await place(engine, TrailingStop(2_000))
        await wait_mark(engine, order_id)
        slot = await read_slot(engine)
        await move_price(engine, 1_000)
        await wait_peak(engine, slot)
        await move_price(engine, -700)
        assert await amend(engine, order_id, TrailingStop(500))
        history = await engine.wait_ended(order_id)
        # Of a highest of about 110, not of the 102 that it was amended at.
        data = await read_release(history)
        assert Decimal(str(data["triggerPrice"])) > 103
        assert Decimal(str(data["executablePrice"])) < 104

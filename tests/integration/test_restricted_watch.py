"""Waiting orders that name the pools that they may use, in a running engine on a real node."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from solders.pubkey import Pubkey

from backend.domain.conditions import (
    Limit,
    PriceCondition,
    Stop,
    StopLimit,
    TakeProfit,
    Then,
    TrailingStop,
)
from backend.domain.groups.brackets import Bracket, BracketLeg
from backend.domain.groups.children import derive_child_ids
from backend.domain.lifecycle import Status
from backend.domain.orders import NewOrder, OrderEvent, OrderType
from backend.domain.prices import PriceOf, PriceRatio
from backend.domain.route_constraints import RouteConstraints
from backend.domain.tokens import SOL, USDC
from backend.domain.waiting.slices import SliceSchedule
from backend.store.journal import LEASE_MAX
from backend.store.reads.order_lists import OrderFilter
from backend.store.waiting.waiting_orders import MetTrigger, WaitingOrders
from backend.triggers import watcher
from backend.venues import CPMM, DAMM_V2
from tests.integration.node_proxy import hide_accounts
from tests.integration.proxied_engine import open_proxied_engine
from tests.integration.test_watcher import (
    RELEASED,
    TIMEOUT_S,
    build_terms,
    move_price,
    open_watching,
    price,
    read_release,
    wait_for_holders,
    wait_mark,
)
from tests.scenario import EngineHarness, OrderHistory

MINTS = Pubkey.from_string(SOL.mint), Pubkey.from_string(USDC.mint)
CPMM_POOL, DAMM_POOL = (str(venue.derive_pool_address(*MINTS)) for venue in (CPMM, DAMM_V2))
RAYDIUM, METEORA = (RouteConstraints(dexes=(name,)) for name in ("raydium", "meteora"))
ONLY_RAYDIUM = {
    "dexes": RAYDIUM,
    "excludeDexes": RouteConstraints(exclude_dexes=("meteora",), max_legs=1),
    "pools": RouteConstraints(pools=(CPMM_POOL,)),
}
RISING = (Limit(price(105)), TakeProfit(price(105)), TakeProfit(price(105), then=Then.MARKET))
FALLING = (Stop(price(95)), StopLimit(price(95), price(70)), Stop(price(95), confirmations=1))


async def place(
    engine: EngineHarness, asked: RouteConstraints | None, *conditions: PriceCondition
) -> list[UUID]:
    terms = [replace(build_terms(engine, each), constraints=asked) for each in conditions]
    return await engine.store_orders(*terms, owner="local")


async def move(engine: EngineHarness, venue: str, bps: int) -> None:
    await move_price(engine, bps, venue=venue)


async def wait_released(engine: EngineHarness, ids: list[UUID], pool: str) -> list[OrderHistory]:
    """Wait until orders have ended; each was released by a pool, and swapped in it."""
    histories = await engine.wait_all_ended(ids)
    for each in histories:
        assert each.statuses == RELEASED
        assert (await read_release(each))["pool"] == pool
        [building] = each.event_data("building")
        assert {quote["pool"] for quote in building["quotes"]} == {pool}
    return histories


async def list_statuses(engine: EngineHarness, ids: list[UUID]) -> set[Status]:
    records = [await engine.services.orders.get("local", each) for each in ids]
    return {each.status for each in records if each is not None}


@pytest.mark.parametrize("asked", ONLY_RAYDIUM.values(), ids=ONLY_RAYDIUM)
async def test_what_waits_for_a_rise_waits_for_that_of_its_pools(
    database_url: str, redis_url: str, data_dir: Path, asked: RouteConstraints
) -> None:
    async with open_watching(database_url, redis_url, data_dir) as (engine, _):
        mine = await place(engine, asked, *RISING)
        theirs = await place(engine, METEORA, *RISING)
        every = await place(engine, None, *RISING)
        await move(engine, "meteora", 1_000)
        await wait_released(engine, theirs, DAMM_POOL)
        await engine.wait_all_ended(every)
        assert await list_statuses(engine, mine) == {Status.WAITING}
        await move(engine, "raydium", 1_500)
        await wait_released(engine, mine, CPMM_POOL)


@pytest.mark.parametrize("asked", ONLY_RAYDIUM.values(), ids=ONLY_RAYDIUM)
async def test_what_waits_for_a_fall_waits_for_that_of_its_pools(
    database_url: str, redis_url: str, data_dir: Path, asked: RouteConstraints
) -> None:
    async with open_watching(database_url, redis_url, data_dir) as (engine, _):
        mine = await place(engine, asked, *FALLING)
        theirs = await place(engine, METEORA, *FALLING)
        every = await place(engine, None, *FALLING)
        await move(engine, "raydium", -1_000)
        for each in await wait_released(engine, mine, CPMM_POOL):
            assert Decimal(str((await read_release(each))["executablePrice"])) <= 95
        assert await list_statuses(engine, theirs + every) == {Status.WAITING}
        await move(engine, "meteora", -1_500)
        await wait_released(engine, theirs, DAMM_POOL)
        await engine.wait_all_ended(every)


async def test_a_share_of_the_wallet_is_sold_in_the_pools_that_it_names(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_watching(database_url, redis_url, data_dir) as (engine, _):
        terms = replace(
            build_terms(engine, Stop(price(95))), amount_in_bps=100, constraints=RAYDIUM
        )
        [order_id] = await engine.store_orders(terms)
        await move_price(engine, -1_000, venue="meteora")
        [every] = await place(engine, METEORA, Stop(price(95)))
        await engine.wait_ended(every)
        assert await list_statuses(engine, [order_id]) == {Status.WAITING}
        await move_price(engine, -1_000, venue="raydium")
        [history] = await wait_released(engine, [order_id], CPMM_POOL)
        assert history.record.amount_in != terms.amount_in


async def wait_peaks(engine: EngineHarness, count: int) -> None:
    """Wait until there are the restricted peaks of so many directions: none, or some."""
    async with asyncio.timeout(TIMEOUT_S):
        while count != await engine.services.orders._pool.fetchval(
            "SELECT count(*) FROM restricted_peaks"
        ):
            await asyncio.sleep(0.01)


async def test_a_trailing_stop_follows_its_pools_across_workers(
    database_url: str, redis_url: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_watching(database_url, redis_url, data_dir) as (engine, shards):
        asked = ONLY_RAYDIUM["pools"]
        [order_id] = await place(engine, asked, TrailingStop(500, confirmations=1))
        [stop] = await place(engine, RAYDIUM, Stop(price(95)))
        await wait_mark(engine, order_id)
        await move(engine, "raydium", 1_000)
        await wait_peaks(engine, 1)  # by which the mark rose, in no row of an order
        await engine.workers.stop()
        await move(engine, "raydium", -300)
        await move(engine, "meteora", -3_000)
        [every] = await place(engine, None, Limit(price(90)))
        monkeypatch.setattr(watcher, "COMPARE_S", 0.05)
        await engine.workers.start()
        await wait_for_holders(shards, 64)
        await engine.wait_ended(every)
        assert await list_statuses(engine, [order_id, stop]) == {Status.WAITING}
        await move(engine, "raydium", -300)  # 5.9 % below the highest
        [history] = await wait_released(engine, [order_id], CPMM_POOL)
        data = await read_release(history)
        assert Decimal(104) < Decimal(str(data["triggerPrice"])) < Decimal("104.5")
        assert history.record.constraints == asked
        await move(engine, "raydium", -1_500)
        await wait_released(engine, [stop], CPMM_POOL)
        await wait_peaks(engine, 0)  # nothing waits by these any more


async def test_the_orders_of_a_bracket_wait_for_the_pools_of_their_entry(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    at_eleven = TakeProfit(PriceRatio(11, 1), 1, Then.MARKET)  # lamports for a millionth of a USDC
    bracket = Bracket(
        BracketLeg(at_eleven, PriceOf.TOKEN_IN, 500),
        BracketLeg(Stop(PriceRatio(1, 1), 1), PriceOf.TOKEN_IN, 500),
    )
    async with open_watching(database_url, redis_url, data_dir) as (engine, _):
        terms = replace(engine.build_terms("1"), constraints=RAYDIUM)
        entry = NewOrder(engine.services.new_id(), "local", terms, b"", bracket=bracket)
        await engine.services.intake.accept(entry)
        await engine.services.jobs.send("local", [entry.id])
        await engine.wait_ended(entry.id)
        profit, stop = derive_child_ids(entry.id, bracket)
        buys = engine.build_terms("50", pair=("USDC", "SOL"))
        buys = replace(buys, type=OrderType.TAKE_PROFIT, condition=at_eleven)
        await move(engine, "meteora", -2_000)  # there a USDC buys a quarter more SOL
        [every] = await engine.store_orders(buys)
        await engine.wait_ended(every)
        assert await list_statuses(engine, [profit, stop]) == {Status.WAITING}
        await move(engine, "raydium", -2_500)
        await wait_released(engine, [profit], CPMM_POOL)
        assert (await engine.wait_ended(stop)).statuses[-1] == "cancelled"


async def test_an_order_whose_pools_are_gone_waits_until_they_are_back(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    hidden: set[str] = set()

    async with open_proxied_engine(
        database_url, redis_url, data_dir, trigger_interval_s=0.05, trigger_lease_s=1
    ) as proxied:
        engine = proxied.engine
        proxied.proxy.rule = partial(hide_accounts, hidden)
        hidden.add(CPMM_POOL)
        mine = await place(engine, RAYDIUM, *FALLING)
        await move_price(engine, -1_000)
        every = await place(engine, None, *FALLING)
        await engine.wait_all_ended(every)
        assert await list_statuses(engine, mine) == {Status.WAITING}
        hidden.clear()
        await wait_released(engine, mine, CPMM_POOL)


async def test_a_slice_waits_for_its_limit_in_the_pools_of_its_order(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    schedule = SliceSchedule(slices=2, interval_s=3_600, limit=price(105))
    async with open_watching(database_url, redis_url, data_dir) as (engine, _):
        terms = replace(engine.build_terms("2"), type=OrderType.TWAP, condition=schedule)
        await move_price(engine, 1_000, venue="meteora")
        [order_id] = await engine.store_orders(replace(terms, constraints=RAYDIUM))
        which = OrderFilter(parent_id=order_id)
        async with asyncio.timeout(TIMEOUT_S):
            while not (page := await engine.services.orders.list_page("local", which, limit=9)):
                await asyncio.sleep(0.01)
        slice_id = page[0].id
        await engine.wait_status(slice_id, Status.WAITING)
        [every] = await place(engine, None, Limit(price(105)))
        await engine.wait_ended(every)
        assert await list_statuses(engine, [slice_id]) == {Status.WAITING}
        await move_price(engine, 1_000, venue="raydium")
        history = await engine.wait_ended(slice_id)
        assert history.record.status is Status.CONFIRMED
        assert {each["pool"] for each in history.event_data("building")[-1]["quotes"]} == {
            CPMM_POOL
        }


def is_back(status: Status, events: list[OrderEvent]) -> bool:
    """Whether a released order is in a status again after it was tried."""
    return len(events) > 3 and events[-1].status is status


async def test_an_order_whose_pools_go_as_it_is_released_is_tried_until_they_are_back(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    """As it is where another process has found them: a limit waits again, a stop is latched."""
    hidden = {CPMM_POOL}
    settings = {"backoff_s": 0.01, "limit_cool_down_s": 0.05, "sweep_s": 0.05}
    async with open_proxied_engine(
        database_url, redis_url, data_dir, rule=partial(hide_accounts, hidden), **settings
    ) as proxied:
        engine = proxied.engine
        only_direct = replace(RAYDIUM, max_hops=1)
        ids = await place(engine, only_direct, Limit(price(90)), Stop(price(110)))
        waiting = WaitingOrders(
            engine.services.orders._pool,
            tokens=engine.services.tokens,
            rekick_after=timedelta(0),
            ahead_max=LEASE_MAX,
            on_commit=lambda commit: None,
        )
        records = await waiting.load(ids)
        await waiting.release([MetTrigger(each.id, each.seq, each.owner, "{}") for each in records])
        for order_id, last in zip(ids, (Status.WAITING, Status.ROUTING), strict=True):
            await engine.wait_until(order_id, partial(is_back, last))
            record = await engine.services.orders.get("local", order_id)
            assert record is not None
            assert (record.last_error or "").startswith("no_pool: ")
        hidden.clear()
        for history in await engine.wait_all_ended(ids):
            assert history.record.status is Status.CONFIRMED

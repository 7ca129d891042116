"""Orders that wait are released by a worker when the pools of the node meet what they wait for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from backend.domain.conditions import (
    Condition,
    Limit,
    Stop,
    StopLimit,
    TakeProfit,
    Then,
    TrailingStop,
)
from backend.domain.lifecycle import Status
from backend.domain.orders import NewOrder, OrderTerms, OrderType
from backend.domain.prices import PriceRatio
from backend.store.intake import Intake
from backend.store.waiting.trigger_shards import SHARDS, TriggerShards, find_shard
from backend.store.withdrawals.cancellations import CancelReason
from tests.scenario import EngineHarness, OrderHistory, open_engine

TIMEOUT_S = 60
TYPES = {
    Limit: OrderType.LIMIT,
    Stop: OrderType.STOP,
    TakeProfit: OrderType.TAKE_PROFIT,
    StopLimit: OrderType.STOP_LIMIT,
    TrailingStop: OrderType.TRAILING_STOP,
}
RELEASED = ["pending", "waiting", "routing", "building", "submitted", "confirmed"]


def price(usdc: int) -> PriceRatio:
    """So many USDC for one SOL, of which the node's price is 100 at first."""
    return PriceRatio(usdc, 1_000)


def build_terms(engine: EngineHarness, condition: Condition, amount: str = "1") -> OrderTerms:
    terms = engine.build_terms(amount)
    limit = None
    if isinstance(condition, Limit | StopLimit):
        limit = condition.price if isinstance(condition, Limit) else condition.limit
    elif isinstance(condition, TakeProfit) and condition.then is Then.LIMIT:
        limit = condition.trigger
    return replace(
        terms,
        type=TYPES[type(condition)],
        condition=condition,
        min_amount_out=None if limit is None else limit.min_amount_out(terms.amount_in),
    )


async def place(engine: EngineHarness, *conditions: Condition, amount: str = "1") -> list[UUID]:
    return await engine.store_orders(
        *(build_terms(engine, each, amount) for each in conditions), owner="local"
    )


async def move_price(engine: EngineHarness, bps: int, **venue: str) -> None:
    """Move the price, of one venue or of all, in a slot of its own: that of a mark is another."""
    change = {"pair": ["SOL", "USDC"], "bps": bps, **venue}
    await engine.control_node("advance", {"blocks": 1, "prices": [change]})


async def wait_for_holders(shards: TriggerShards, *counts: int) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while sorted((await shards.count_held()).values()) != sorted(counts):
            await asyncio.sleep(0.02)


@asynccontextmanager
async def open_watching(
    database_url: str, redis_url: str, data_dir: Path, *, workers: int = 1
) -> AsyncIterator[tuple[EngineHarness, TriggerShards]]:
    """An engine whose workers watch all shards, each an even share."""
    settings = {"trigger_interval_s": 0.05, "trigger_lease_s": 1}
    async with open_engine(
        database_url, redis_url, data_dir, workers=workers, settings=settings
    ) as engine:
        shards = TriggerShards(engine.services.orders._pool, duration=timedelta(seconds=1))
        await wait_for_holders(shards, *[SHARDS // workers] * workers)
        yield engine, shards


async def read_release(history: OrderHistory) -> dict[str, object]:
    return history.event_data("routing")[0]


async def wait_mark(engine: EngineHarness, order_id: UUID) -> None:
    """Wait until the mark of a trailing stop is stored."""
    pool = engine.services.orders._pool
    async with asyncio.timeout(TIMEOUT_S):
        while not await pool.fetchval(
            "SELECT high_water IS NOT NULL FROM orders WHERE id = $1", order_id
        ):
            await asyncio.sleep(0.01)


async def wait_peak(engine: EngineHarness, bound: int) -> None:
    """Wait until a peak of a slot after ``bound`` is stored."""
    pool = engine.services.orders._pool
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            text = await pool.fetchval("SELECT peaks FROM market_peaks WHERE token_in = 'SOL'")
            if text is not None:
                slots = await pool.fetchval(
                    "SELECT max((each->>'slot')::bigint) FROM jsonb_array_elements($1::jsonb) each",
                    text,
                )
                if slots > bound:
                    return
            await asyncio.sleep(0.01)


async def read_slot(engine: EngineHarness) -> int:
    return int((await engine.control_node("state"))["slot"])


async def test_a_limit_is_filled_at_its_price_or_better(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_watching(database_url, redis_url, data_dir) as (engine, _):
        order_id, far = await place(engine, Limit(price(103)), Limit(price(200)))
        await move_price(engine, 500)
        history = await engine.wait_ended(order_id)
        assert history.statuses == RELEASED
        assert history.record.amount_out is not None
        assert history.record.amount_out >= 103_000_000
        data = await read_release(history)
        assert Decimal(str(data["executablePrice"])) >= 103
        assert data["triggerPrice"] == "103"
        assert data["dex"] in {"raydium", "meteora"}
        record = await engine.services.orders.get("local", far)
        assert record is not None
        assert record.status is Status.WAITING


async def test_a_stop_sells_at_the_market_after_reads_of_two_slots(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_watching(database_url, redis_url, data_dir) as (engine, _):
        [order_id] = await place(engine, Stop(price(97), confirmations=2))
        moved_in = await read_slot(engine)
        await move_price(engine, -500)
        history = await engine.wait_ended(order_id)
        assert history.statuses == RELEASED
        data = await read_release(history)
        assert Decimal(str(data["executablePrice"])) <= 97
        assert int(str(data["slot"])) > moved_in


async def test_each_type_is_released_by_its_own_price(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_watching(database_url, redis_url, data_dir) as (engine, _):
        rising = await place(
            engine, TakeProfit(price(104)), TakeProfit(price(104), then=Then.MARKET)
        )
        await move_price(engine, 1_000)
        for history in await engine.wait_all_ended(rising):
            assert history.statuses == RELEASED
        falling = await place(engine, StopLimit(price(101), price(95)), Stop(price(101)))
        await move_price(engine, -1_000)
        for history in await engine.wait_all_ended(falling):
            assert history.statuses == RELEASED


async def test_a_trailing_stop_follows_the_price_up_and_not_down_across_workers(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_watching(database_url, redis_url, data_dir) as (engine, shards):
        [order_id] = await place(engine, TrailingStop(500, confirmations=1))
        await wait_mark(engine, order_id)
        slot = await read_slot(engine)
        await move_price(engine, 1_000)
        await wait_peak(engine, slot)  # by which the mark rose, in no row of an order
        await engine.workers.stop()
        await move_price(engine, -300)
        await engine.workers.start()
        await wait_for_holders(shards, SHARDS)
        record = await engine.services.orders.get("local", order_id)
        assert record is not None
        assert record.status is Status.WAITING
        await move_price(engine, -300)  # 3.5 % above the first price, and 5.9 % below the highest
        history = await engine.wait_ended(order_id)
        assert history.statuses == RELEASED
        data = await read_release(history)
        assert Decimal(104) < Decimal(str(data["triggerPrice"])) < Decimal("104.5")
        assert Decimal(str(data["executablePrice"])) < Decimal(104)
        mark = history.record.high_water
        assert mark is not None
        assert Decimal(str(data["triggerPrice"])) == Decimal(mark.scale_bps(9_500).format(9, 6))


async def test_each_order_is_either_cancelled_or_released(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_watching(database_url, redis_url, data_dir) as (engine, _):
        ids = await place(engine, *[Limit(price(103))] * 40)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(move_price(engine, 500))
            cancels = [
                tasks.create_task(
                    engine.services.withdrawals.cancellations.cancel(
                        "local", each, CancelReason.REQUESTED
                    )
                )
                for each in ids
            ]
        del cancels
        ends = {history.statuses[-1] for history in await engine.wait_all_ended(ids)}
        assert ends <= {"cancelled", "confirmed"}
        confirmed = [
            history
            for history in await engine.wait_all_ended(ids)
            if history.statuses[-1] == "confirmed"
        ]
        assert len(await engine.read_swaps()) == len(confirmed)


async def test_orders_are_found_without_any_notification(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_watching(database_url, redis_url, data_dir) as (engine, _):
        silent = Intake(
            engine.services.orders._pool,
            rekick_after=timedelta(seconds=5),
            on_commit=lambda _: None,
        )
        terms = build_terms(engine, Limit(price(90)))
        order = NewOrder(engine.services.new_id(), "local", terms, b"")
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(silent.run())
            await silent.accept(order)
            running.cancel()
        assert (await engine.wait_ended(order.id)).statuses == RELEASED


async def test_without_waiting_orders_no_market_is_read(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_watching(database_url, redis_url, data_dir) as (engine, _):
        [order_id] = await place(engine, Limit(price(90)))
        await engine.wait_ended(order_id)
        async with asyncio.timeout(TIMEOUT_S):
            while REGISTRY.get_sample_value("trigger_market_age_seconds"):
                await asyncio.sleep(0.01)


async def test_workers_divide_the_shards_and_take_over(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_watching(database_url, redis_url, data_dir, workers=2) as (engine, shards):
        ids = await place(engine, Limit(price(103)), Stop(price(90)))
        await engine.workers.stop()
        await wait_for_holders(shards, SHARDS)
        await move_price(engine, 500)
        assert (await engine.wait_ended(ids[0])).statuses == RELEASED
        await engine.workers.start()
        await wait_for_holders(shards, SHARDS // 2, SHARDS // 2)
        await move_price(engine, -2_000)
        assert (await engine.wait_ended(ids[1])).statuses == RELEASED


async def test_what_was_loaded_is_not_loaded_again_while_the_shards_are_held(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    with capture_logs() as logs:
        async with open_watching(database_url, redis_url, data_dir) as (engine, _):
            pool = engine.services.orders._pool
            ends: set[datetime] = set()
            async with asyncio.timeout(TIMEOUT_S):
                while len(ends) < 4:
                    ends.add(await pool.fetchval("SELECT max(lease_until) FROM trigger_shards"))
                    await asyncio.sleep(0.02)
    loaded = [each["shards"] for each in logs if each["event"] == "waiting orders loaded"]
    assert sum(loaded) == SHARDS
    assert 0 not in loaded


async def test_a_shard_is_computed_as_the_database_does(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_watching(database_url, redis_url, data_dir) as (engine, _):
        pool = engine.services.orders._pool
        for token_in, token_out in (("SOL", "USDC"), ("USDC", "SOL"), ("mSOL", "Ünit"), ("a", "B")):
            stored = await pool.fetchval("SELECT order_trigger_shard($1, $2)", token_in, token_out)
            assert find_shard(token_in, token_out) == stored

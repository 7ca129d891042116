"""The best price that a waiting order was offered since its acceptance, as the API shows it."""

from __future__ import annotations

import asyncio
import math
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from backend.domain.conditions import Limit, Stop
from backend.domain.prices import PriceRatio
from backend.store.waiting.market_peaks import MarketPeaks, PeaksKey, StoredText
from backend.triggers.best_markets import find_best_price
from backend.triggers.offers import best_recorder
from backend.triggers.offers.order_offers import read_best
from backend.venues import MAINNET_VENUES
from tests.integration.apis import Json, RunningApi, open_api
from tests.integration.test_watcher import TIMEOUT_S, move_price, open_watching, place, price
from tests.scenario import EngineHarness


async def read_order(api: RunningApi, order_id: UUID) -> Json:
    return await api.get(f"/api/orders/{order_id}")


async def wait_stored(engine: EngineHarness, at_least: str) -> None:
    """Wait until a market is stored that pays so many USDC for a SOL, or more, since any time."""
    sol = engine.services.tokens.find("SOL", "token")
    bound = PriceRatio(int(Decimal(at_least) * 1_000_000), 10**9)
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            for stored in await engine.services.peaks.find([PeaksKey("SOL", "USDC")]):
                best = find_best_price(
                    10**9, read_best(stored.best or "[]", sol, MAINNET_VENUES), -math.inf
                )
                if best is not None and best >= bound:
                    return
            await asyncio.sleep(0.02)


async def wait_price(api: RunningApi, order_id: UUID, below: str) -> Json:
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            order = await read_order(api, order_id)
            if Decimal(order.get("executablePrice", "0") or "0") < Decimal(below):
                return order
            await asyncio.sleep(0.02)


async def test_an_order_shows_the_best_price_since_its_own_acceptance(
    database_url: str,
    redis_url: str,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also when another process has taken over what the one that saw the price watched."""
    monkeypatch.setattr(best_recorder, "STORE_S", 0.05)
    async with open_watching(database_url, redis_url, data_dir) as (engine, _):
        node = str(engine.node._base_url)
        async with open_api(database_url, redis_url, solana_rpc_url=node) as api:
            touched, stop = await place(engine, Limit(price(200)), Stop(price(20)))
            await move_price(engine, 1_000)
            await wait_stored(engine, "109")
            high = (await read_order(api, touched))["bestPrice"]
            assert 109 < Decimal(high) < 111
            assert (await read_order(api, stop))["bestPrice"] == high
            await move_price(engine, -2_000)
            [later] = await place(engine, Limit(price(210)))
            fallen = await wait_price(api, later, "100")
            assert Decimal(fallen["bestPrice"]) < 100
            assert (await wait_price(api, touched, "100"))["bestPrice"] == high
            await engine.workers.stop()
            await engine.workers.start()
            await move_price(engine, 3_000)
            await wait_stored(engine, "113")
            await move_price(engine, -3_000)
            for order_id in (touched, later):
                order = await wait_price(api, order_id, "100")
                assert 113 < Decimal(order["bestPrice"]) < 115
            await engine.workers.stop()
            await engine.workers.start()
            [last] = await place(engine, Limit(price(220)))
            assert 113 < Decimal((await wait_price(api, later, "100"))["bestPrice"]) < 115
            assert Decimal((await wait_price(api, last, "100"))["bestPrice"]) < 100


async def test_what_is_stored_is_as_of_the_time_that_was_read_before(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    """However long the statement takes: else a read would become younger than an order."""
    async with open_watching(database_url, redis_url, data_dir) as (engine, _):
        pool = engine.services.orders._pool
        holder = await pool.fetchval(
            "SELECT holder FROM trigger_shards WHERE shard = order_trigger_shard('SOL', 'JUP')"
        )
        peaks = MarketPeaks(pool)
        at = await peaks.read_clock()
        await peaks.store_best(holder, [StoredText("SOL", "JUP", "[]")], at)
        [stored] = await peaks.find([PeaksKey("SOL", "JUP")])
        assert (stored.best, stored.best_at) == ("[]", at)
        assert stored.best_age_s > 0

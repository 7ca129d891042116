"""The cap on the price impact in a running engine: with pools of a hundred SOL and 10,000 USDC.

How a split keeps it, ``test_route_splits.py`` tests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import aiohttp
import pytest

from backend.config import Profile, Settings
from backend.simulator.options import SimulatorOptions
from tests.integration.apis import ORDER, Json, RunningApi, receive_events, run_api
from tests.integration.full_engine import FullEngine
from tests.integration.test_submit_batch import run_for_summary
from tests.scenario import HAPPY_PATH, Workers, run_node

SHALLOW = SimulatorOptions(profile=Profile.INSTANT, has_moving_prices=False, depth_usd=10_000)
QUOTES = "/api/quotes"
CODE = "price_impact_too_high"
BETWEEN_THE_VENUES_BPS = 908
"""Raydium takes its fee from the ten SOL first, so its impact is 9.07 %; that of Meteora 9.10 %."""


def order_body(amount: str = "10", **fields: object) -> Json:
    return {**ORDER, "amount": amount, **fields}


@asynccontextmanager
async def run_engine(
    database_url: str,
    redis_url: str,
    data_dir: Path,
    *,
    worker: Json | None = None,
    api: Json | None = None,
) -> AsyncIterator[FullEngine]:
    """An engine on shallow pools; ``worker`` and ``api`` are settings of only these processes."""
    async with (
        run_node(data_dir, SHALLOW) as node_url,
        aiohttp.ClientSession(node_url) as node,
    ):
        settings = {
            "database_url": database_url,
            "redis_url": redis_url,
            "solana_rpc_url": node_url,
            "profile": Profile.INSTANT,
            "quote_age_s": 0,
            "route_legs_max": 1,  # over both pools, an order would keep its cap
            "backoff_s": 0.01,
            "shutdown_s": 0,
            "port": 0,
        }
        async with Workers(Settings.load(**{**settings, **(worker or {})})) as workers:
            await workers.start()
            async with run_api(Settings.load(**{**settings, **(api or {})})) as running:
                yield FullEngine(running, node)


async def read_ledger(engine: FullEngine) -> list[Json]:
    async with engine.node.get("/control/ledger") as response:
        return list((await response.json())["transactions"])


async def place(api: RunningApi, body: Json) -> str:
    return str((await api.post("/api/orders/execute", body))["orderId"])


async def test_an_order_above_the_default_cap_is_refused_before_anything_is_signed(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_engine(database_url, redis_url, data_dir) as engine:
        order_id = await place(engine.api, order_body())
        events = await engine.read_events(order_id)
        assert [event["status"] for event in events] == ["pending", "routing", "failed"]
        assert events[0]["maxPriceImpactBps"] == 500
        assert events[-1]["code"] == CODE
        assert "on raydium" in events[-1]["reason"]
        assert "9.1 % on meteora, is above the cap of 5 %" in events[-1]["reason"]
        order = await engine.api.get(f"/api/orders/{order_id}")
        assert order["lastError"] == f"{CODE}: {events[-1]['reason']}"
        assert order["maxPriceImpactBps"] == 500
        assert (order["txHash"], await read_ledger(engine)) == (None, [])


@pytest.mark.parametrize("cap", [1_000, 10_000])
async def test_an_order_within_its_own_cap_is_executed(
    database_url: str, redis_url: str, data_dir: Path, cap: int
) -> None:
    async with run_engine(database_url, redis_url, data_dir) as engine:
        order_id = await place(engine.api, order_body(maxPriceImpactBps=cap))
        events = await engine.read_events(order_id)
        assert [event["status"] for event in events] == HAPPY_PATH
        order = await engine.api.get(f"/api/orders/{order_id}")
        assert order["maxPriceImpactBps"] == cap


async def test_the_best_quote_within_the_cap_is_taken_and_the_other_is_told(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_engine(database_url, redis_url, data_dir) as engine:
        uncapped = await engine.api.post(QUOTES, order_body(maxPriceImpactBps=10_000), 200)
        assert uncapped["dex"] == "meteora"
        body = order_body(maxPriceImpactBps=BETWEEN_THE_VENUES_BPS)
        route = await engine.api.post(QUOTES, body, 200)
        assert (route["dex"], route["maxPriceImpactBps"]) == ("raydium", BETWEEN_THE_VENUES_BPS)
        assert ["refused" in quote for quote in route["quotes"]] == [False, True]
        order_id = await place(engine.api, body)
        events = await engine.read_events(order_id)
        assert [event["status"] for event in events] == HAPPY_PATH
        assert events[2]["dex"] == "raydium"
        assert events[2]["quotes"][1]["refused"]["code"] == CODE


async def test_the_cap_at_acceptance_stays_the_orders_own(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    lax, strict = {"max_price_impact_bps": 10_000}, {"max_price_impact_bps": 0}
    async with run_engine(database_url, redis_url, data_dir, api=lax, worker=strict) as engine:
        order_id = await place(engine.api, order_body())
        assert (await engine.read_events(order_id))[-1]["status"] == "confirmed"
    async with run_engine(database_url, redis_url, data_dir, api=strict, worker=lax) as engine:
        order_id = await place(engine.api, order_body("0.1"))
        assert (await engine.read_events(order_id))[-1]["code"] == CODE


async def test_a_retry_keeps_the_cap(database_url: str, redis_url: str, data_dir: Path) -> None:
    lax = {"max_price_impact_bps": 10_000}
    async with run_engine(database_url, redis_url, data_dir, worker=lax) as engine:
        await engine.arm_fault(fault="moved_price", bps=-300, count=1)
        order_id = await place(engine.api, order_body(maxPriceImpactBps=BETWEEN_THE_VENUES_BPS))
        routes = [e for e in await engine.read_events(order_id) if e["status"] == "building"]
        assert [route["attempt"] for route in routes] == [1, 2]
        assert [route["dex"] for route in routes] == ["raydium", "raydium"]


async def test_a_batch_and_a_socket_take_the_cap_of_each_order(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_engine(database_url, redis_url, data_dir) as engine:
        orders = [order_body(maxPriceImpactBps=cap) for cap in (None, 10_000, 10_001)]
        batch = await engine.api.post("/api/orders/batch", {"orders": orders})
        first, second, refused = batch["orders"]
        assert (await engine.read_events(first["orderId"]))[-1]["code"] == CODE
        assert (await engine.read_events(second["orderId"]))[-1]["status"] == "confirmed"
        assert refused["problem"]["errors"][0]["field"] == "maxPriceImpactBps"
        async with engine.api.session.ws_connect("/api/orders/execute") as socket:
            await socket.send_json(order_body(maxPriceImpactBps=100))
            await socket.receive_json()
            assert (await receive_events(socket))[-1]["code"] == CODE


async def test_a_quote_above_the_cap_is_shown_with_why_it_would_be_refused(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_engine(database_url, redis_url, data_dir) as engine:
        problem = await engine.api.post(QUOTES, order_body(), 422)
        assert problem["code"] == CODE
        assert "above the cap of 5 %" in problem["detail"]
        raydium, meteora = problem["quotes"]
        assert (raydium["dex"], meteora["dex"]) == ("raydium", "meteora")
        assert raydium["priceImpact"].startswith("0.0906")
        assert meteora["priceImpact"].startswith("0.0909")
        assert raydium["refused"]["code"] == meteora["refused"]["code"] == CODE
        minimum = await engine.api.post(QUOTES, order_body("0.1", minAmountOut="10"), 422)
        assert minimum["code"] == "min_out_not_met"
        assert all("refused" not in quote for quote in minimum["quotes"])


async def test_a_venue_that_does_not_answer_might_keep_the_cap(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_engine(database_url, redis_url, data_dir) as engine:
        await engine.arm_fault(fault="down", venue="raydium")
        body = order_body(maxPriceImpactBps=BETWEEN_THE_VENUES_BPS)
        assert (await engine.api.post(QUOTES, body, 503))["code"] == CODE
        order_id = await place(engine.api, body)
        async with engine.api.open_order_socket(UUID(order_id)) as socket:
            events = await receive_events(socket, 2)
            assert events[1]["status"] == "routing"  # where it waits for the venue
            async with engine.node.delete("/control/faults") as response:
                assert response.status == 200
            last = (await receive_events(socket))[-1]
            assert (last["dex"], last["attempt"]) == ("raydium", 1)


async def test_the_batch_script_takes_the_cap_as_an_option_and_as_a_column(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_engine(database_url, redis_url, data_dir) as engine:
        url, sale = engine.api.url, ("--amount", "10", "--side", "sell", "--count", "1")
        code, report = await run_for_summary(url, *sale)
        assert (code, report["failures"]) == (1, {CODE: 1})
        code, report = await run_for_summary(url, *sale, "--max-price-impact-bps", "1000")
        assert (code, report["byStatus"]) == (0, {"confirmed": 1})
        rows = "tokenIn,tokenOut,amount,maxPriceImpactBps\nSOL,USDC,11,10000\nSOL,USDC,12,\n"
        _, report = await run_for_summary(url, "--file", "-", stdin=rows)
        assert report["byStatus"] == {"confirmed": 1, "failed": 1}

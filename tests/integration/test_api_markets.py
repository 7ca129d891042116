"""What the API tells of the market: records of waiting orders, answers to new and amended ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.integration.apis import ORDER, Json, RunningApi, open_api
from tests.integration.test_api_amend import EXECUTE, LIMIT, STOP, patch, place
from tests.scenario import run_node


@asynccontextmanager
async def open_market_api(
    database_url: str, redis_url: str, data_dir: Path, **settings: object
) -> AsyncIterator[RunningApi]:
    """An API whose node sells a SOL for about 100 USDC."""
    async with (
        run_node(data_dir) as node,
        open_api(database_url, redis_url, solana_rpc_url=node, **settings) as api,
    ):
        yield api


async def test_an_order_shows_what_the_market_offers_it(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_market_api(database_url, redis_url, data_dir) as api:
        limit = await place(api, LIMIT)
        buys = {"tokenIn": "USDC", "tokenOut": "SOL", "amount": "95", "priceOf": "tokenOut"}
        buy = await place(api, {**buys, "type": "limit", "limitPrice": "80", "clientOrderId": "b"})
        stop = await place(api, STOP)
        trailing = await place(api, {**ORDER, "type": "trailingStop", "trailBps": 500})
        market = str(await api.place_order())
        page = {each["orderId"]: each for each in (await api.get("/api/orders"))["orders"]}
        assert 98 < float(page[limit]["executablePrice"]) < 101
        assert 4_800 < page[limit]["distanceBps"] < 5_300
        assert 99 < float(page[buy]["executablePrice"]) < 102
        assert 1_900 < page[buy]["distanceBps"] < 2_200
        assert 4_800 < page[stop]["distanceBps"] < 5_200
        assert "distanceBps" not in page[trailing]
        assert page[trailing]["executablePrice"] == page[limit]["executablePrice"]
        assert "executablePrice" not in page[market]
        for path in (buy, "by-client-id/b"):
            shown = await api.get(f"/api/orders/{path}")
            assert shown["executablePrice"] == page[buy]["executablePrice"]
            assert shown["distanceBps"] == page[buy]["distanceBps"]


async def test_a_market_that_cannot_be_read_is_left_out(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        order_id = await place(api, LIMIT)
        assert "executablePrice" not in await api.get(f"/api/orders/{order_id}")
        [listed] = (await api.get("/api/orders"))["orders"]
        assert "executablePrice" not in listed
        problem = await patch(api, order_id, {"limitPrice": 160}, 503)
        assert problem["code"] == "market_unknown"
        assert "allowImmediate" in problem["detail"]
        assert (await patch(api, order_id, {"slippageBps": 7}))["slippageBps"] == 7


@pytest.mark.parametrize(
    ("body", "change"),
    [
        (LIMIT, {"limitPrice": 90}),
        (LIMIT, {"minAmountOut": 90}),
        (STOP, {"triggerPrice": "0.009", "priceOf": "tokenOut"}),
        ({**ORDER, "type": "takeProfit", "triggerPrice": 150}, {"triggerPrice": 90}),
    ],
)
async def test_an_amendment_that_would_be_met_at_once_has_to_say_so(
    database_url: str, redis_url: str, data_dir: Path, body: Json, change: Json
) -> None:
    async with open_market_api(database_url, redis_url, data_dir) as api:
        order_id = await place(api, body)
        before = await api.get(f"/api/orders/{order_id}")
        problem = await patch(api, order_id, change, 409)
        assert problem["code"] == "would_be_met"
        price = float(problem["executablePrice"])
        assert 98 < (price if problem["priceOf"] == "tokenIn" else 1 / price) < 101
        assert problem["order"]["seq"] == 2
        after = await api.get(f"/api/orders/{order_id}")
        assert {**after, "executablePrice": 0, "distanceBps": 0} == {
            **before,
            "executablePrice": 0,
            "distanceBps": 0,
        }
        assert (await patch(api, order_id, {**change, "allowImmediate": True}))["seq"] == 3


async def test_an_answer_says_that_an_order_is_met_already_and_strict_refuses_it(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_market_api(database_url, redis_url, data_dir) as api:
        strict = {**LIMIT, "strict": True, "clientOrderId": "one"}
        first = await api.post(EXECUTE, strict)  # which reads the market
        met = {**LIMIT, "limitPrice": 90}
        refused = await api.post(EXECUTE, {**strict, **met, "clientOrderId": "two"}, 422)
        price = (await api.get(first["statusUrl"]))["executablePrice"]
        reason = f"would be met at once, by an executable price of {price}, and strict forbids that"
        error = {"field": "limitPrice", "code": "would_be_met", "reason": reason}
        assert refused["errors"] == [error]
        stop = {**STOP, "triggerPrice": 110, "strict": True}
        assert (await api.post(EXECUTE, stop, 422))["errors"][0]["field"] == "triggerPrice"
        assert (await api.post(EXECUTE, LIMIT))["isMetNow"] is False
        assert (await api.post(EXECUTE, met))["isMetNow"] is True
        batch = await api.post(
            "/api/orders/batch", {"orders": [met, {**met, "strict": True}, LIMIT, dict(ORDER)]}
        )
        shown = [each.get("isMetNow") for each in batch["orders"]]
        assert shown == [True, None, False, None]
        assert batch["orders"][1]["problem"]["code"] == "would_be_met"
        assert "isMetNow" not in await api.post(EXECUTE, strict)  # a repeat


async def test_a_repeat_of_a_strict_order_finds_it_even_if_it_would_be_met_by_now(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with (
        run_node(data_dir) as node,
        aiohttp.ClientSession(node) as control,
        open_api(database_url, redis_url, solana_rpc_url=node) as api,
    ):
        strict = {**LIMIT, "limitPrice": 120, "strict": True, "clientOrderId": "one"}
        batch = {"orders": [{**strict, "clientOrderId": "two"}]}
        first = await api.post(EXECUTE, strict)
        [placed] = (await api.post("/api/orders/batch", batch))["orders"]
        change = {"pair": ["SOL", "USDC"], "bps": 5_000}
        async with control.post("/control/price", json=change) as response:
            assert response.status == 200
        async with asyncio.timeout(60):
            while (await api.get(first["statusUrl"])).get("distanceBps", 1) > 0:
                await asyncio.sleep(0.05)
        assert (await api.post(EXECUTE, strict))["orderId"] == first["orderId"]
        [again] = (await api.post("/api/orders/batch", batch))["orders"]
        assert (again["orderId"], again["replayed"]) == (placed["orderId"], True)
        await api.post(EXECUTE, {**strict, "clientOrderId": "three"}, 422)

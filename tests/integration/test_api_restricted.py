"""What the API tells of waiting orders that name the pools that they may use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from backend.api.routes.waiting import order_markets
from backend.domain.tokens import SOL, USDC
from backend.venues import CPMM
from tests.integration.apis import ORDER, WAIT_S, Json, RunningApi, open_api
from tests.integration.node_proxy import hide_accounts, run_node_proxy
from tests.integration.test_api_amend import EXECUTE, LIMIT, STOP, patch, place
from tests.scenario import run_node

CPMM_POOL = str(CPMM.derive_pool_address(*(Pubkey.from_string(t.mint) for t in (SOL, USDC))))
OTHER_POOL = str(Keypair.from_seed(bytes(32)).pubkey())
RAYDIUM: Json = {"dexes": ["raydium"]}
BATCH = "/api/orders/batch"
WAITING: tuple[Json, ...] = (
    LIMIT,
    STOP,
    {**ORDER, "type": "takeProfit", "triggerPrice": "150"},
    {**ORDER, "type": "stopLimit", "triggerPrice": "50", "limitPrice": "49"},
    {**ORDER, "type": "trailingStop", "trailBps": 500},
    {**ORDER, "type": "twap", "slices": 2, "intervalS": 60},
    {**ORDER, "type": "twap", "slices": 2, "intervalS": 60, "limitPrice": "99"},
)
NO_POOL: tuple[tuple[str, Json], ...] = (
    ("pools", {"pools": [OTHER_POOL]}),
    ("pools", {"dexes": ["meteora"], "pools": [CPMM_POOL]}),
    ("dexes", {"dexes": ["raydium/clmm"]}),
    ("excludeDexes", {"excludeDexes": ["raydium/cpmm", "meteora/damm_v2"]}),
)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a busy machine takes for the first read of a pair, it is waited for."""
    monkeypatch.setattr(order_markets, "MARKET_WAIT_S", 60.0)


class RestrictedApi(NamedTuple):
    """An API, and its node, which sells a SOL for about 100 USDC."""

    api: RunningApi
    node: str

    async def move(self, venue: str, bps: int) -> None:
        url = f"{self.node}/control/price"
        body = {"pair": ["SOL", "USDC"], "bps": bps, "venue": venue}
        async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
            assert response.status == 200, await response.text()

    async def wait_price(self, order_id: str, low: float, high: float) -> Json:
        """Wait until an order is shown a price between two bounds."""
        async with asyncio.timeout(WAIT_S):
            while True:
                order = await self.api.get(f"/api/orders/{order_id}")
                if low < float(order.get("executablePrice", 0)) < high:
                    return order
                await asyncio.sleep(0.02)

    async def ask_met(self, body: Json) -> bool:
        """Place orders until the response to one tells whether the market meets it now."""
        async with asyncio.timeout(WAIT_S):
            while "isMetNow" not in (answer := await self.api.post(EXECUTE, body)):
                pass
        return bool(answer["isMetNow"])


@asynccontextmanager
async def open_restricted(
    database_url: str, redis_url: str, data_dir: Path, **settings: object
) -> AsyncIterator[RestrictedApi]:
    settings = {"pool_search_s": 0, "trigger_interval_s": 0.05, **settings}
    async with (
        run_node(data_dir) as node,
        open_api(database_url, redis_url, solana_rpc_url=node, **settings) as api,
    ):
        yield RestrictedApi(api, node)


async def test_each_order_is_shown_what_its_own_pools_offer(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_restricted(database_url, redis_url, data_dir) as running:
        api = running.api
        asked: list[Json] = [RAYDIUM, {"dexes": ["meteora"]}, {"pools": [CPMM_POOL]}, {}]
        mine, theirs, pooled, every = [await place(api, LIMIT, **each) for each in asked]
        await running.move("meteora", 1_000)
        await running.wait_price(every, 108, 111)
        await running.wait_price(theirs, 108, 111)
        order = await running.wait_price(mine, 98, 101)
        assert 4_800 < order["distanceBps"] < 5_300
        assert float(order["bestPrice"]) < 101
        page = {each["orderId"]: each for each in (await api.get("/api/orders"))["orders"]}
        shown = [page[each]["executablePrice"] for each in (mine, pooled, theirs, every)]
        assert shown[0] == shown[1] == order["executablePrice"]
        assert shown[2] == shown[3]


async def test_whether_the_market_meets_an_order_is_that_of_its_own_pools(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_restricted(database_url, redis_url, data_dir) as running:
        api = running.api
        await running.move("meteora", 1_000)
        await running.wait_price(await place(api, LIMIT), 108, 111)
        at = {**LIMIT, "limitPrice": "105"}
        met = [await running.ask_met({**at, **each}) for each in (RAYDIUM, {})]
        assert met == [False, True]
        await api.post(EXECUTE, {**at, **RAYDIUM, "strict": True})
        problem = await api.post(EXECUTE, {**at, "dexes": ["meteora"], "strict": True}, 422)
        assert problem["errors"][0]["code"] == "would_be_met"
        stop = {**STOP, "triggerPrice": "105"}
        met = [await running.ask_met({**stop, **each}) for each in (RAYDIUM, {})]
        assert met == [True, False]
        order_id = await place(api, LIMIT, **RAYDIUM)
        assert (await patch(api, order_id, {"limitPrice": "105"}))["dexes"] == ["raydium"]
        await patch(api, order_id, {"limitPrice": "95"}, 409, seq='"3"')


@pytest.mark.parametrize(("field", "asked"), NO_POOL, ids=[str(each) for _, each in NO_POOL])
async def test_an_order_that_may_use_no_pool_is_refused(
    database_url: str, redis_url: str, data_dir: Path, field: str, asked: Json
) -> None:
    refusal = {
        "field": field,
        "code": "no_pool",
        "reason": "none of the pools of SOL and USDC that are quoted is one that the order may use",
    }
    async with open_restricted(database_url, redis_url, data_dir) as running:
        api = running.api
        for body in WAITING:
            problem = await api.post(EXECUTE, {**body, **asked}, 422)
            assert (problem["code"], problem["errors"]) == ("no_pool", [refusal])
        orders = [LIMIT, *({**body, **asked} for body in WAITING), {**LIMIT, **RAYDIUM}]
        entries = (await api.post(BATCH, {"orders": orders}))["orders"]
        codes = [each.get("problem", {}).get("code") for each in entries]
        assert codes == [None, *["no_pool"] * len(WAITING), None]
        # What does not wait is not looked at.
        await api.post(EXECUTE, {**ORDER, **asked})


async def test_as_long_as_more_pools_may_be_found_no_order_is_refused(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    body = {**LIMIT, "pools": [OTHER_POOL]}
    async with open_api(database_url, redis_url) as api:  # no node answers
        await api.post(EXECUTE, body)
    async with open_restricted(database_url, redis_url, data_dir, pool_search_s=60) as running:
        async with asyncio.timeout(WAIT_S):
            while True:
                async with running.api.session.post(EXECUTE, json=body) as response:
                    answer = await response.json()
                if response.status == 422:
                    break
                assert response.status == 202
                await asyncio.sleep(0.02)
        assert answer["errors"][0]["code"] == "no_pool"


async def test_every_type_that_waits_may_name_its_pools(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    asked: Json = {"dexes": ["raydium", "meteora"], "pools": [CPMM_POOL]}
    async with open_restricted(database_url, redis_url, data_dir) as running:
        for body in WAITING:
            order = await running.api.get(f"/api/orders/{await place(running.api, body, **asked)}")
            assert {name: order[name] for name in asked} == asked


async def test_an_order_whose_pools_are_gone_says_so_until_they_are_back(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    hidden: set[str] = set()
    settings = {"pool_search_s": 0, "trigger_interval_s": 0.05}
    async with (
        run_node(data_dir) as node,
        run_node_proxy(node) as proxy,
        open_api(database_url, redis_url, solana_rpc_url=proxy.url, **settings) as api,
    ):
        proxy.rule = partial(hide_accounts, hidden)
        mine, every = await place(api, LIMIT, **RAYDIUM), await place(api, LIMIT)
        for is_gone in (True, False):
            hidden.update({CPMM_POOL} if is_gone else ())
            async with asyncio.timeout(WAIT_S):
                while ("executablePrice" in (order := await read(api, mine))) is is_gone:
                    await asyncio.sleep(0.02)
            told = order["lastError"]
            assert (told or "").startswith("no_pool: none of the pools of SOL") is is_gone
            assert (await read(api, every))["lastError"] is None
            hidden.clear()


async def read(api: RunningApi, order_id: str) -> Json:
    return await api.get(f"/api/orders/{order_id}")

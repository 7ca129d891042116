"""Orders that would wait although their pair has no pool: a real node, without the pools of one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from solders.pubkey import Pubkey

from backend.api.routes.waiting import order_markets
from backend.domain.tokens import BONK, WBTC
from backend.venues import MAINNET_VENUES
from tests.integration.apis import ORDER, Json, RunningApi, open_api
from tests.integration.node_proxy import NodeProxy, run_node_proxy
from tests.integration.test_api_amend import EXECUTE, LIMIT, STOP
from tests.scenario import run_node

BATCH = "/api/orders/batch"
PAIR: Json = {"tokenIn": "WBTC", "tokenOut": "BONK"}
REFUSAL: Json = {
    "field": "tokenOut",
    "code": "no_pool",
    "reason": "no venue has a pool of WBTC and BONK, and only a sniper order waits for one",
}
MINTS = sorted((Pubkey.from_string(token.mint) for token in (WBTC, BONK)), key=bytes)
POOLS = {str(venue.derive_pool_address(*MINTS)) for venue in MAINNET_VENUES.default}
WAITING: Sequence[Json] = [
    {**LIMIT, **PAIR},
    {**STOP, **PAIR},
    {**ORDER, **PAIR, "type": "takeProfit", "triggerPrice": "150"},
    {**ORDER, **PAIR, "type": "stopLimit", "triggerPrice": "50", "limitPrice": "49"},
    {**ORDER, **PAIR, "type": "trailingStop", "trailBps": 500},
    {**ORDER, **PAIR, "type": "twap", "slices": 2, "intervalS": 60},
]


class PoollessApi(NamedTuple):
    """An API, and its node behind a proxy that hides the pools while ``hidden`` has them."""

    api: RunningApi
    proxy: NodeProxy
    hidden: set[str]
    reads: list[Sequence[str]]
    """Which of the pools each call asked for."""


@asynccontextmanager
async def open_poolless_api(
    database_url: str, redis_url: str, data_dir: Path
) -> AsyncIterator[PoollessApi]:
    hidden, reads = set(POOLS), list[Sequence[str]]()

    def hide_pools(call: Json, answer: Json) -> Json | None:
        if call["method"] != "getMultipleAccounts":
            return None
        result, keys = answer["result"], call["params"][0]
        if POOLS & set(keys):
            reads.append(sorted(POOLS & set(keys)))
        shown = zip(keys, result["value"], strict=True)
        return {"result": {**result, "value": [None if k in hidden else v for k, v in shown]}}

    async with (
        run_node(data_dir) as node,
        run_node_proxy(node) as proxy,
        open_api(database_url, redis_url, solana_rpc_url=proxy.url, pool_search_s=0) as api,
    ):
        proxy.rule = hide_pools
        yield PoollessApi(api, proxy, hidden, reads)


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a busy machine takes for the first read of a pair, it is waited for."""
    monkeypatch.setattr(order_markets, "MARKET_WAIT_S", 60.0)


async def wait_until(api: RunningApi, status: int) -> None:
    """Place orders of the pair until one has an answer of this status."""
    async with asyncio.timeout(60):
        while True:
            async with api.session.post(EXECUTE, json={**LIMIT, **PAIR}) as response:
                if response.status == status:
                    return
            await asyncio.sleep(0.05)


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("body", WAITING, ids=lambda body: str(body["type"]))
async def test_an_order_that_would_wait_without_a_pool_is_refused(
    database_url: str, redis_url: str, data_dir: Path, body: Json
) -> None:
    async with open_poolless_api(database_url, redis_url, data_dir) as (api, *_):
        problem = await api.post(EXECUTE, {**body, "clientOrderId": "one"}, 422)
        assert (problem["code"], problem["errors"]) == ("no_pool", [REFUSAL])
        assert (await api.get("/api/orders"))["orders"] == []


async def test_what_does_not_wait_for_a_price_is_accepted_without_a_read(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_poolless_api(database_url, redis_url, data_dir) as poolless:
        bodies = [
            {**ORDER, **PAIR},
            {**LIMIT, **PAIR, "timeInForce": "ioc"},
            {**ORDER, **PAIR, "type": "sniper"},
        ]
        for body in bodies:
            await poolless.api.post(EXECUTE, body)
        batch = await poolless.api.post(BATCH, {"orders": bodies})
        assert (batch["accepted"], batch["refused"]) == (len(bodies), 0)
        assert poolless.reads == []


@pytest.mark.usefixtures("patience")
async def test_one_read_tells_all_orders_of_a_batch_which_pairs_have_no_pool(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_poolless_api(database_url, redis_url, data_dir) as poolless:
        back = {"tokenIn": "BONK", "tokenOut": "WBTC"}
        legs = [{**LIMIT, "ocoGroup": "a"}, {**STOP, "ocoGroup": "a"}]
        poolless_legs = [{**each, **PAIR, "ocoGroup": "b"} for each in legs]
        orders = [LIMIT, *WAITING, {**LIMIT, **back}, {**ORDER, **PAIR}, *legs, *poolless_legs]
        batch = await poolless.api.post(BATCH, {"orders": orders})
        codes = [each.get("problem", {}).get("code") for each in batch["orders"]]
        refused = len(WAITING) + 1
        assert codes == [None, *["no_pool"] * refused, None, None, None, "no_pool", "no_pool"]
        assert batch["orders"][1]["problem"]["errors"] == [REFUSAL]
        assert batch["orders"][refused]["problem"]["errors"][0]["field"] == "tokenOut"
        read = [address for each in poolless.reads for address in each]
        assert sorted(read) == sorted(POOLS)
        only = await poolless.api.post(BATCH, {"orders": [WAITING[0]]}, 422)
        assert only["code"] == "batch_refused"
        assert only["orders"][0]["problem"]["code"] == "no_pool"


async def test_pools_that_cannot_be_read_refuse_nothing_and_a_repeat_is_no_new_order(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_poolless_api(database_url, redis_url, data_dir) as poolless:
        api, proxy = poolless.api, poolless.proxy
        proxy.status = 503
        single = {**LIMIT, **PAIR, "clientOrderId": "one"}
        batch = {"orders": [{**LIMIT, **PAIR, "clientOrderId": "two"}]}
        first = await api.post(EXECUTE, single)
        [placed] = (await api.post(BATCH, batch))["orders"]
        assert (first["status"], placed["status"]) == ("waiting", "waiting")
        proxy.status = None
        await wait_until(api, 422)
        again = await api.post(EXECUTE, single)
        assert (again["orderId"], again["status"]) == (first["orderId"], "waiting")
        [again] = (await api.post(BATCH, batch))["orders"]
        assert (again["orderId"], again["replayed"]) == (placed["orderId"], True)
        await api.post(EXECUTE, {**single, "clientOrderId": "three"}, 422)


@pytest.mark.usefixtures("patience")
async def test_a_pool_that_comes_to_be_is_seen_and_one_that_is_gone_may_come_back(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_poolless_api(database_url, redis_url, data_dir) as poolless:
        api, hidden = poolless.api, poolless.hidden
        await api.post(EXECUTE, {**LIMIT, **PAIR}, 422)
        hidden.clear()
        await wait_until(api, 202)
        hidden.update(POOLS)
        for _ in range(3):
            await api.post(EXECUTE, {**LIMIT, **PAIR})

"""Sniper orders over HTTP: tokens by their mint, guards, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from backend.domain.tokens import TokenRegistry
from tests.integration.apis import Json, RunningApi, open_api
from tests.integration.simulator_client import STATIC_PRICES
from tests.scenario import run_node

EXECUTE, BATCH = "/api/orders/execute", "/api/orders/batch"
SNIPER: Json = {"tokenIn": "SOL", "amount": "1.5", "type": "sniper"}
GUARDS: Json = {
    "minLiquidity": "100.5",
    "mintAuthorityRevoked": True,
    "freezeAuthorityNone": True,
    "maxTransferFeeBps": 0,
    "maxFeeBps": 100,
    "lpLockedMinBps": 9_500,
    "maxPoolAgeS": 60,
    "dexes": ["meteora"],
    "looks": 3,
}
NOWHERE = "8opHzTAnfzRpPEx21XtnrVTX28YQuCpAjcn1PczScKh"


@asynccontextmanager
async def open_apis(
    database_url: str, redis_url: str, data_dir: Path
) -> AsyncIterator[tuple[RunningApi, RunningApi, aiohttp.ClientSession]]:
    """Two API processes' worth of services on one node, and a session to that."""
    async with (
        run_node(data_dir, STATIC_PRICES) as url,
        aiohttp.ClientSession(url) as node,
        open_api(database_url, redis_url, solana_rpc_url=url) as api,
        open_api(database_url, redis_url, solana_rpc_url=url) as other,
    ):
        yield api, other, node


async def launch_mint(node: aiohttp.ClientSession, **traits: object) -> str:
    async with node.post("/control/mint", json=traits) as response:
        return str((await response.json())["mint"])


async def read_error(api: RunningApi, body: Json) -> tuple[str, str, str]:
    problem = await api.post(EXECUTE, body, status=422)
    [error] = problem["errors"]
    return error["field"], error["code"], error["reason"]


async def test_a_token_is_named_by_its_mint_and_every_process_reads_the_order(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_apis(database_url, redis_url, data_dir) as (api, other, node):
        mint = await launch_mint(node, decimals=3)
        body = {**SNIPER, **GUARDS, "tokenOut": mint, "minAmountOut": "0.125"}
        answer = await api.post(EXECUTE, {**body, "clientOrderId": "one"})
        assert answer["status"] == "waiting"
        for reader in (other, api):
            order = await reader.get(f"/api/orders/{answer['orderId']}")
            assert {name: order[name] for name in GUARDS} == GUARDS
            assert (order["tokenOut"], order["minAmountOut"]) == (mint, "0.125")
            assert (order["type"], order["status"]) == ("sniper", "waiting")
            [listed] = (await reader.get(f"/api/orders?type=sniper&tokenOut={mint}"))["orders"]
            assert listed["orderId"] == order["orderId"]
        [pending, waiting] = (await other.get(f"/api/orders/{order['orderId']}/events"))["events"]
        assert {name: pending[name] for name in GUARDS} == GUARDS
        assert waiting["status"] == "waiting"
        again = await other.post(EXECUTE, {**body, "clientOrderId": "one"})
        assert again["orderId"] == answer["orderId"]
        async with other.session.delete(f"/api/orders/{order['orderId']}") as response:
            assert (await response.json())["status"] == "cancelled"


async def test_what_is_no_mint_is_a_field_error_and_nothing_is_stored(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_apis(database_url, redis_url, data_dir) as (api, _, node):
        mint, hooked = await launch_mint(node, decimals=6), await launch_mint(node, hook=True)
        listed = TokenRegistry().find("USDC", "tokenOut").mint
        for field in ("tokenIn", "tokenOut"):
            body = {**SNIPER, "tokenOut": "SOL", "tokenIn": "SOL", field: NOWHERE}
            assert await read_error(api, body) == (
                field,
                "invalid_mint",
                "is not the mint of a token: the chain has no such account",
            )
        field, code, reason = await read_error(api, {**SNIPER, "tokenOut": hooked})
        assert (field, code) == ("tokenOut", "unsupported_mint")
        assert "extension 14" in reason
        wallet = await read_wallet(node)
        field, code, reason = await read_error(api, {**SNIPER, "tokenOut": wallet})
        assert (field, code) == ("tokenOut", "invalid_mint")
        await api.post(EXECUTE, {**SNIPER, "tokenOut": mint})
        batch = [{**SNIPER, "tokenOut": each} for each in (NOWHERE, mint, listed)]
        answer = await api.post(BATCH, {"orders": batch})
        assert [each.get("status") for each in answer["orders"]] == [None, "waiting", "waiting"]
        assert answer["orders"][0]["problem"]["errors"][0]["field"] == "tokenOut"
        assert await api.count_stored() == 3


async def read_wallet(node: aiohttp.ClientSession) -> str:
    async with node.get("/control/state") as response:
        return str((await response.json())["wallet"])


async def test_a_node_that_is_away_is_no_fault_of_the_mint(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_apis(database_url, redis_url, data_dir) as (api, _, node):
        mint = await launch_mint(node, decimals=6)
        fault = {"fault": "http", "methods": ["getMultipleAccounts"]}
        async with node.post("/control/faults", json=fault) as response:
            assert response.status == 200
        problem = await api.post(EXECUTE, {**SNIPER, "tokenOut": mint}, status=503)
        assert problem["code"] == "node_unavailable"
        assert await api.count_stored() == 0
        async with node.delete("/control/faults") as response:
            assert response.status == 200
        await api.post(EXECUTE, {**SNIPER, "tokenOut": mint})


async def test_an_order_over_the_socket_waits_too(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_apis(database_url, redis_url, data_dir) as (api, _, node):
        body = {**SNIPER, "tokenOut": await launch_mint(node, decimals=0), **GUARDS}
        async with api.session.ws_connect(EXECUTE) as socket:
            await socket.send_json(body)
            accepted = await socket.receive_json()
            events = [await socket.receive_json() for _ in range(2)]
        assert accepted["status"] == "waiting"
        assert [event["status"] for event in events] == ["pending", "waiting"]


@pytest.mark.parametrize("refused", [True, False])
async def test_readiness_says_if_the_node_lists_no_pools(
    refused: bool, database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_apis(database_url, redis_url, data_dir) as (api, _, node):
        if refused:
            fault = {"fault": "refuse_method", "methods": ["getProgramAccounts"]}
            async with node.post("/control/faults", json=fault) as response:
                assert response.status == 200
        check = (await api.get("/readyz"))["checks"]["pools"]
        assert check["ok"] is not refused
        assert refused is ("-32601" in check.get("reason", ""))

"""A running engine whose node launches tokens and pools, for orders that name tokens by mint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from backend.config import Profile, Settings
from tests.integration.apis import Json, RunningApi, run_api
from tests.integration.simulator_client import STATIC_PRICES
from tests.scenario import TIMEOUT_S, Workers, run_node

EXECUTE, BATCH, QUOTES = "/api/orders/execute", "/api/orders/batch", "/api/quotes"
NOWHERE = "8opHzTAnfzRpPEx21XtnrVTX28YQuCpAjcn1PczScKh"
"""An address without an account."""


@dataclass(frozen=True, slots=True)
class MintEngine:
    """A running engine, and the control interface of its node."""

    api: RunningApi
    node: aiohttp.ClientSession
    settings: Settings
    workers: Workers

    async def control(self, path: str, body: Json) -> Json:
        async with self.node.post(f"/control/{path}", json=body) as response:
            assert response.status == 200, await response.text()
            return dict(await response.json())

    async def launch_mint(self, **traits: object) -> str:
        return str((await self.control("mint", traits))["mint"])

    async def launch_pool(self, **traits: object) -> Json:
        """Launch a pool, at 100 USDC for a token of three decimals unless ``traits`` differ."""
        body = {
            "venue": "raydium",
            "token": {"decimals": 3},
            "quote": "USDC",
            "amount": 10**9,
            "quote_amount": 10**14,
            **traits,
        }
        pool = await self.control("launch", body)
        await self.control("advance", {"blocks": 10})  # it is open now
        return pool

    async def quote(self, **body: object) -> Json:
        return await self.api.post(QUOTES, body, 200)

    async def execute(self, **body: object) -> Json:
        """Place an order; returns it once it has ended."""
        order_id = (await self.api.post(EXECUTE, body))["orderId"]
        return await self.wait_for_end(order_id)

    async def wait_for_end(self, order_id: str) -> Json:
        async with (
            asyncio.timeout(TIMEOUT_S),
            self.api.session.ws_connect(f"/api/orders/upgrade/{order_id}") as socket,
        ):
            async for _ in socket:
                pass  # it is closed behind the last event
        return await self.api.get(f"/api/orders/{order_id}")

    async def restart_worker(self) -> None:
        """Start another worker in place of the oldest, which knows no token of these yet."""
        await self.workers.stop()
        await self.workers.start()


@asynccontextmanager
async def run_mint_engine(
    database_url: str, redis_url: str, data_dir: Path, *, pools: str = "default"
) -> AsyncIterator[MintEngine]:
    """A running engine with one worker, which watches waiting orders.

    ``pools`` are those of the node, besides what it launches.
    """
    options = replace(STATIC_PRICES, pools=pools)
    async with run_node(data_dir, options) as url, aiohttp.ClientSession(url) as node:
        settings = Settings.load(
            database_url=database_url,
            redis_url=redis_url,
            solana_rpc_url=url,
            profile=Profile.INSTANT,
            quote_age_s=0,
            quote_timeout_s=30,
            trigger_interval_s=0.05,
            backoff_s=0.01,
            sweep_s=0.05,
            shutdown_s=0,
            port=0,
        )
        async with Workers(settings) as workers:
            await workers.start()
            async with run_api(settings) as api:
                yield MintEngine(api, node, settings, workers)

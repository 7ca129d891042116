"""The whole engine behind its API, inside the test's loop: a node, a worker, and a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from backend.config import Profile, Settings
from tests.integration.apis import Api, Json, open_api
from tests.scenario import Workers, running_node


@dataclass(frozen=True, slots=True)
class Whole:
    api: Api
    node: aiohttp.ClientSession

    async def fault(self, **fault: object) -> None:
        """Begin a fault of the node."""
        async with self.node.post("/control/faults", json=fault) as response:
            assert response.status == 200, await response.text()

    async def ended(self, order_id: str) -> list[Json]:
        """Wait for an order's end; its events."""
        async with self.api.session.ws_connect(f"/api/orders/upgrade/{order_id}") as socket:
            return [message.json() async for message in socket]


@asynccontextmanager
async def whole_engine(
    database_url: str, redis_url: str, data_dir: Path, **given: object
) -> AsyncIterator[Whole]:
    async with running_node(data_dir) as node_url, aiohttp.ClientSession(node_url) as node:
        parts = {
            "solana_rpc_url": node_url,
            "profile": Profile.INSTANT,
            "quote_age_s": 0,  # what the node is told to do is seen by the very next order
        }
        quick = {"backoff_s": 0.01, "shutdown_s": 0}
        servers = {"database_url": database_url, "redis_url": redis_url}
        async with Workers(Settings.load(**servers, **parts, **quick)) as workers:
            await workers.start()
            async with open_api(database_url, redis_url, **{**parts, **given}) as api:
                yield Whole(api, node)

"""The full engine in the event loop of the test: a simulated node, a worker and an API server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from backend.config import Profile, Settings
from tests.integration.apis import Json, RunningApi, open_api
from tests.scenario import Workers, run_node


@dataclass(frozen=True, slots=True)
class FullEngine:
    """A running engine and the control interface of its node."""

    api: RunningApi
    node: aiohttp.ClientSession

    async def arm_fault(self, **fault: object) -> None:
        """Arm a fault of the node."""
        async with self.node.post("/control/faults", json=fault) as response:
            assert response.status == 200, await response.text()

    async def read_events(self, order_id: str) -> list[Json]:
        """Read the events of an order until it has ended."""
        async with self.api.session.ws_connect(f"/api/orders/upgrade/{order_id}") as socket:
            return [message.json() async for message in socket]


@asynccontextmanager
async def run_full_engine(
    database_url: str,
    redis_url: str,
    data_dir: Path,
    workers_settings: Mapping[str, object] | None = None,
    **overrides: object,
) -> AsyncIterator[FullEngine]:
    """``workers_settings`` are those of the worker alone, ``overrides`` those of the API."""
    async with run_node(data_dir) as node_url, aiohttp.ClientSession(node_url) as node:
        settings = {
            "solana_rpc_url": node_url,
            "profile": Profile.INSTANT,
            "quote_age_s": 0,  # a fault of the node affects the very next order
        }
        fast = {"backoff_s": 0.01, "shutdown_s": 0}
        servers = {"database_url": database_url, "redis_url": redis_url}
        worker = {**servers, **settings, **fast, **(workers_settings or {})}
        async with Workers(Settings.load(**worker)) as workers:
            await workers.start()
            async with open_api(database_url, redis_url, **{**settings, **overrides}) as api:
                yield FullEngine(api, node)

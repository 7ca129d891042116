"""Workers that watch waiting orders are killed; another one goes on with what is in the rows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from backend.store.database import open_pool
from backend.trials.audit.clients import EXECUTE_PATH, Json
from backend.trials.chaos.system import EngineSystem
from tests.chaos.engine import run_engine

WAIT_S = 60
SETTINGS = {"trigger_lease_s": "1"}
SOL = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1"}
RELEASED = ["pending", "waiting", "routing", "building", "submitted", "confirmed"]


async def place_order(session: aiohttp.ClientSession, **fields: object) -> str:
    async with session.post(EXECUTE_PATH, json={**SOL, **fields}) as response:
        answer = await response.json()
        assert response.status == 202, answer
        return str(answer["orderId"])


async def read_events(session: aiohttp.ClientSession, order_id: str) -> list[Json]:
    """The events of an order up to its end."""
    async with (
        asyncio.timeout(WAIT_S),
        session.ws_connect(f"/api/orders/upgrade/{order_id}") as socket,
    ):
        return [message.json() async for message in socket]


async def move_price(system: EngineSystem, session: aiohttp.ClientSession, bps: int) -> None:
    body: Mapping[str, object] = {"pair": ["SOL", "USDC"], "bps": bps}
    async with session.post(f"{system.chain_url}/control/price", json=body) as response:
        assert response.status == 200, await response.text()


async def wait_for(system: EngineSystem, query: str) -> Any:
    """Wait until a query of the engine's database has a value that is true."""
    async with open_pool(system.database_url, connections_max=1) as pool, asyncio.timeout(WAIT_S):
        while not (value := await pool.fetchval(query)):
            await asyncio.sleep(0.02)
        return value


IS_WATCHED = "SELECT count(*) = 64 FROM trigger_shards WHERE lease_until > now()"
HAS_MARKS = "SELECT bool_and(high_water IS NOT NULL) FROM orders"
FIRST_MARK = """
SELECT 1000 * split_part(high_water, '/', 1)::float8 / split_part(high_water, '/', 2)::float8
FROM orders
"""
HAS_PEAK = """
SELECT max((each->>'slot')::bigint) > (SELECT max(high_water_slot) FROM orders)
FROM market_peaks, jsonb_array_elements(peaks::jsonb) each
"""


async def test_a_mark_survives_the_worker_that_saw_it(data_dir: Path) -> None:
    """The price rises by 10 % and the worker dies; it has fallen by 6 % when another one comes."""
    async with run_engine(data_dir, **SETTINGS) as (system, session):
        worker = system.units["worker-1"]
        await worker.start()
        trailing = {"type": "trailingStop", "trailBps": 500, "confirmations": 1}
        order_id = await place_order(session, **trailing)
        await wait_for(system, HAS_MARKS)
        first = await wait_for(system, FIRST_MARK)
        await move_price(system, session, 1_000)
        await wait_for(system, HAS_PEAK)
        await worker.kill()
        await move_price(system, session, -600)
        await worker.start()
        events = await read_events(session, order_id)
        assert [event["status"] for event in events] == RELEASED
        released = events[2]
        assert 1.04 < float(released["triggerPrice"]) / first < 1.05
        assert float(released["executablePrice"]) < float(released["triggerPrice"])


async def test_another_worker_takes_over_what_a_killed_one_watched(data_dir: Path) -> None:
    async with run_engine(data_dir, **SETTINGS) as (system, session):
        await system.units["worker-1"].start()
        await wait_for(system, IS_WATCHED)
        ids = [
            await place_order(session, type="limit", limitPrice="108"),
            await place_order(session, type="stop", triggerPrice="50"),
        ]
        async with system.run_extra_worker("heir", {}) as heir:
            del heir
            await system.units["worker-1"].kill()
            await move_price(system, session, 1_500)
            events = await read_events(session, ids[0])
            assert [event["status"] for event in events] == RELEASED
            assert float(events[-1]["amountOut"]) >= 108
            await move_price(system, session, -6_000)
            events = await read_events(session, ids[1])
            assert [event["status"] for event in events] == RELEASED

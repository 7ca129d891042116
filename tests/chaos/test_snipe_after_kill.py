"""A worker is killed on its way from a sniper order's release to its landing: it is bought once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from backend.execution.context import Checkpoint
from backend.trials.audit.clients import EXECUTE_PATH, Json
from backend.trials.audit.evidence import fetch_ledger, fetch_orders, parse_swaps
from backend.trials.chaos.system import EngineSystem
from tests.chaos.engine import run_engine
from tests.chaos.test_waiting_after_kill import IS_WATCHED, read_events, wait_for

WAIT_S = 60
SETTINGS = {"trigger_lease_s": "1", "trigger_interval_s": "0.1", "lease_s": "1"}
CHECKPOINTS = (Checkpoint.QUOTED, Checkpoint.STORED, Checkpoint.SENT)
GUARDS = {"mintAuthorityRevoked": True, "maxTransferFeeBps": 0, "lpLockedMinBps": 10_000}


async def control(
    system: EngineSystem, session: aiohttp.ClientSession, path: str, body: Json
) -> Json:
    async with session.post(f"{system.chain_url}/control/{path}", json=body) as response:
        assert response.status == 200, await response.text()
        answer: Json = await response.json()
        return answer


async def snipe(session: aiohttp.ClientSession, mint: str) -> str:
    body = {"tokenIn": "SOL", "tokenOut": mint, "amount": "1", "type": "sniper", **GUARDS}
    async with session.post(EXECUTE_PATH, json=body) as response:
        answer = await response.json()
        assert (response.status, answer.get("status")) == (202, "waiting"), answer
        return str(answer["orderId"])


@pytest.mark.long
async def test_a_sniper_buys_once_wherever_its_worker_dies(data_dir: Path) -> None:
    async with run_engine(data_dir, **SETTINGS) as (system, session):
        worker, bought = system.units["worker-1"], dict[str, str]()
        for number, checkpoint in enumerate(CHECKPOINTS):
            mint = (await control(system, session, "mint", {"decimals": number}))["mint"]
            settings = {"crash_at": f"{checkpoint}:1"}
            async with system.run_extra_worker(f"victim-{checkpoint}", settings) as victim:
                await wait_for(system, IS_WATCHED)
                order_id = await snipe(session, mint)
                pool = await control(system, session, "launch", {"venue": "raydium", "mint": mint})
                async with asyncio.timeout(WAIT_S):
                    await victim.wait_exited()
            bought[order_id] = pool["pool"]
            # The next one would die of this order, which it takes over as it starts.
            await worker.start()
            events = await read_events(session, order_id)
            assert events[-1]["status"] == "confirmed"
            met = [event for event in events if event["status"] == "routing" and "pool" in event]
            assert [event["pool"] for event in met] == [pool["pool"]]
            await worker.stop()
        entries, _ = await fetch_ledger(session, system.chain_url, 0)
        since = await wait_for(system, "SELECT min(created_at) FROM orders")
        owners = (await fetch_orders(system.database_url, since)).order_by_signature
        swaps = {owners[each.signature]: each.pool for each in parse_swaps(entries)}
        assert swaps == bought
        assert len(parse_swaps(entries)) == len(bought)

"""A halt under load: two API processes and three workers, one of them paused, then all killed."""

from __future__ import annotations

import asyncio
from itertools import cycle
from pathlib import Path

import aiohttp
import pytest

from backend.domain.lifecycle import Status
from backend.store.audit_log.reads import verify_log
from backend.store.database import open_pool
from backend.trials.chaos.system import EngineSystem
from tests.chaos.test_waiting_after_kill import wait_for

ORDER = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "0.1", "slippageBps": 500}
BATCH = {"orders": [ORDER] * 10}
BATCHES = 40
ARE_SOME_FILLED = "SELECT count(*) >= 20 FROM orders WHERE status = 'confirmed'"
IS_WORKER_BUSY = """
SELECT count(*) > 0 FROM orders WHERE status IN ('routing', 'building') AND lease_until > now()
"""
NOTHING_IS_EXECUTED = """
SELECT count(*) = 0 FROM orders WHERE open AND (status = 'submitted' OR lease_until > now())
"""
HAVE_ALL_ENDED = "SELECT count(*) = 0 FROM orders WHERE open"
LATE_SUBMISSIONS = "SELECT count(*) FROM order_events WHERE status = 'submitted' AND at > $1"
SUBMITTED = "SELECT data->>'txHash' AS signature, at FROM order_events WHERE status = 'submitted'"


async def post_orders(urls: list[str], placed: list[str]) -> None:
    """Post batches to the API processes in turn; a batch is 10 orders."""
    async with aiohttp.ClientSession() as session:
        for _, url in zip(range(BATCHES), cycle(urls), strict=False):
            async with session.post(f"{url}/api/orders/batch", json=BATCH) as response:
                answer = await response.json()
                assert response.status == 202, answer
                placed += [each["orderId"] for each in answer["orders"]]


async def call(url: str, method: str, path: str, body: object = None) -> dict[str, object]:
    async with (
        aiohttp.ClientSession(url) as session,
        session.request(method, path, json=body) as response,
    ):
        answer: dict[str, object] = await response.json()
        assert response.status == 200, answer
        return answer


async def read_ledger(system: EngineSystem) -> set[str]:
    ledger = await call(system.chain_url, "GET", "/control/ledger?limit=10000")
    entries = ledger["transactions"]
    assert isinstance(entries, list)
    return {entry["signature"] for entry in entries}


async def kill_all_and_start(system: EngineSystem) -> None:
    """Kill every process, servers and node too, and start them again in their order."""
    units = list(system.units.values())
    for unit in units:
        await unit.kill()
    for unit in units:
        await unit.start()


@pytest.mark.long
async def test_a_halt_holds_whatever_is_paused_or_killed(data_dir: Path) -> None:
    system, placed = EngineSystem(data_dir, {}, workers=3), list[str]()
    async with system.run(), system.run_extra_api("api-2") as other_url:
        urls = [system.api_url, other_url]
        async with asyncio.TaskGroup() as group:
            posting = group.create_task(post_orders(urls, placed))
            await wait_for(system, ARE_SOME_FILLED)
            await wait_for(system, IS_WORKER_BUSY)
            system.units["worker-3"].pause()
            await call(other_url, "POST", "/api/admin/halt", {"why": "drill"})
            async with open_pool(system.database_url, connections_max=1) as pool:
                answered_at = await pool.fetchval("SELECT clock_timestamp()")
            system.units["worker-3"].resume()
            await posting
        await wait_for(system, NOTHING_IS_EXECUTED)
        ledger = await read_ledger(system)
        assert 0 < len(ledger) < len(placed), "it was halted in the middle"
        async with open_pool(system.database_url, connections_max=1) as pool:
            assert await pool.fetchval(LATE_SUBMISSIONS, answered_at) == 0
            rows = await pool.fetch(SUBMITTED)
            assert ledger <= {row["signature"] for row in rows}
        await kill_all_and_start(system)
        halts = (await call(system.api_url, "GET", "/api/admin/halts"))["halts"]
        assert [each["why"] for each in halts] == ["drill"]  # type: ignore[attr-defined]
        await wait_for(system, NOTHING_IS_EXECUTED)
        assert await read_ledger(system) == ledger
        await call(system.api_url, "POST", "/api/admin/resume", {})
        await wait_for(system, HAVE_ALL_ENDED)
        async with open_pool(system.database_url, connections_max=1) as pool:
            rows = await pool.fetch("SELECT status::text, attempts FROM orders")
            assert {row["status"] for row in rows} == {Status.CONFIRMED}
            assert len(rows) == len(placed) == 10 * BATCHES
            assert (await verify_log(pool)).faults == []
        assert system.crashes == {}

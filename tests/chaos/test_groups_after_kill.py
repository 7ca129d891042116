"""Workers are killed with SIGKILL amid brackets and their groups: each rule holds in the end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from backend.execution.context import Checkpoint
from backend.trials.audit.clients import Json
from tests.chaos.engine import run_engine
from tests.chaos.test_waiting_after_kill import (
    WAIT_S,
    move_price,
    place_order,
    read_events,
    wait_for,
)

SETTINGS = {"trigger_lease_s": "1", "lease_s": "2", "sweep_s": "0.2", "rekick_s": "0.5"}
# What the entry receives is USDC; the prices are those of SOL, which is bought back with it.
BRACKET = {
    "takeProfit": {"triggerPrice": "70", "priceOf": "tokenOut", "then": "market"},
    "stop": {"triggerPrice": "130", "priceOf": "tokenOut"},
}
CHECKPOINTS = (Checkpoint.QUOTED, Checkpoint.STORED, Checkpoint.SENT, Checkpoint.SETTLED)
COUNT_CHILDREN = "SELECT count(*) FROM orders WHERE parent_id IS NOT NULL"
ARE_CLOSED = "SELECT bool_and(NOT open) FROM orders"


async def list_children(session: aiohttp.ClientSession, entry_id: str) -> list[Json]:
    async with session.get(f"/api/orders?parentId={entry_id}") as response:
        return list((await response.json())["orders"])


@pytest.mark.long
async def test_whoever_is_killed_each_entry_has_its_children_and_one_of_them_is_executed(
    data_dir: Path,
) -> None:
    async with run_engine(data_dir, **SETTINGS) as (system, session):
        worker, ids = system.units["worker-1"], []
        for checkpoint in CHECKPOINTS:
            settings = {"crash_at": f"{checkpoint}:1"}
            async with (
                system.run_extra_worker(f"victim-{checkpoint}", settings) as victim,
                asyncio.timeout(WAIT_S),
            ):
                ids.append(await place_order(session, bracket=BRACKET))
                await victim.wait_exited()
        await worker.start()
        for entry_id in ids:
            assert (await read_events(session, entry_id))[-1]["status"] == "confirmed"
        assert await wait_for(system, COUNT_CHILDREN) == 2 * len(ids)
        await worker.kill()
        settings = {"crash_at": f"{Checkpoint.SETTLED}:1"}
        async with (
            system.run_extra_worker("victim-of-stops", settings) as victim,
            asyncio.timeout(WAIT_S),
        ):
            await move_price(system, session, 4_000)
            await victim.wait_exited()
        await worker.start()
        await wait_for(system, ARE_CLOSED)
        for entry_id in ids:
            [entry] = (await read_events(session, entry_id))[-1:]
            children = await list_children(session, entry_id)
            assert {each["amountIn"] for each in children} == {entry["amountOut"]}
            ends = {each["type"]: each["status"] for each in children}
            assert ends == {"stop": "confirmed", "takeProfit": "cancelled"}
            assert {each["cancelReason"] for each in children} == {None, "cancelled_by_oco"}

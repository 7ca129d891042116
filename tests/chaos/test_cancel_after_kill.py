"""A worker is killed at each checkpoint of an order, and the order is cancelled then."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from backend.execution.context import Checkpoint
from backend.trials.audit.clients import Json
from backend.trials.audit.evidence import fetch_ledger
from backend.trials.bench.order_bodies import BATCH_PATH
from backend.trials.chaos.system import EngineSystem
from tests.chaos.engine import run_engine
from tests.scenario import HAPPY_PATH

ORDER = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1.5"}
WAIT_S = 60
BEFORE_SUBMITTED = (Checkpoint.CLAIMED, Checkpoint.QUOTED)


async def place_order(session: aiohttp.ClientSession) -> str:
    """Place an order that is claimed before it is routed, as those of batches are."""
    async with session.post(BATCH_PATH, json={"orders": [ORDER]}) as response:
        [entry] = (await response.json())["orders"]
        return str(entry["orderId"])


async def kill_worker_at(
    checkpoint: Checkpoint, system: EngineSystem, session: aiohttp.ClientSession
) -> str:
    """Place an order for a worker that dies by SIGKILL when it has brought it so far."""
    settings = {"crash_at": f"{checkpoint}:1"}
    async with system.run_extra_worker(f"victim-{checkpoint}", settings) as victim:
        order_id = await place_order(session)
        async with asyncio.timeout(WAIT_S):
            await victim.wait_exited()
    return order_id


async def cancel(session: aiohttp.ClientSession, order_id: str) -> tuple[int, Json]:
    async with session.delete(f"/api/orders/{order_id}") as response:
        return response.status, await response.json(content_type=None)


async def read_events(session: aiohttp.ClientSession, order_id: str) -> list[Json]:
    """The events of an order up to its end."""
    async with (
        asyncio.timeout(WAIT_S),
        session.ws_connect(f"/api/orders/upgrade/{order_id}") as socket,
    ):
        return [message.json() async for message in socket]


async def read_signatures(system: EngineSystem, session: aiohttp.ClientSession) -> list[str]:
    """The signatures of all transactions that landed, whether they succeeded or not."""
    entries, _ = await fetch_ledger(session, system.chain_url, 0)
    return [entry["signature"] for entry in entries]


@pytest.mark.long
async def test_what_is_cancelled_after_its_worker_died_before_submitted_never_lands(
    data_dir: Path,
) -> None:
    async with run_engine(data_dir) as (system, session):
        for checkpoint in BEFORE_SUBMITTED:
            order_id = await kill_worker_at(checkpoint, system, session)
            status, order = await cancel(session, order_id)
            assert (status, order["status"], order["txHash"]) == (200, "cancelled", None)
            events = await read_events(session, order_id)
            assert [event["status"] for event in events] == ["pending", "routing", "cancelled"]
        await system.units["worker-1"].start()  # it gets the jobs of all that were cancelled
        later = await read_events(session, await place_order(session))
        assert [event["status"] for event in later] == HAPPY_PATH
        assert await read_signatures(system, session) == [later[-1]["txHash"]]


@pytest.mark.long
async def test_what_is_submitted_when_its_worker_dies_is_too_late_and_lands_as_it_was_told(
    data_dir: Path,
) -> None:
    signatures: list[str] = []
    async with run_engine(data_dir) as (system, session):
        for checkpoint in (each for each in Checkpoint if each not in BEFORE_SUBMITTED):
            order_id = await kill_worker_at(checkpoint, system, session)
            status, problem = await cancel(session, order_id)
            assert (status, problem["code"]) == (409, "too_late")
            told = problem["order"]
            assert told["status"] == "submitted"
            await system.units["worker-1"].start()
            events = await read_events(session, order_id)
            await system.units["worker-1"].stop()
            assert [event["status"] for event in events] == HAPPY_PATH
            assert events[3]["txHash"] == events[4]["txHash"] == told["txHash"]
            assert events[3]["mayLandUntil"] == told["mayLandUntil"]
            status, problem = await cancel(session, order_id)
            assert (status, problem["order"]["status"]) == (409, "confirmed")
            signatures.append(told["txHash"])
        assert await read_signatures(system, session) == signatures

"""Orders of all kinds while everything is killed: fills and positions are those of the ledger."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from backend.trials.accounts.api_client import place_all, wait_settled
from backend.trials.accounts.drawn_orders import OrderDrawer
from backend.trials.accounts.ledger_run import compare
from tests.chaos.engine import run_engine
from tests.chaos.test_waiting_after_kill import wait_for

ORDERS = 300
SETTINGS = {"trigger_lease_s": "1", "rate_limit": "0"}
ENDED = "SELECT count(*) >= {} FROM orders WHERE NOT open"


@pytest.mark.long
async def test_fills_positions_and_reports_are_those_of_the_ledger(data_dir: Path) -> None:
    drawer = OrderDrawer(Random(7))
    async with run_engine(data_dir, **SETTINGS) as (system, session):
        await system.units["worker-1"].start()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(place_all(session, [drawer.draw() for _ in range(ORDERS)]))
            for ended in (20, 80, 150):
                await wait_for(system, ENDED.format(ended))
                await system.units["worker-1"].kill()
                await system.units["worker-1"].start()
        await system.units["api"].kill()
        await system.units["api"].start()
        await wait_settled(session, 120)
        figures = await compare(session, system.chain_url, ORDERS, 3)
        assert figures.violations == []
        assert figures.fills >= 150
        assert {"SOL", "USDC", "JUP", "BONK", "RAY"} <= {
            each["token"] for each in figures.positions["positions"]
        }

"""What ``order-engine doctor`` says of a node: a good one, one that lists nothing, and none."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from backend.config import Settings
from backend.domain.trading.states import ALL_ORDERS, TradingState
from backend.engine.examination.node_report import UNREACHABLE, diagnose_node
from backend.store.audit_log.entries import Actor
from backend.store.database import open_pool
from backend.store.trading.changes import StateChange, set_state
from tests.integration.operator_commands import run_command
from tests.scenario import run_node


async def diagnose(url: str) -> dict[str, str]:
    return dict(await diagnose_node(Settings.load(), url))


async def test_the_doctor_tells_what_a_node_is_and_whether_it_lists_pools(tmp_path: Path) -> None:
    async with run_node(tmp_path) as url, aiohttp.ClientSession(url) as session:
        report = await diagnose(url)
        assert report["node"].startswith("of the cluster simulated, at slot ")
        assert report["node keeps history"] == report["node lists pools"] == "yes"
        fault = {"fault": "refuse_method", "methods": ["getProgramAccounts", "getTransaction"]}
        async with session.post("/control/faults", json=fault) as response:
            assert response.status == 200
        report = await diagnose(url)
        assert report["node lists pools"].startswith("no: the default pools are quoted, those of")
        assert report["node keeps history"].startswith("no: orders are confirmed without")


async def test_the_doctor_says_of_a_node_that_cannot_be_reached_just_that() -> None:
    report = await diagnose("http://127.0.0.1:1")
    assert list(report) == [UNREACHABLE]
    assert "connection to the node failed" in report[UNREACHABLE]


async def test_the_doctor_says_what_is_halted(database_url: str, data_dir: Path) -> None:
    arguments = ("doctor", "--data-dir", str(data_dir))
    assert "trading                     active" in await run_command(database_url, *arguments)
    async with open_pool(database_url, connections_max=1) as pool:
        change = StateChange(ALL_ORDERS, TradingState.HALTED, "a leak")
        await set_state(pool, change, Actor("ops"))
    output = await run_command(database_url, *arguments)
    assert "trading                     all orders: halted since " in output
    assert "a leak (by ops)" in output

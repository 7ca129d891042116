"""Mixed orders while workers are killed: fills, positions and reports equal the ledger's replay."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from dataclasses import dataclass
from random import Random
from time import perf_counter
from typing import Any, Final

import aiohttp

from backend.accounting.report import Grouping
from backend.api.server.listener import choose_free_port
from backend.domain.tokens import USDC
from backend.trials.accounts.api_client import place_all, read, read_all, wait_settled
from backend.trials.accounts.comparison import (
    compare_fills,
    compare_positions,
    compare_reports,
    replay_fills,
)
from backend.trials.accounts.drawn_orders import OrderDrawer
from backend.trials.accounts.replay import read_ledger_fills
from backend.trials.audit.evidence import fetch_ledger
from backend.trials.data_dir import create_trial_directory
from backend.trials.process_usage import find_child
from backend.trials.whole_engine import run_whole_engine

KILL_PAUSE_S: Final = 3.0

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LedgerFigures:
    """What was compared, how long the reads took, and what differed."""

    orders: int
    kills: int
    statuses: Counter[str]
    fills: int
    unvalued: int
    positions: Json
    seconds: dict[str, float]
    violations: list[str]


async def run_ledger_trial(
    orders: int, workers: int, kills: int, seed: int, timeout_s: float
) -> LedgerFigures:
    """Place orders of all kinds, kill workers meanwhile, and compare with the ledger.

    Raises ``Transient`` if the engine does not start, or orders do not end.
    """
    random = Random(seed)  # noqa: S311 - drawn orders
    drawer = OrderDrawer(random)
    with create_trial_directory("accounts") as directory:
        directory.is_disposable = True
        chain_port = choose_free_port("127.0.0.1")
        layout = {
            "workers": workers,
            "chain_port": chain_port,
            "log_level": "warning",
            "rate_limit": 0,
            "lease_s": 2,
            "trigger_lease_s": 1,
        }
        async with (
            run_whole_engine(directory.path, layout) as engine,
            aiohttp.ClientSession(engine.url) as api,
        ):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(place_all(api, [drawer.draw() for _ in range(orders)]))
                tasks.create_task(_kill_workers(engine.pid, kills))
            await wait_settled(api, timeout_s)
            return await compare(api, f"http://127.0.0.1:{chain_port}", orders, kills)


async def compare(
    api: aiohttp.ClientSession, chain_url: str, orders: int, kills: int
) -> LedgerFigures:
    """Compare an engine without open orders with the ledger of its node."""
    async with aiohttp.ClientSession() as node:
        entries, _ = await fetch_ledger(node, chain_url, 0)
    ledger = read_ledger_fills(entries)
    seconds: dict[str, float] = {}
    started = perf_counter()
    fills = await read_all(api, "/api/fills", "fills", {"order": "asc"})
    seconds["fills"], started = perf_counter() - started, perf_counter()
    positions = await read(api, "/api/positions")
    seconds["positions"], started = perf_counter() - started, perf_counter()
    reports = {each.value: await read(api, "/api/report", {"by": each}) for each in Grouping}
    seconds["4 reports"] = perf_counter() - started
    replayed = replay_fills(fills, ledger, USDC)
    statuses = (await read(api, "/api/stats"))["byStatus"]
    return LedgerFigures(
        orders,
        kills,
        Counter(statuses),
        len(fills),
        sum(each["value"] is None for each in fills),
        positions,
        seconds,
        [
            *compare_fills(fills, ledger, USDC),
            *compare_positions(positions, replayed),
            *compare_reports(reports, fills, replayed),
        ],
    )


async def _kill_workers(pid: int, kills: int) -> None:
    """Kill a worker again and again; the supervisor starts another one."""
    for _ in range(kills):
        await asyncio.sleep(KILL_PAUSE_S)
        worker = find_child(pid, "worker")
        if worker is not None:
            os.kill(worker, signal.SIGKILL)

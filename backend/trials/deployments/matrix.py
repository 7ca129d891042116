"""Runs the matrix: the servers once, and every chosen cell over them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
from solders.keypair import Keypair

from backend.chain.wallet import write_keypair
from backend.embedded.data_dir import DataDirectory, hold_data_dir
from backend.embedded.engine_processes import EngineProcess, ProcessCommand
from backend.embedded.supervisor import Notice, NoticeKind, supervise
from backend.trials.data_dir import create_trial_directory
from backend.trials.deployments.cell_run import CellResult, CellRunner, LiveWallet
from backend.trials.deployments.cells import Cell
from backend.trials.deployments.report import MatrixReport
from backend.trials.deployments.servers import Servers

CONFIRMED_SLOTS: Final = 1
FINALIZED_SLOTS: Final = 3
FUNDS: Final = {
    "SOL": 10**15,
    "USDC": 10**14,
    "JUP": 10**14,
    "BONK": 10**16,
    "RAY": 10**14,
}
"""What the live wallet gets of each token, in base units: more than a run can spend."""


async def run_matrix(
    cells: Sequence[Cell], report: MatrixReport, *, orders: int, seed: int, timeout_s: float
) -> bool:
    """Run the cells and print their results; returns whether all orders ended as they should.

    Data and logs are kept if not, and their directory is printed. Raises ``Rejected`` if a program
    is missing, ``Transient`` if a server does not start.
    """
    with create_trial_directory("deployments", report.print_data_dir) as trial:
        with hold_data_dir(trial.path) as directory:
            results = await _run_cells(directory, cells, report, orders, seed, timeout_s)
        trial.is_disposable = all(result.has_passed for result in results)
    return trial.is_disposable


async def _run_cells(
    directory: DataDirectory,
    cells: Sequence[Cell],
    report: MatrixReport,
    orders: int,
    seed: int,
    timeout_s: float,
) -> list[CellResult]:
    loop = asyncio.get_running_loop()
    started_at = loop.time()
    servers = Servers(directory)
    results: list[CellResult] = []

    def on_notice(notice: Notice) -> None:
        if notice.kind is NoticeKind.DIED:
            report.print_server_death(str(notice))

    async with servers.run(on_notice), _run_chain(directory, seed, on_notice) as chain_url:
        wallet = await _create_wallet(directory.data_dir, chain_url)
        runner = CellRunner(
            servers, chain_url, wallet, directory.log_dir, seed=seed, timeout_s=timeout_s
        )
        for number, cell in enumerate(cells, start=1):
            results.append(await runner.run(number, cell, orders))
            report.print_cell(number, len(cells), results[-1])
    report.print_table(results, loop.time() - started_at)
    return results


@asynccontextmanager
async def _run_chain(
    directory: DataDirectory, seed: int, on_notice: Callable[[Notice], None]
) -> AsyncIterator[str]:
    """Run the simulated node; yields its address."""
    argv = (
        *(sys.executable, "-m", "backend.simulator"),
        *("--data-dir", str(directory.data_dir / "chain"), "--seed", str(seed)),
        *("--profile", "instant", "--confirmed-slots", str(CONFIRMED_SLOTS)),
        *("--finalized-slots", str(FINALIZED_SLOTS)),
    )
    chain = EngineProcess(ProcessCommand("chain", argv, os.environ), directory.log_dir)
    async with supervise([chain], on_notice=on_notice, force_stop=asyncio.Event()):
        yield chain.address


async def _create_wallet(data_dir: Path, chain_url: str) -> LiveWallet:
    """Create the wallet of the nodes that are taken for real ones, and fund it."""
    keypair = Keypair()
    path = data_dir / "wallet.json"
    write_keypair(path, keypair)
    async with aiohttp.ClientSession(chain_url) as session:
        for token, amount in FUNDS.items():
            body = {"owner": str(keypair.pubkey()), "token": token, "amount": amount}
            async with session.post("/control/fund", json=body) as response:
                response.raise_for_status()
    return LiveWallet(keypair.pubkey(), path)

"""A whole chaos run: starts a system from an empty directory, runs the turns, audits them all."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import aiohttp

from backend.trials.audit.records import CancelObservations
from backend.trials.chaos.report import ChaosReport
from backend.trials.chaos.runner import ScenarioRunner, TurnResult
from backend.trials.chaos.schedule import Turn
from backend.trials.chaos.system import EngineSystem
from backend.trials.data_dir import create_trial_directory

WORKERS: Final = 2


async def run_chaos(
    seed: int, turns: Sequence[Turn], report: ChaosReport, machine_s: float, pools: str
) -> bool:
    """Run the turns and print their results; returns whether there was no violation.

    ``pools`` are those of the simulated node: see ``SimulatorOptions``.

    The data and logs of a failed run are kept, and their directory is printed.
    """
    with create_trial_directory("chaos", report.print_data_dir) as directory:
        report.print_start(directory.path, len(turns))
        has_passed = await _run_turns(directory.path, seed, turns, report, machine_s, pools)
        directory.is_disposable = has_passed
    return has_passed


async def _run_turns(
    data_dir: Path,
    seed: int,
    turns: Sequence[Turn],
    report: ChaosReport,
    machine_s: float,
    pools: str,
) -> bool:
    loop = asyncio.get_running_loop()
    started = loop.time()
    system = EngineSystem(data_dir, {"seed": str(seed)}, workers=WORKERS, pools=pools)
    results: list[TurnResult] = []
    connector = aiohttp.TCPConnector(limit=0)
    async with system.run(), aiohttp.ClientSession(connector=connector) as session:
        runner = ScenarioRunner(system, session, seed, machine_s)
        mark = await runner.record_mark()
        for number, turn in enumerate(turns, start=1):
            results.append(await runner.run_turn(turn))
            report.print_turn(number, len(turns), results[-1])
        cancels = CancelObservations.merge(result.cancels for result in results)
        violations = await runner.audit_all(mark, _merge_accepted(results), cancels)
    report.print_table(results, loop.time() - started)
    report.print_final_audit(violations, system.crashes)
    return all(result.has_passed for result in results) and not violations


def _merge_accepted(results: Sequence[TurnResult]) -> Mapping[str, frozenset[str]]:
    return {key: ids for result in results for key, ids in result.accepted.items()}

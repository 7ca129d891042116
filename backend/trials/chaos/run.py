"""A whole chaos run: a system is started from nothing, turns are played on it, and all of it is
audited once more in the end."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import aiohttp

from backend.trials.chaos.report import Screen
from backend.trials.chaos.runner import Result, Stage
from backend.trials.chaos.schedule import Turn
from backend.trials.chaos.system import System

WORKERS: Final = 2


async def run(seed: int, turns: Sequence[Turn], screen: Screen, machine_s: float) -> bool:
    """Play the turns and show what became of them; whether every promise was kept.

    The data and logs of a run that failed are kept, and it is said where.
    """
    data_dir = _new_folder()
    is_good = False
    screen.starting(data_dir, len(turns))
    try:
        is_good = await _run(data_dir, seed, turns, screen, machine_s)
    finally:
        if is_good:
            shutil.rmtree(data_dir, ignore_errors=True)
        else:
            screen.kept(data_dir)
    return is_good


def _new_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="oe-chaos-"))
    folder.chmod(0o711)  # the servers' user has to get in
    return folder


async def _run(
    data_dir: Path, seed: int, turns: Sequence[Turn], screen: Screen, machine_s: float
) -> bool:
    loop = asyncio.get_running_loop()
    started = loop.time()
    system = System(data_dir, {"seed": str(seed)}, workers=WORKERS)
    results: list[Result] = []
    connector = aiohttp.TCPConnector(limit=0)
    async with system.running(), aiohttp.ClientSession(connector=connector) as session:
        stage = Stage(system, session, seed, machine_s)
        mark = await stage.mark()
        for number, turn in enumerate(turns, start=1):
            results.append(await stage.play(turn))
            screen.turn(number, len(turns), results[-1])
        told = _together(results)
        whole = await stage.audit_all(mark, told)
    screen.table(results, loop.time() - started)
    screen.whole(whole, system.deaths)
    return all(result.is_good for result in results) and not whole


def _together(results: Sequence[Result]) -> Mapping[str, frozenset[str]]:
    return {key: ids for result in results for key, ids in result.told.items()}

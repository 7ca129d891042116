"""The engine of a trial as a user runs it: ``order-engine up`` over an empty directory."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

from backend.config import Profile, build_child_environment
from backend.embedded import child_process
from backend.embedded.engine_processes import EngineProcess, ProcessCommand

START_TIMEOUT_S: Final = 120.0
_STOP_TIMEOUT_S: Final = 30.0


class WholeEngine(NamedTuple):
    """A running engine: its address, and the process whose children are its processes."""

    url: str
    pid: int


@asynccontextmanager
async def run_whole_engine(
    data_dir: Path, settings: Mapping[str, object], started_by: Sequence[str] = ()
) -> AsyncIterator[WholeEngine]:
    """Run an engine with a node without delays; its logs are in ``logs`` of the directory.

    ``started_by`` is a command that runs the one after it. Raises ``Transient`` if the engine does
    not start.
    """
    log_dir = data_dir / "logs"
    log_dir.mkdir(mode=0o700)
    layout = {"data_dir": data_dir, "port": 0, "profile": Profile.INSTANT}
    env = build_child_environment(os.environ, **layout, **settings)
    argv = (*started_by, sys.executable, "-m", "backend.cli", "up", "--headless")
    program = EngineProcess(ProcessCommand("up", argv, env, START_TIMEOUT_S), log_dir)
    process = await program.start()
    try:
        yield WholeEngine(program.address, process.pid)
    finally:
        stop_steps = ((signal.SIGTERM, _STOP_TIMEOUT_S),)
        await child_process.stop_process(process, stop_steps, asyncio.Event())

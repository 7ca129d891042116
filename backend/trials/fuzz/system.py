"""The engine that is tried: ``order-engine up`` over an empty directory, and what it logged."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from backend.config import Profile, build_child_environment
from backend.embedded import child_process
from backend.embedded.engine_processes import EngineProcess, ProcessCommand

START_TIMEOUT_S: Final = 120.0
_UNLIMITED: Final = 10_000_000
_ERROR: Final = re.compile(rb"Traceback \(most recent call last\)|\[error|\"level\": ?\"error\"")


@asynccontextmanager
async def run_engine(data_dir: Path, seed: int) -> AsyncIterator[str]:
    """Run an engine that takes any number of orders; yields its address.

    Raises ``Transient`` if it does not start.
    """
    log_dir = data_dir / "logs"
    log_dir.mkdir(mode=0o700)
    settings = {
        "data_dir": data_dir,
        "port": 0,
        "profile": Profile.INSTANT,
        "seed": seed,
        "open_orders_max": _UNLIMITED,
        "owner_open_orders_max": _UNLIMITED,
    }
    env = build_child_environment(os.environ, **settings)
    argv = (sys.executable, "-m", "backend.cli", "up", "--headless")
    program = EngineProcess(ProcessCommand("up", argv, env, START_TIMEOUT_S), log_dir)
    process = await program.start()
    try:
        yield program.address
    finally:
        await child_process.stop_process(process, ((signal.SIGTERM, 30.0),), asyncio.Event())


def find_logged_errors(data_dir: Path) -> list[str]:
    """What the engine's processes logged as errors: the name of the log, and the line."""
    return [
        f"{path.name}: {line[:300].decode(errors='replace')}"
        for path in sorted((data_dir / "logs").glob("*.log"))
        for line in path.read_bytes().splitlines()
        if _ERROR.search(line)
    ]

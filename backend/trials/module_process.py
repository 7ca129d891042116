"""Starts modules of the engine as processes of a trial."""

from __future__ import annotations

import os
import signal
import sys
from asyncio import Event
from asyncio.subprocess import Process
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from backend.config import build_child_environment
from backend.embedded import child_process
from backend.embedded.engine_processes import EngineProcess, ProcessCommand

_STOP_S: Final = 10.0


async def start_module(
    stack: AsyncExitStack,
    name: str,
    argv: tuple[str, ...],
    settings: Mapping[str, object],
    log_dir: Path,
) -> EngineProcess:
    """Start ``python -m`` with these arguments; it is stopped with the stack.

    Raises ``EngineError`` if it does not start.
    """
    env = build_child_environment(os.environ, **settings)
    program = EngineProcess(ProcessCommand(name, (sys.executable, "-m", *argv), env), log_dir)
    stack.push_async_callback(_stop, await program.start())
    return program


async def _stop(process: Process) -> None:
    await child_process.stop_process(process, ((signal.SIGTERM, _STOP_S),), Event())

"""Runs commands of ``order-engine`` as processes of their own: they configure the log, and exit."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import NamedTuple


class Ended(NamedTuple):
    """How a command has ended, and what it has printed to both streams."""

    exit_code: int
    output: str


async def run_command(*arguments: str, **environ: str) -> Ended:
    """Run a command to its end; ``environ`` are variables besides those of this process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "backend.cli", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **environ},
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, output.decode())

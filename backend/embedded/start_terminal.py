"""What ``order-engine up`` shows of its start and its end; in between, the dashboard."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from time import monotonic

import click

from backend.embedded.child_process import build_parent_death_hook
from backend.embedded.launcher import API_KEY_VARIABLE
from backend.embedded.supervisor import Notice


class StartTerminal:
    """Standard error: a line for each step, with the seconds since the start."""

    def __init__(self) -> None:
        self._began_s = monotonic()
        self._is_taken = False

    def say_begins(self, data_dir: Path) -> None:
        """Say what begins, and where it keeps its data."""
        click.echo(f"starting the engine; its data and logs are in {data_dir}", err=True)

    def show_notice(self, notice: Notice) -> None:
        """Show a step, unless the dashboard has the terminal."""
        if not self._is_taken:
            click.echo(f"{monotonic() - self._began_s:5.1f} s  {notice}", err=True)

    async def show_dashboard(self, url: str, key: str | None) -> bool:
        """Show the dashboard until the user quits it; returns whether it succeeded."""
        self._is_taken = True
        try:
            return await run_dashboard(url, key)
        finally:
            self._is_taken = False


async def run_dashboard(url: str, key: str | None) -> bool:
    """Show the dashboard on this terminal until the user quits it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tui",
        "--url",
        url,
        env={**os.environ, **({} if key is None else {API_KEY_VARIABLE: key})},
        preexec_fn=build_parent_death_hook(signal.SIGTERM),
    )
    try:
        return await process.wait() == 0
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()

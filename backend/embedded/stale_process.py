"""Stops a server of a previous run that is still running, found by its pid file.

The caller holds the lock of the data directory, so a server over it has no supervisor any more: it
is about to die with its supervisor, or was started manually. It is stopped. The pid in a pid file
may have been reused by another program, so a process is signalled only if its command line shows
our program over our folder.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from backend.domain.errors import Transient
from backend.embedded.child_process import StopStep, read_command_line

POLL_INTERVAL_S = 0.02


def read_pid_file(pid_file: Path) -> int | None:
    """Read the pid on the first line of ``pid_file``; None if there is none."""
    try:
        line = pid_file.read_text().split("\n", 1)[0].strip()
    except OSError:
        return None
    return abs(int(line)) if line.removeprefix("-").isdecimal() else None


def is_running(pid: int, command: str) -> bool:
    """Whether process ``pid`` runs with a command line that contains ``command``."""
    return f"{command} " in f"{read_command_line(pid)} "


async def stop_stale_process(pid_file: Path, command: str, steps: Sequence[StopStep]) -> None:
    """Stop the process that ``pid_file`` names if its command line contains ``command``.

    Raises ``Transient`` if it survives even SIGKILL.
    """
    pid = read_pid_file(pid_file)
    if pid is None:
        return
    for number, seconds in (*steps, (signal.SIGKILL, 10.0)):
        if not is_running(pid, command):
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        await _wait_for_exit(pid, command, seconds)
    if is_running(pid, command):
        raise Transient("leftover_server", f"process {pid} ({command}) does not stop")


async def _wait_for_exit(pid: int, command: str, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            while is_running(pid, command):  # noqa: ASYNC110  (not our child: cannot be waited for)
                await asyncio.sleep(POLL_INTERVAL_S)
    except TimeoutError:
        pass

"""A server of an earlier run that is still there, found by its pid file.

Whoever calls this holds the data directory, so a server over it has no supervisor any more: it is
about to die with the one it had, or it was started by hand. It is asked to stop. A pid file says
only a number, and that number may be another program's by now, so nothing is signalled whose
command line does not show our program over our folder.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from backend.domain.errors import Transient
from backend.embedded.child_process import Step, command_line

POLL_S = 0.02


def named_in(pid_file: Path) -> int | None:
    """The pid on the first line of ``pid_file``; None if there is none."""
    try:
        line = pid_file.read_text().split("\n", 1)[0].strip()
    except OSError:
        return None
    return abs(int(line)) if line.removeprefix("-").isdecimal() else None


def is_running(pid: int, command: str) -> bool:
    """Whether process ``pid`` runs with a command line that contains ``command``."""
    return f"{command} " in f"{command_line(pid)} "


async def end_leftover(pid_file: Path, command: str, steps: Sequence[Step]) -> None:
    """Stops the process that ``pid_file`` names if its command line contains ``command``.

    Raises ``Transient`` if it does not even obey SIGKILL.
    """
    pid = named_in(pid_file)
    if pid is None:
        return
    for number, seconds in (*steps, (signal.SIGKILL, 10.0)):
        if not is_running(pid, command):
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        await _wait_until_gone(pid, command, seconds)
    if is_running(pid, command):
        raise Transient("leftover_server", f"process {pid} ({command}) does not stop")


async def _wait_until_gone(pid: int, command: str, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            while is_running(pid, command):  # noqa: ASYNC110  (not our child: nothing tells)
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        pass

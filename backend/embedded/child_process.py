"""One operating-system process of ours: started so that it dies with us, stopped by a deadline.

On Linux the kernel itself ends a child whose parent is gone (``PR_SET_PDEATHSIG``), so that not
even ``kill -9`` of the parent leaves an orphan. Three things about that signal decide how this
file looks:

- It is sent when the *thread* that forked ends, so children are started from the main thread only.
- A change of user clears it, so it is set after the change: that is where ``preexec_fn`` runs.
- A parent that dies between the fork and the setting is not noticed by the kernel, so the child
  looks for it once.

Other systems have no such signal: there an orphan is found, by its pid file and its command line,
and ended by the next start over the same data.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from backend.embedded.account import Account

LOG_BYTES_MAX = 10 * 1024 * 1024
HURRY_S = 0.5
_PR_SET_PDEATHSIG = 1

Step = tuple[signal.Signals, float]
"""A signal that asks a process to stop, and the seconds it is given to obey."""


async def spawn(
    argv: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str],
    death_signal: signal.Signals,
    account: Account | None = None,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
) -> Process:
    """Starts ``argv`` in a process group of its own; all that it prints is appended to ``log``.

    It gets ``death_signal`` when this process ends in any way. Call from the main thread only.
    """
    assert threading.current_thread() is threading.main_thread(), (
        "a child dies with the thread that started it: start it from the main thread"
    )
    switched = account if account is not None and account.is_switched else None
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *argv,
            env=env,
            stdin=DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            pass_fds=pass_fds,
            process_group=0,
            user=switched.uid if switched else None,
            group=switched.gid if switched else None,
            extra_groups=[] if switched else None,
            preexec_fn=dies_with_us(death_signal),
        )


def dies_with_us(death_signal: signal.Signals) -> Callable[[], None] | None:
    """What a child does before it runs to get ``death_signal`` when this process ends."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return arrange


async def stop(process: Process, steps: Sequence[Step], hurry: asyncio.Event) -> bool:
    """Sends each signal in turn and waits its time, then SIGKILL; whether that was needed.

    Once ``hurry`` is set each step lasts at most half a second. What is left of the process's
    group is ended too.
    """
    for number, seconds in steps:
        if process.returncode is not None:
            break
        process.send_signal(number)
        if await _exits(process, seconds, hurry):
            break
    is_killed = process.returncode is None
    await end(process)
    return is_killed


async def end(process: Process) -> None:
    """SIGKILL to what is left of the process and its group; returns when the process is gone."""
    # macOS answers EPERM for a group of zombies.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


async def _exits(process: Process, seconds: float, hurry: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await _first(process.wait(), hurry.wait())
        async with asyncio.timeout(HURRY_S):
            await process.wait()
    except TimeoutError:
        return False
    return True


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    is_done = asyncio.Event()

    async def one(wait: Coroutine[Any, Any, object]) -> None:
        await wait
        is_done.set()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(wait)) for wait in waits]
        await is_done.wait()
        for task in tasks:
            task.cancel()


def ending(process: Process) -> str:
    """How a process that is gone ended, for people."""
    code = process.returncode
    assert code is not None, "ask only about a process that is gone"
    if code >= 0:
        return f"ended with code {code}"
    return f"ended by {signal.Signals(-code).name}"


def command_line(pid: int) -> str:
    """The command of a running process, its arguments joined by spaces; empty if there is none."""
    if sys.platform == "linux":
        try:
            raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return ""
        return os.fsdecode(raw).replace("\0", " ").strip()
    answer = subprocess.run(  # noqa: S603  (a number is its only argument)
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    return answer.stdout.strip()


def bound_log(log: Path) -> None:
    """Empties a log that has grown past ``LOG_BYTES_MAX``; called before each start."""
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        os.truncate(log, 0)


def log_tail(log: Path, lines: int = 5) -> str:
    """The last lines of a log, to be shown beside an error."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4_096))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])

"""Child processes: started so that they die with their parent, stopped within a deadline.

On Linux the kernel signals a child when its parent exits (``PR_SET_PDEATHSIG``), so not even
``kill -9`` of the parent leaves an orphan. Three properties of that signal shape this module:

- It is sent when the *thread* that forked ends, so children are started from the main thread only.
- A change of user clears it, so it is set after the change: that is where ``preexec_fn`` runs.
- The kernel does not signal if the parent dies between the fork and the ``prctl`` call, so the
  child checks its parent once.

Other systems have no such signal: there the next start over the same data finds an orphan by its
pid file and its command line, and stops it.
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
from typing import Any, BinaryIO

from backend.embedded.account import Account

LOG_BYTES_MAX = 10 * 1024 * 1024
FORCED_STOP_S = 0.5
_PR_SET_PDEATHSIG = 1

StopStep = tuple[signal.Signals, float]
"""A signal that requests a process to stop, and the seconds to wait for its exit."""


async def spawn_process(
    argv: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str],
    death_signal: signal.Signals,
    account: Account | None = None,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
) -> Process:
    """Start ``argv`` in its own process group; append its output to ``log``.

    The child gets ``death_signal`` when this process ends in any way. Call from the main thread
    only.
    """
    assert threading.current_thread() is threading.main_thread(), (
        "the parent death signal follows the starting thread: start children from the main thread"
    )
    switched = account if account is not None and account.is_switched else None
    with _open_log(log) as output:
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
            preexec_fn=build_parent_death_hook(death_signal),
        )


def _open_log(log: Path) -> BinaryIO:
    """Open a log file to append to it; only its owner may read it, an older one as well."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "ab")


def build_parent_death_hook(death_signal: signal.Signals) -> Callable[[], None] | None:
    """Build a ``preexec_fn`` that makes a child get ``death_signal`` when this process ends."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def set_death_signal() -> None:
        prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return set_death_signal


async def stop_process(
    process: Process, steps: Sequence[StopStep], force_stop: asyncio.Event
) -> bool:
    """Send each signal and wait its time, then SIGKILL; return whether SIGKILL was needed.

    Once ``force_stop`` is set, each step lasts at most half a second. The rest of the process group
    is killed too.
    """
    for number, seconds in steps:
        if process.returncode is not None:
            break
        process.send_signal(number)
        if await _wait_for_exit(process, seconds, force_stop):
            break
    is_killed = process.returncode is None
    await kill_group(process)
    return is_killed


async def kill_group(process: Process) -> None:
    """Send SIGKILL to the process and its group; return when the process has exited."""
    # macOS returns EPERM for a group of zombies.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


async def _wait_for_exit(process: Process, seconds: float, force_stop: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await _wait_for_first(process.wait(), force_stop.wait())
        async with asyncio.timeout(FORCED_STOP_S):
            await process.wait()
    except TimeoutError:
        return False
    return True


async def _wait_for_first(*waits: Coroutine[Any, Any, object]) -> None:
    first_done = asyncio.Event()

    async def signal_when_done(wait: Coroutine[Any, Any, object]) -> None:
        await wait
        first_done.set()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(signal_when_done(wait)) for wait in waits]
        await first_done.wait()
        for task in tasks:
            task.cancel()


def describe_exit(process: Process) -> str:
    """Describe how an exited process ended, for log and error messages."""
    code = process.returncode
    assert code is not None, "the process is still running"
    if code >= 0:
        return f"ended with code {code}"
    return f"ended by {signal.Signals(-code).name}"


def read_command_line(pid: int) -> str:
    """Read the command line of a process, joined by spaces; empty if there is no such process."""
    if sys.platform == "linux":
        try:
            raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return ""
        return os.fsdecode(raw).replace("\0", " ").strip()
    completed = subprocess.run(  # noqa: S603  (a number is its only argument)
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    return completed.stdout.strip()


def truncate_large_log(log: Path) -> None:
    """Empty a log file larger than ``LOG_BYTES_MAX``; called before each start."""
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        os.truncate(log, 0)


def read_log_tail(log: Path, lines: int = 5) -> str:
    """Read the last lines of a log file, to be shown with an error."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4_096))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])

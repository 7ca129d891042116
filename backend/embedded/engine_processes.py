"""Our own processes, as ``order-engine up`` runs them: stages that start in order and stop in
the reverse one.

A process says that it can be used with one line on standard output, ``ready <address>``, or
``ready`` alone if it has no address. Its output goes into its log file, and the line is read from
there: no pipe stands between it and the disk, so it can neither block on a supervisor that is
slow nor fail on one that is gone.
"""

from __future__ import annotations

import asyncio
import re
import signal
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from backend.domain.errors import Transient
from backend.embedded import child_process as child
from backend.embedded.notices import Tell
from backend.embedded.stale_process import POLL_S
from backend.embedded.supervisor import kept
from backend.runtime.background import one_error

_READY = re.compile(rb"^ready(?: (\S+))?\r?\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Command:
    """One process: what to run, its whole environment, and how long it may take.

    ``pass_fds`` stay open in it under the same numbers: a listening socket among them keeps its
    address, and the connections waiting on it, while the process behind it is started again.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    ready_timeout_s: float = 30.0
    stop_timeout_s: float = 10.0
    pass_fds: tuple[int, ...] = ()


Stage = Callable[[Mapping[str, str]], Sequence[Command]]
"""The commands of a stage, given the addresses of those that are ready, by name."""


async def run(
    stages: Sequence[Stage],
    *,
    logs: Path,
    stop: asyncio.Event,
    hurry: asyncio.Event,
    on_ready: Callable[[Mapping[str, str]], None],
    tell: Tell,
) -> None:
    """Starts ``stages`` one after the other and keeps them running until ``stop`` is set.

    ``on_ready`` gets all addresses once every process is ready. Stopping goes backwards through
    the stages: SIGTERM, the process's own time, SIGKILL; once ``hurry`` is set its time is half a
    second. Raises ``Transient`` if a process dies or is not ready in time on its first start.
    """
    with one_error():
        async with asyncio.TaskGroup() as group:
            running = group.create_task(_run(stages, logs, hurry, on_ready, tell))
            await stop.wait()
            running.cancel()


async def _run(
    stages: Sequence[Stage],
    logs: Path,
    hurry: asyncio.Event,
    on_ready: Callable[[Mapping[str, str]], None],
    tell: Tell,
) -> None:
    addresses: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        for stage in stages:
            programs = [OurProcess(command, logs) for command in stage(dict(addresses))]
            await stack.enter_async_context(kept(programs, tell=tell, hurry=hurry))
            addresses |= {program.name: program.address for program in programs}
        on_ready(addresses)
        await asyncio.Event().wait()


class OurProcess:
    """One command that can be started again and again; ``address`` is what it said it has."""

    def __init__(self, command: Command, logs: Path) -> None:
        self._command = command
        self._log = logs / f"{command.name}.log"
        self.name = command.name
        self.stopping: tuple[child.Step, ...] = ((signal.SIGTERM, command.stop_timeout_s),)
        self.address = ""

    async def start(self) -> Process:
        """Starts it and waits for its ``ready``. Raises ``Transient`` with its log's last lines."""
        child.bound_log(self._log)
        already = self._log.stat().st_size if self._log.exists() else 0
        process = await child.spawn(
            self._command.argv,
            log=self._log,
            env=self._command.env,
            death_signal=signal.SIGKILL,
            pass_fds=self._command.pass_fds,
        )
        try:
            async with asyncio.timeout(self._command.ready_timeout_s):
                while process.returncode is None:
                    if self._is_ready(already):
                        return process
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            await child.end(process)
            raise self._failure("is not ready in time") from None
        except BaseException:
            await child.end(process)
            raise
        raise self._failure(child.ending(process))

    def _is_ready(self, already: int) -> bool:
        with self._log.open("rb") as log:
            log.seek(already)
            found = _READY.search(log.read(child.LOG_BYTES_MAX))
        if found is not None:
            self.address = (found[1] or b"").decode()
        return found is not None

    def _failure(self, what: str) -> Transient:
        tail = child.log_tail(self._log)
        return Transient("process_did_not_start", f"{self.name} {what}; {self._log} ends:\n{tail}")

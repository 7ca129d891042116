"""Supervision of programs: started together, restarted when they die, stopped on exit.

Used for the embedded servers and for the processes of ``order-engine up``. It neither logs nor
prints: each event is a ``Notice`` to the caller's ``NoticeHandler``.
"""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from backend.domain.errors import EngineError
from backend.embedded import child_process
from backend.runtime.background import raise_single_error

RESTART_DELAY_S_MIN = 0.05
RESTART_DELAY_S_MAX = 5.0
STABLE_RUN_S = 10.0


class NoticeKind(StrEnum):
    """Events in the lifecycle of a supervised process."""

    STARTS = "starts"
    """Reported by who has it supervised, not by the supervisor."""
    MIGRATES = "is brought up to date"
    READY = "is ready"
    WAITS = "is not ready yet"
    """It waits for a server that is not one of ours."""
    DIED = "died"
    """Exited unexpectedly; it is restarted."""
    STOPPED = "stopped"
    KILLED = "was killed"
    """It did not stop within its timeout."""


@dataclass(frozen=True, slots=True)
class Notice:
    """An event of ``process``; ``str()`` gives a readable sentence."""

    process: str
    kind: NoticeKind
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.process} {self.kind}" + (f": {self.detail}" if self.detail else "")


NoticeHandler = Callable[[Notice], None]


def ignore_notice(_: Notice) -> None:
    """Discard a notice."""


class SupervisedProgram(Protocol):
    """A program that the supervisor can start repeatedly."""

    @property
    def name(self) -> str:
        """Its name in notices."""

    @property
    def stop_steps(self) -> Sequence[child_process.StopStep]:
        """The signals that stop it gracefully, each with its timeout."""

    async def start(self) -> Process:
        """Start it and wait until it is ready; on ``EngineError`` no process is left."""


@asynccontextmanager
async def supervise(
    *groups: Sequence[SupervisedProgram], on_notice: NoticeHandler, force_stop: asyncio.Event
) -> AsyncIterator[None]:
    """Start all programs at once, keep them running during the context, and stop them on exit.

    The groups stop in reverse order. A program that dies is restarted with exponential backoff, up
    to 5 s.
    """
    supervised = [
        [_ProgramSupervisor(program, on_notice, force_stop) for program in programs]
        for programs in groups
    ]
    supervisors = [supervisor for group in supervised for supervisor in group]
    watchers: list[asyncio.Task[None]] = []
    with raise_single_error():
        async with asyncio.TaskGroup() as tasks:
            try:
                await _run_concurrently(supervisor.start() for supervisor in supervisors)
                watchers = [tasks.create_task(supervisor.watch()) for supervisor in supervisors]
                yield
            finally:
                for watcher in watchers:
                    watcher.cancel()
                if watchers:
                    await asyncio.wait(watchers)
                for group in reversed(supervised):
                    await _run_concurrently(supervisor.stop() for supervisor in group)


class _ProgramSupervisor:
    def __init__(
        self, program: SupervisedProgram, on_notice: NoticeHandler, force_stop: asyncio.Event
    ) -> None:
        self._program = program
        self._on_notice = on_notice
        self._force_stop = force_stop
        self._process: Process | None = None

    async def start(self) -> None:
        self._process = await self._program.start()
        self._notify(NoticeKind.READY)

    async def watch(self) -> None:
        wait_s = RESTART_DELAY_S_MIN
        while True:
            wait_s = await self._wait_for_exit(wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, RESTART_DELAY_S_MAX)
            try:
                await self.start()
            except EngineError as error:
                self._notify(NoticeKind.DIED, error.reason)

    async def _wait_for_exit(self, wait_s: float) -> float:
        """Wait until the process exits; return the delay before the next start."""
        if self._process is None:
            return wait_s
        loop = asyncio.get_running_loop()
        since = loop.time()
        await self._process.wait()
        await child_process.kill_group(self._process)
        self._notify(NoticeKind.DIED, child_process.describe_exit(self._process))
        self._process = None
        return RESTART_DELAY_S_MIN if loop.time() - since > STABLE_RUN_S else wait_s

    async def stop(self) -> None:
        if self._process is None:
            return
        is_killed = await child_process.stop_process(
            self._process, self._program.stop_steps, self._force_stop
        )
        self._notify(NoticeKind.KILLED if is_killed else NoticeKind.STOPPED)

    def _notify(self, kind: NoticeKind, detail: str = "") -> None:
        self._on_notice(Notice(self._program.name, kind, detail))


async def _run_concurrently(coroutines: Iterable[Coroutine[Any, Any, None]]) -> None:
    with raise_single_error():
        async with asyncio.TaskGroup() as group:
            for coroutine in coroutines:
                group.create_task(coroutine)

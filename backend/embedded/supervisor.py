"""Keeps programs running: started together, restarted when they die, stopped on leaving.

The one loop behind the embedded servers and behind the processes of ``order-engine up``.
"""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from backend.domain.errors import EngineError
from backend.embedded import child_process as child
from backend.embedded.notices import Notice, Tell, What
from backend.runtime.background import one_error

RESTART_S_MIN = 0.05
RESTART_S_MAX = 5.0
STEADY_S = 10.0


class Startable(Protocol):
    """Something that can be started again and again."""

    @property
    def name(self) -> str:
        """What it is called in notices."""

    @property
    def stopping(self) -> Sequence[child.Step]:
        """How it is asked to stop."""

    async def start(self) -> Process:
        """Starts it and waits until it is ready; raises ``EngineError`` and leaves nothing."""


@asynccontextmanager
async def kept(
    programs: Sequence[Startable], *, tell: Tell, hurry: asyncio.Event
) -> AsyncIterator[None]:
    """All of ``programs``: ready at the beginning, running while inside, gone at the end.

    One that dies is started again, at once and then ever more slowly, up to every 5 s.
    """
    keepers = [_Keeper(program, tell, hurry) for program in programs]
    watchers: list[asyncio.Task[None]] = []
    with one_error():
        async with asyncio.TaskGroup() as group:
            try:
                await _together(keeper.start() for keeper in keepers)
                watchers = [group.create_task(keeper.watch()) for keeper in keepers]
                yield
            finally:
                for watcher in watchers:
                    watcher.cancel()
                if watchers:
                    await asyncio.wait(watchers)
                await _together(keeper.stop() for keeper in keepers)


class _Keeper:
    def __init__(self, program: Startable, tell: Tell, hurry: asyncio.Event) -> None:
        self._program = program
        self._tell = tell
        self._hurry = hurry
        self._process: Process | None = None

    async def start(self) -> None:
        self._process = await self._program.start()
        self._say(What.READY)

    async def watch(self) -> None:
        wait_s = RESTART_S_MIN
        while True:
            wait_s = await self._until_death(wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, RESTART_S_MAX)
            try:
                await self.start()
            except EngineError as error:
                self._say(What.DIED, error.reason)

    async def _until_death(self, wait_s: float) -> float:
        """How long to wait before the next start."""
        if self._process is None:
            return wait_s
        loop = asyncio.get_running_loop()
        since = loop.time()
        await self._process.wait()
        await child.end(self._process)
        self._say(What.DIED, child.ending(self._process))
        self._process = None
        return RESTART_S_MIN if loop.time() - since > STEADY_S else wait_s

    async def stop(self) -> None:
        if self._process is None:
            return
        is_killed = await child.stop(self._process, self._program.stopping, self._hurry)
        self._say(What.KILLED if is_killed else What.STOPPED)

    def _say(self, what: What, detail: str = "") -> None:
        self._tell(Notice(self._program.name, what, detail))


async def _together(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    with one_error():
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)

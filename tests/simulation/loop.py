"""Virtual time: an event loop whose clock jumps to the next thing that happens.

Tasks belong to simulated processes. A process can be killed at any step of any of its tasks, as
``kill -9`` does: nothing of it runs any more, no clean-up either. It can be stopped and continued,
as SIGSTOP and SIGCONT do: its timers go on meanwhile and are late when it wakes up.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from itertools import count
from typing import Any


class Standstill(AssertionError):
    """Nothing is left that could happen, and somebody still waits."""


class Process:
    """One simulated process; whatever is started inside of it belongs to it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.tasks: list[asyncio.Task[Any]] = []
        self.steps = 0
        self._is_running = True
        self._backlog: list[asyncio.Handle] = []
        self._steps_left = -1
        self._then: Callable[[], None] = _nothing

    def __repr__(self) -> str:
        return self.name

    def after_steps(self, steps: int, then: Callable[[], None]) -> None:
        """Call ``then`` in place of the step after the next ``steps``."""
        self._steps_left, self._then = steps, then

    def kill(self) -> None:
        """Never run again."""
        self.is_dead = True
        self._is_running = False

    def stop(self) -> None:
        """Stand still until ``go_on``."""
        self._is_running = False

    def go_on(self, loop: VirtualLoop) -> None:
        """Run what has come due meanwhile, in its order, and all that follows."""
        self._is_running = True
        loop.add(self._backlog)
        self._backlog = []

    def runs(self, handle: asyncio.Handle) -> bool:
        """Whether a step may be made now; if not, it is kept."""
        if self._is_running and self._steps_left >= 0:
            self._steps_left -= 1
            if self._steps_left < 0:
                self._then()
        if self._is_running:
            self.steps += 1
        else:
            self._backlog.append(handle)
        return self._is_running


def _nothing() -> None:
    """Go on."""


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs whatever is ready, and moves the time when nothing is."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._numbers = count()
        self.set_task_factory(self._new_task)

    def time(self) -> float:
        """Virtual seconds since the beginning."""
        return self._now

    def add(self, handles: list[asyncio.Handle]) -> None:
        """Steps that were held back are ready."""
        self._ready.extend(handles)

    def _run_once(self) -> None:
        scheduled, ready = self._scheduled, self._ready
        while scheduled and scheduled[0].cancelled():
            heapq.heappop(scheduled)
        if not ready:
            if not scheduled:
                raise Standstill("nothing is left that could happen")
            self._now = max(self._now, scheduled[0].when())
        while scheduled and scheduled[0].when() <= self._now:
            ready.append(heapq.heappop(scheduled))
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle.cancelled():
                continue
            process = handle._context.get(PROCESS)  # type: ignore[attr-defined]
            if process is None or process.runs(handle):
                handle._run()

    def _new_task(self, loop: Any, coro: Any, **options: Any) -> asyncio.Task[Any]:
        task = _Task(coro, loop=loop, number=next(self._numbers), **options)
        context = options.get("context")
        process = PROCESS.get() if context is None else context.get(PROCESS)
        if process is not None:
            process.tasks.append(task)
        return task


class _Task(asyncio.Task[Any]):
    """A task whose place in a set depends on nothing but the order in which tasks were made."""

    def __init__(self, coro: Any, *, number: int, **options: Any) -> None:
        self._number = number
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        return self._number

"""Virtual time: an event loop whose clock jumps to the next timer when nothing is ready.

Tasks belong to simulated processes. A process can be killed at any step of any of its tasks, as
``kill -9`` does: none of its code runs any more, clean-up included. It can be paused and resumed,
as SIGSTOP and SIGCONT do: timers that fire meanwhile run late.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from itertools import count
from typing import Any


class SimulationDeadlock(AssertionError):
    """Nothing is scheduled any more, and a task still waits."""


class SimulatedProcess:
    """One simulated process; tasks started inside of it belong to it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_killed = False
        self.tasks: list[asyncio.Task[Any]] = []
        self.steps = 0
        self._is_running = True
        self._deferred: list[asyncio.Handle] = []
        self._steps_left = -1
        self._callback: Callable[[], None] = _do_nothing

    def __repr__(self) -> str:
        return self.name

    def call_after_steps(self, steps: int, callback: Callable[[], None]) -> None:
        """Call ``callback`` in place of the step after the next ``steps``."""
        self._steps_left, self._callback = steps, callback

    def kill(self) -> None:
        """Never run any step again."""
        self.is_killed = True
        self._is_running = False

    def pause(self) -> None:
        """Defer all steps until ``resume``."""
        self._is_running = False

    def resume(self, loop: VirtualLoop) -> None:
        """Run the deferred steps in their order, and all that follow."""
        self._is_running = True
        loop.add_ready(self._deferred)
        self._deferred = []

    def admit_step(self, handle: asyncio.Handle) -> bool:
        """Return whether a step may run now; if not, it is deferred."""
        if self._is_running and self._steps_left >= 0:
            self._steps_left -= 1
            if self._steps_left < 0:
                self._callback()
        if self._is_running:
            self.steps += 1
        else:
            self._deferred.append(handle)
        return self._is_running


def _do_nothing() -> None:
    """The callback when none is set."""


CURRENT_PROCESS: ContextVar[SimulatedProcess | None] = ContextVar("process", default=None)


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs all ready handles, and advances the time when there are none."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._numbers = count()
        self.set_task_factory(self._new_task)

    def time(self) -> float:
        """Return the virtual seconds since the start."""
        return self._now

    def add_ready(self, handles: list[asyncio.Handle]) -> None:
        """Make deferred steps ready."""
        self._ready.extend(handles)

    def _run_once(self) -> None:
        scheduled, ready = self._scheduled, self._ready
        while scheduled and scheduled[0].cancelled():
            heapq.heappop(scheduled)
        if not ready:
            if not scheduled:
                raise SimulationDeadlock("nothing is scheduled any more")
            self._now = max(self._now, scheduled[0].when())
        while scheduled and scheduled[0].when() <= self._now:
            ready.append(heapq.heappop(scheduled))
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle.cancelled():
                continue
            process = handle._context.get(CURRENT_PROCESS)  # type: ignore[attr-defined]
            if process is None or process.admit_step(handle):
                handle._run()

    def _new_task(self, loop: Any, coro: Any, **options: Any) -> asyncio.Task[Any]:
        task = _NumberedTask(coro, loop=loop, number=next(self._numbers), **options)
        context = options.get("context")
        process = CURRENT_PROCESS.get() if context is None else context.get(CURRENT_PROCESS)
        if process is not None:
            process.tasks.append(task)
        return task


class _NumberedTask(asyncio.Task[Any]):
    """A task whose position in a set depends only on the order in which tasks were created."""

    def __init__(self, coro: Any, *, number: int, **options: Any) -> None:
        self._number = number
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        return self._number

"""Coalescing: many waiters share one call, as in a group commit.

Each caller submits one item and gets its own result. Items that are submitted while a call runs
wait for the next call and share it. So a call carries one item, without delay, when the system is
idle, and hundreds of items when it is busy; where calls are expensive, it may also wait a short
time for more items. Where a call is the first of a chain of steps, calls that follow each other
closely can be spaced out: items that start together share the later steps as well. Both waits
follow from the load of the process (``loop_load``): with time to spare, every item goes at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context, copy_context
from time import monotonic
from typing import Generic, TypeVar

from backend.domain.errors import Unavailable
from backend.runtime import trace
from backend.runtime.loop_load import loop_load

Item = TypeVar("Item")
Result = TypeVar("Result")


class Coalescer(Generic[Item, Result]):
    """Serves single items by calls that take many.

    ``call`` gets items in the order of their submission and returns as many results in the same
    order; a result that is an exception is raised to its caller, and an exception that ``call``
    raises is raised to all callers of the batch. At most ``calls_max`` calls run at once; any but
    the first starts only when ``batch_target`` items wait. A call after one that several items
    shared waits for more items, by ``max_delay_s`` under full load. A call whose first item comes
    in the first half of ``min_interval_s`` after the previous call, of as much of it as the load
    asks for, waits for its end. One whose batch is full waits for nothing. ``linger_s`` is a wait
    of every call whatever the load, for what nobody waits for. ``name`` says in a trace what the
    items wait for.
    """

    def __init__(
        self,
        call: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        name: str = "make a call",
        items_max: int,
        calls_max: int = 1,
        batch_target: int = 1,
        max_delay_s: float = 0,
        min_interval_s: float = 0,
        linger_s: float = 0,
        waiting_max: int = 200_000,
    ) -> None:
        self._call = call
        self._trace_name = f"wait to {name}"
        self._items_max = items_max
        self._calls_max = calls_max
        self._batch_target = batch_target
        self._max_delay_s = max_delay_s
        self._min_interval_s = min_interval_s
        self._linger_s = linger_s
        self._waiting_max = waiting_max
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._waiting_since_s = 0.0
        self._calls_running = 0
        self._last_batch_items = 0
        self._last_call_at = float("-inf")
        self._tasks: asyncio.TaskGroup | None = None
        self._context = Context()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def waiting(self) -> int:
        """The number of items that wait for a call."""
        return len(self._waiting)

    async def submit(self, item: Item) -> Result:
        """Submit one item and wait for its result.

        Raises ``Unavailable`` (``overloaded``) if too many wait already.
        """
        return await self.submit_nowait(item)

    def submit_nowait(self, item: Item) -> asyncio.Future[Result]:
        """Submit one item; returns the future of its result. Raises as ``submit`` does."""
        if len(self._waiting) >= self._waiting_max:
            raise Unavailable("overloaded", "too much work is waiting in this process")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        if not self._waiting:
            self._waiting_since_s = monotonic()
        self._waiting.append((item, future))
        self._idle.clear()
        self._start_calls()
        return future

    async def wait_idle(self) -> None:
        """Return when no item waits and no call runs."""
        await self._idle.wait()

    async def run(self) -> None:
        """Make the calls until cancelled, which also cancels all callers that still wait."""
        self._context = copy_context()  # a call belongs to no caller
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self._start_calls()
                try:
                    await asyncio.Event().wait()
                finally:
                    self._tasks = None
        finally:
            for _, future in self._waiting:
                future.cancel()
            self._waiting.clear()

    def _start_calls(self) -> None:
        # A call takes its items in the next turn of the loop: those of this turn share it.
        while self._tasks is not None and self._can_start():
            self._calls_running += 1
            self._tasks.create_task(self._run_call(), context=self._context.copy())

    def _can_start(self) -> bool:
        items_min = 1 if self._calls_running == 0 else self._batch_target
        return self._calls_running < self._calls_max and len(self._waiting) >= items_min

    async def _run_call(self) -> None:
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        try:
            delay_s = self._compute_delay()
            if delay_s:
                await asyncio.sleep(delay_s)
            self._take_batch(batch)
            self._last_batch_items = len(batch)
            self._last_call_at = asyncio.get_running_loop().time()
            if batch:
                trace.mark_span(self._trace_name, self._waiting_since_s)
                await serve_batch(batch, self._call)
        finally:
            self._calls_running -= 1
            self._start_calls()
            if not self._calls_running and not self._waiting:
                self._idle.set()

    def _compute_delay(self) -> float:
        if len(self._waiting) >= self._items_max:
            return 0
        if self._linger_s:
            return self._linger_s
        if self._max_delay_s and self._last_batch_items > 1:
            return loop_load.scale(self._max_delay_s)
        if not self._min_interval_s:
            return 0
        interval_s = loop_load.scale(self._min_interval_s)
        wait_s = self._last_call_at + interval_s - asyncio.get_running_loop().time()
        return wait_s if wait_s > interval_s / 2 else 0

    def _take_batch(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        while self._waiting and len(batch) < self._items_max:
            item, future = self._waiting.popleft()
            if not future.done():  # its caller may have been cancelled
                batch.append((item, future))


async def serve_batch(
    batch: Sequence[tuple[Item, asyncio.Future[Result]]],
    call: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]],
) -> None:
    """Make a call for a batch; each of its callers gets a result of its own, or the error."""
    try:
        _set_results(batch, await call([item for item, _ in batch]))
    except asyncio.CancelledError:
        for _, future in batch:
            future.cancel()
        raise
    except Exception as error:  # noqa: BLE001 - every caller of the batch gets it
        _set_results(batch, [error] * len(batch))


def _set_results(
    batch: Sequence[tuple[Item, asyncio.Future[Result]]], results: Sequence[Result | Exception]
) -> None:
    for (_, future), result in zip(batch, results, strict=True):
        if future.done():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
            future.exception()  # seen: a caller who left before is no error to be logged
        else:
            future.set_result(result)

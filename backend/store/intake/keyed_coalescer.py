"""Coalescing by key: waiters of one key share a call, and wait for no call of another key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from backend.domain.errors import Unavailable
from backend.runtime.coalescer import serve_batch

Item = TypeVar("Item")
Result = TypeVar("Result")


class KeyedCoalescer(Generic[Item, Result]):
    """Serves single items by calls that take many of the same key.

    ``call`` is as that of a ``Coalescer``. Of a key one call runs at a time; items that are
    submitted meanwhile share the next one. At most ``calls_max`` calls run at once: keys take
    turns, so that one with many items has one call before each of the others has had one.
    """

    def __init__(
        self,
        call: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        items_max: int,
        calls_max: int,
        waiting_max: int = 200_000,
    ) -> None:
        self._call = call
        self._items_max = items_max
        self._waiting_max = waiting_max
        self._calls = asyncio.Semaphore(calls_max)
        self._waiting: dict[str, list[tuple[Item, asyncio.Future[Result]]]] = {}
        self._waiting_count = 0
        self._tasks: asyncio.TaskGroup | None = None

    async def submit(self, key: str, item: Item) -> Result:
        """Submit one item and wait for its result.

        Raises ``Unavailable`` (``overloaded``) if too many wait already.
        """
        if self._waiting_count >= self._waiting_max:
            raise Unavailable("overloaded", "too much work is waiting in this process")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        is_served = key in self._waiting
        self._waiting.setdefault(key, []).append((item, future))
        self._waiting_count += 1
        if not is_served and self._tasks is not None:
            self._tasks.create_task(self._serve(key))
        return await future

    async def run(self) -> None:
        """Make the calls until cancelled, which also cancels all callers that still wait."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                for key in self._waiting:
                    tasks.create_task(self._serve(key))
                try:
                    await asyncio.Event().wait()
                finally:
                    self._tasks = None
        finally:
            for waiting in self._waiting.values():
                for _, future in waiting:
                    future.cancel()
            self._waiting.clear()

    async def _serve(self, key: str) -> None:
        while self._waiting[key]:
            async with self._calls:
                waiting = self._waiting[key]
                taken = waiting[: self._items_max]
                del waiting[: self._items_max]
                self._waiting_count -= len(taken)
                # The callers of some may have been cancelled.
                if batch := [each for each in taken if not each[1].done()]:
                    await serve_batch(batch, self._call)
        del self._waiting[key]

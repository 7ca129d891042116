"""Many waiters, one call: the group commit, and everything else that is cheaper together.

Whoever asks gets an answer of its own; behind the scenes all who ask while a call is under way
wait for the next one and share it. So a call carries one item when the system is idle, at once,
and hundreds when it is busy: then, where calls are dear, it may also wait a moment for company.
Where a call is the first of many, those that follow each other closely can be kept apart: what
starts together shares the rest.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from backend.domain.errors import Transient

BUSY_ITEMS = 5

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Coalescer(Generic[Item, Answer]):
    """Answers single questions by calls that take many.

    ``act`` gets items in the order in which they were asked and returns as many answers in the
    same order; an answer that is an exception is raised to its asker, and an exception that
    ``act`` raises is raised to all of them. At most ``calls_max`` calls run at once; any but the
    first starts only when ``company`` items wait. While calls carry ``busy`` items or more, each
    waits ``linger_s`` for others to join. A call whose first item comes in the first half of
    ``apart_s`` after the call before it waits for the end of that time, unless it is full already.
    """

    def __init__(
        self,
        act: Callable[[Sequence[Item]], Awaitable[Sequence[Answer | Exception]]],
        *,
        items_max: int,
        calls_max: int = 1,
        company: int = 1,
        linger_s: float = 0,
        apart_s: float = 0,
        busy: int = BUSY_ITEMS,
        waiting_max: int = 200_000,
    ) -> None:
        self._act = act
        self._items_max = items_max
        self._calls_max = calls_max
        self._company = company
        self._linger_s = linger_s
        self._apart_s = apart_s
        self._busy = busy
        self._waiting_max = waiting_max
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._calls = 0
        self._carried = 0
        self._not_before = 0.0
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def waiting(self) -> int:
        """How many items wait for a call."""
        return len(self._waiting)

    async def ask(self, item: Item) -> Answer:
        """The answer to one item.

        Raises ``Transient`` (``overloaded``) if too many wait already.
        """
        return await self.put(item)

    def put(self, item: Item) -> asyncio.Future[Answer]:
        """Ask without waiting: the future of the answer. Raises as ``ask`` does."""
        if len(self._waiting) >= self._waiting_max:
            raise Transient("overloaded", "too much work is waiting in this process")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._idle.clear()
        self._changed.set()
        return future

    async def idle(self) -> None:
        """Return when nothing waits and no call is under way."""
        await self._idle.wait()

    async def run(self) -> None:
        """Make the calls until cancelled; whoever still waits then is cancelled too."""
        try:
            async with asyncio.TaskGroup() as calls:
                while True:
                    await self._changed.wait()
                    self._changed.clear()
                    while self._may_start():
                        self._calls += 1
                        calls.create_task(self._call())
        finally:
            for _, future in self._waiting:
                future.cancel()
            self._waiting.clear()

    def _may_start(self) -> bool:
        needed = 1 if self._calls == 0 else self._company
        return self._calls < self._calls_max and len(self._waiting) >= needed

    async def _call(self) -> None:
        taken: list[tuple[Item, asyncio.Future[Answer]]] = []
        try:
            wait_s = self._wait_s()
            if wait_s:
                await asyncio.sleep(wait_s)
            self._take(taken)
            self._carried = len(taken)
            self._not_before = asyncio.get_running_loop().time() + self._apart_s
            if taken:
                _settle(taken, await self._act([item for item, _ in taken]))
        except asyncio.CancelledError:
            for _, future in taken:
                future.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - it belongs to the askers, who all get it
            _settle(taken, [error] * len(taken))
        finally:
            self._calls -= 1
            self._changed.set()
            if not self._calls and not self._waiting:
                self._idle.set()

    def _wait_s(self) -> float:
        if self._linger_s and self._busy <= self._carried < self._items_max:
            return self._linger_s
        if len(self._waiting) >= self._items_max:
            return 0
        early_s = self._not_before - asyncio.get_running_loop().time()
        return early_s if early_s > self._apart_s / 2 else 0

    def _take(self, taken: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        while self._waiting and len(taken) < self._items_max:
            item, future = self._waiting.popleft()
            if not future.done():  # its asker may have given up
                taken.append((item, future))


def _settle(
    taken: Sequence[tuple[Item, asyncio.Future[Answer]]], answers: Sequence[Answer | Exception]
) -> None:
    for (_, future), answer in zip(taken, answers, strict=True):
        if future.done():
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)

"""Task groups as the rest of the engine uses them: what runs in the background, and one error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any


@asynccontextmanager
async def running(*runs: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """These run in the background while the block does, and end it if one of them fails."""
    with one_error():
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run()) for run in runs]
            try:
                yield
            finally:
                await _end(tasks)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel these until they have heard it: redis-py swallows it while it connects."""
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=0.1)


@contextmanager
def one_error() -> Iterator[None]:
    """Raises the first error of a task group by itself: what follows it is its consequence."""
    first: BaseException | None = None
    try:
        yield
    except BaseExceptionGroup as group:
        first = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
    if first is not None:
        raise first from first.__cause__  # without the group as its context

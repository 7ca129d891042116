"""Task group helpers: background tasks for the length of a block, and a single error to raise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

Value = TypeVar("Value")


@asynccontextmanager
async def run_in_background(
    *functions: Callable[[], Coroutine[Any, Any, None]],
) -> AsyncIterator[None]:
    """Run functions as background tasks of a block, which is cancelled if one of them fails."""
    with raise_single_error():
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(function()) for function in functions]
            try:
                yield
            finally:
                await _cancel_and_wait(tasks)


async def _cancel_and_wait(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks repeatedly until they end: redis-py swallows a cancellation while connecting."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.1)


def shield(coroutine: Coroutine[Any, Any, Value]) -> asyncio.Future[Value]:
    """Run a coroutine to its end, even if its waiter is cancelled.

    As ``asyncio.shield``, but the loop does not report an error that comes after the waiter left:
    the waiter has reported its own.
    """
    task = asyncio.ensure_future(coroutine)  # noqa: TID251 - it outlives its waiter
    shielded = asyncio.shield(task)
    for each in (task, shielded):
        each.add_done_callback(lambda ended: None if ended.cancelled() else ended.exception())
    return shielded


@contextmanager
def raise_single_error() -> Iterator[None]:
    """Raise only the first error of a task group: the other errors are its consequences."""
    first: BaseException | None = None
    try:
        yield
    except BaseExceptionGroup as group:
        first = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
    if first is not None:
        raise first from first.__cause__  # without the group as its context

"""Waiting for the servers that a process needs before it can start."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from backend.domain.errors import EngineError
from backend.runtime import observe

_PROGRAM = "order-engine"
RETRY_S = 1.0
REMINDER_TRIES = 5
"""A server that stays away is named in the log again after so many tries."""

Value = TypeVar("Value")


def find_command(program: Path) -> str:
    """Find how the present program is started from a shell, given its ``argv[0]``."""
    if program.name != _PROGRAM or not program.exists():
        return f"{sys.executable} -m backend.cli"
    on_path = shutil.which(_PROGRAM)
    if on_path is not None and Path(on_path).samefile(program):
        return _PROGRAM
    relative = os.path.relpath(program)
    return str(program) if relative.startswith("..") else relative


def name_command() -> str:
    """How the present program is started from a shell."""
    return find_command(Path(sys.argv[0]))


class StartInterrupted(Exception):
    """The process was asked to stop before it had started."""


async def wait_for_server(
    server: str,
    connect: Callable[[], Awaitable[Value]],
    *,
    away: tuple[type[Exception], ...],
    stop: asyncio.Event | None = None,
) -> Value:
    """Return what ``connect`` returns as soon as it succeeds; until then log what is waited for.

    It is called again after an error of the types ``away``, unless that cannot pass by waiting.
    Raises any other error, and ``StartInterrupted`` once ``stop`` is set.
    """
    tries = 0
    async with _interrupt_on(stop):
        while True:
            try:
                return await connect()
            except away as error:
                if not _may_pass(error):
                    raise
                if tries % REMINDER_TRIES == 0:
                    observe.server_awaited(server, _explain(error))
                tries += 1
            await asyncio.sleep(RETRY_S)


@asynccontextmanager
async def _interrupt_on(stop: asyncio.Event | None) -> AsyncIterator[None]:
    """End a block with ``StartInterrupted`` when ``stop`` is set."""
    if stop is None:
        yield
        return
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(None) as deadline:
            # In no task group: that would wrap the error of the block in another.
            watcher = loop.create_task(stop.wait())
            watcher.add_done_callback(
                lambda task: None if task.cancelled() else deadline.reschedule(loop.time())
            )
            try:
                yield
            finally:
                watcher.cancel()
    except TimeoutError:
        if deadline.expired():
            raise StartInterrupted from None
        raise


def _may_pass(error: Exception) -> bool:
    """Whether a server may answer later; not if the address, a certificate or a key is wrong."""
    return not isinstance(error, ValueError) and getattr(error, "code", "") != "node_forbidden"


def _explain(error: Exception) -> str:
    if isinstance(error, EngineError):
        return error.reason
    return " ".join(str(error).split()) or type(error).__name__

"""One run of a part of the watch that is repeated, whatever its error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from backend.triggers import observe_triggers


async def attempt(operation: str, call: Callable[[], Awaitable[None]]) -> bool:
    """Run a part of the watch; a failure is told. Returns whether it succeeded."""
    try:
        await call()
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        observe_triggers.watch_failed(operation, error)  # what it waited for was cancelled
        return False
    except Exception as error:  # noqa: BLE001 - the next round may succeed after any error
        observe_triggers.watch_failed(operation, error)
        return False
    return True

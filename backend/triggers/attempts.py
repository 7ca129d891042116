"""Parts of the watch, repeated whatever their error, and points of it for failure tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum

from backend.triggers import observe_triggers


class WatchPoint(StrEnum):
    """Points of the watch at which a crash leaves a different state behind."""

    SHARDS_CLAIMED = "shards_claimed"
    """Shards are held, and their orders are not loaded."""
    ORDERS_MET = "orders_met"
    """Prices have met orders, and none is released."""
    ORDERS_RELEASED = "orders_released"
    """Orders are released, and their jobs are not sent."""
    MARKS_RAISED = "marks_raised"
    """High-water marks or peaks have risen, and are not stored."""


def ignore_point(point: WatchPoint) -> None:
    """Do nothing."""


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

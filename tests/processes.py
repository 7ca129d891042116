"""What the system shows of other processes, and waiting for it: they do not tell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psutil

WAIT_S = 60


def is_running(pid: int) -> bool:
    """Whether a process still does something; one that is dead and not yet buried does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def until(condition: Callable[[], bool]) -> None:
    """Waits until ``condition`` holds; ``TimeoutError`` if it never does."""
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.01)

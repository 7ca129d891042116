"""Checks of other processes, and polling until a condition holds: they do not notify."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psutil

WAIT_TIMEOUT_S = 60


def is_running(pid: int) -> bool:
    """Whether a process is running; a zombie is not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def wait_until(condition: Callable[[], bool]) -> None:
    """Poll until ``condition`` holds; ``TimeoutError`` if it never does."""
    async with asyncio.timeout(WAIT_TIMEOUT_S):
        while not condition():
            await asyncio.sleep(0.01)

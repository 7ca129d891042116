"""How the script ends: stop signals, its exit codes, and what it says when it ends early."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from batch.progress import BatchProgress

UNEXPECTED_EXIT = 1
INVALID_EXIT = 2
TIMEOUT_EXIT = 124
"""As ``timeout`` has it."""


async def run_until_stopped(work: Coroutine[Any, Any, None], timeout_s: int) -> int:
    """Run ``work`` to its end, a stop signal or the timeout.

    Returns 0, 124 for the timeout, or 128 and the signal's number.
    """
    with _cancel_on_signals() as received:
        try:
            async with asyncio.timeout(timeout_s) as deadline:
                await work
        except TimeoutError:
            if not deadline.expired():
                raise
            return TIMEOUT_EXIT
        except asyncio.CancelledError:
            if not received:
                raise
            return 128 + received[0]
    return 0


@contextmanager
def _cancel_on_signals() -> Iterator[list[int]]:
    """Cancel this task on SIGINT and SIGTERM; a second signal ends the process at once."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101
    received: list[int] = []

    def stop(number: int) -> None:
        received.append(number)
        loop.remove_signal_handler(number)
        task.cancel()

    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop, number)
    try:
        yield received
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def describe_early_end(code: int, timeout_s: int, progress: BatchProgress, again: str) -> str:
    """Describe what was accepted until a stop signal or the timeout; ``again`` follows it."""
    is_late = code == TIMEOUT_EXIT
    began = f"not all orders have ended after {timeout_s} s" if is_late else "stopped"
    if not progress.requested:
        return f"{began}: nothing was placed"
    counts = f"{progress.accepted:,} of {progress.order_count:,} orders were accepted"
    parts = [f"{counts}, {progress.ended_count:,} of them have ended"]
    if progress.refusals:
        parts.append(f"{len(progress.refusals):,} were refused")
    unanswered = progress.requested - progress.accepted - len(progress.refusals)
    if unanswered > 0:
        parts.append(f"{unanswered:,} were sent and have no answer yet")
    rest = "" if progress.accepted == progress.order_count else " and places the rest"
    return (
        f"{began}: {'; '.join(parts)}. They go on without this script; {again} follows them{rest}."
    )

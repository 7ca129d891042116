"""Retries: taskiq's middleware, with waits that a restart neither forgets nor repeats.

``SmartRetryMiddleware`` counts attempts and keeps labels. What it cannot do on a Redis broker is
wait, so that is done here. An order that is to be tried again has the time in its row, where no
worker may claim it before; a timer in this process sends the job when that time has come, and if
the process is gone by then, the sweep of any other does.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import Any

from taskiq import SmartRetryMiddleware, TaskiqMessage, TaskiqResult
from taskiq.exceptions import SendTaskError
from taskiq.kicker import AsyncKicker

from backend.domain.errors import RetryLater
from backend.runtime import observe


class RetryMiddleware(SmartRetryMiddleware):
    """Sends a failed job again when its wait is over; ``run`` must be running.

    ``backoff_s`` tells the wait after the n-th failure (from 1) for errors that bring none.
    """

    def __init__(self, *, attempts_max: int, backoff_s: Callable[[int], float]) -> None:
        super().__init__(default_retry_count=attempts_max, default_retry_label=True)
        self._backoff_s = backoff_s
        self._order = count()
        self._due: list[tuple[float, int, AsyncKicker[Any, Any], tuple[Any, ...]]] = []
        self._changed = asyncio.Event()

    async def on_error(
        self, message: TaskiqMessage, result: TaskiqResult[Any], exception: BaseException
    ) -> None:
        """Take the wait from the error that brings one."""
        message.labels.pop("delay", None)
        if isinstance(exception, RetryLater):
            message.labels["delay"] = exception.wait_s
        elif isinstance(exception, Exception):
            observe.job_failed(exception)
        else:
            return  # the worker stops; its orders are handed back
        await super().on_error(message, result, exception)

    def make_delay(self, message: TaskiqMessage, retries: int) -> float:
        """Seconds to wait: what the error brought, else the backoff of this failure."""
        wait_s = message.labels.pop("delay", None)
        return self._backoff_s(retries) if wait_s is None else float(wait_s)

    async def on_send(
        self, kicker: AsyncKicker[Any, Any], message: TaskiqMessage, delay: float
    ) -> None:
        """Arm the timer that sends the job."""
        at = asyncio.get_running_loop().time() + delay
        heapq.heappush(self._due, (at, next(self._order), kicker, tuple(message.args)))
        self._changed.set()

    async def run(self) -> None:
        """Send what is due until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            wait_s = self._due[0][0] - loop.time() if self._due else None
            if wait_s is None or wait_s > 0:
                self._changed.clear()
                try:
                    async with asyncio.timeout(wait_s):
                        await self._changed.wait()
                except TimeoutError:
                    pass
                continue
            _, _, kicker, args = heapq.heappop(self._due)
            try:
                await kicker.kiq(*args)
            except SendTaskError as error:
                observe.jobs_not_sent(1, error.__cause__ or error)  # the sweep will
            else:
                observe.jobs_sent(1, "retry")

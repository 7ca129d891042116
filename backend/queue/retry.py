"""Retries: taskiq's retry middleware, with waits that survive a restart.

``SmartRetryMiddleware`` counts attempts and keeps labels. It cannot delay a message on a Redis
broker, so the delay is here. An order that is to be retried has the time of its next attempt in
its row, and no worker may claim it before. A timer in this process sends the job at that time; if
the process has ended by then, the sweep of another worker does.
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
from backend.runtime import observe, observe_queue


class RetryMiddleware(SmartRetryMiddleware):
    """Resends a failed job after its delay; ``run`` must be running.

    ``backoff_s`` returns the delay after the n-th failure (from 1) for errors that have none.
    """

    def __init__(self, *, attempts_max: int, backoff_s: Callable[[int], float]) -> None:
        super().__init__(default_retry_count=attempts_max, default_retry_label=True)
        self._backoff_s = backoff_s
        self._sequence = count()
        self._delayed: list[tuple[float, int, AsyncKicker[Any, Any], tuple[Any, ...]]] = []
        self._changed = asyncio.Event()

    async def on_error(
        self, message: TaskiqMessage, result: TaskiqResult[Any], exception: BaseException
    ) -> None:
        """Take the delay from a ``RetryLater``; report any other error."""
        message.labels.pop("delay", None)
        if isinstance(exception, RetryLater):
            message.labels["delay"] = exception.wait_s
            if exception.is_unbounded:
                message.labels.pop("_retries", None)
        elif isinstance(exception, Exception):
            observe.job_failed(exception)
        else:
            return  # the worker shuts down and releases its leases
        await super().on_error(message, result, exception)

    def make_delay(self, message: TaskiqMessage, retries: int) -> float:
        """Seconds to wait: the delay of the error, or else the backoff of this failure."""
        wait_s = message.labels.pop("delay", None)
        return self._backoff_s(retries) if wait_s is None else float(wait_s)

    async def on_send(
        self, kicker: AsyncKicker[Any, Any], message: TaskiqMessage, delay: float
    ) -> None:
        """Start the timer that sends the job."""
        due_at = asyncio.get_running_loop().time() + delay
        order_id, *_ = message.args  # without its terms: it was claimed
        heapq.heappush(self._delayed, (due_at, next(self._sequence), kicker, (order_id,)))
        self._changed.set()

    async def run(self) -> None:
        """Send due jobs until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            wait_s = self._delayed[0][0] - loop.time() if self._delayed else None
            if wait_s is None or wait_s > 0:
                self._changed.clear()
                try:
                    async with asyncio.timeout(wait_s):
                        await self._changed.wait()
                except TimeoutError:
                    pass
                continue
            _, _, kicker, args = heapq.heappop(self._delayed)
            try:
                await kicker.kiq(*args)
            except SendTaskError as error:
                observe_queue.jobs_not_sent(1, error.__cause__ or error)  # the sweep resends it
            else:
                observe_queue.jobs_sent(1, "retry")

"""The job queue as the rest of the engine uses it: send order ids, receive order ids."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from uuid import UUID

from redis.exceptions import RedisError
from taskiq.exceptions import SendTaskError
from taskiq.kicker import AsyncKicker

from backend.domain.errors import RetryLater
from backend.queue.broker import StreamBroker
from backend.queue.receiver import JobReceiver
from backend.queue.retry import RetryMiddleware
from backend.runtime import observe_queue

TASK_NAME = "execute_order"
UNKNOWN_DELAY_S = 60.0
"""The assumed delay of a queue that works and cannot be measured."""


class JobQueue:
    """Sends jobs; a job carries only the id of its order."""

    def __init__(self, broker: StreamBroker) -> None:
        self._broker = broker
        self._kicker: AsyncKicker[[str], None] = AsyncKicker(TASK_NAME, broker, {})

    async def send(self, order_ids: Iterable[UUID], *, sender: str) -> None:
        """Send a job for each order, in the background. The sweep resends a lost job.

        ``sender`` is ``intake`` or ``sweep``, for the metrics.
        """
        sent = 0
        try:
            for order_id in order_ids:
                name = str(order_id)
                await self._kicker.with_task_id(name).kiq(name)
                sent += 1
        except SendTaskError as error:
            observe_queue.jobs_not_sent(1, error.__cause__ or error)
        observe_queue.jobs_sent(sent, sender)

    async def measure_delay_s(self) -> float:
        """How long the oldest job that no worker has received has waited, in seconds.

        0 while Redis takes or gives no jobs: those that wait there help nobody.
        """
        try:
            state = await self._broker.measure()
        except (RedisError, OSError) as error:
            observe_queue.redis_unavailable("measure", error)
            return 0 if self._broker.is_degraded else UNKNOWN_DELAY_S
        observe_queue.queue_depth_measured(state.jobs)
        return 0 if self._broker.is_degraded else state.delay_s


async def run_receiver(
    broker: StreamBroker,
    execute: Callable[[str], Awaitable[None]],
    retries: RetryMiddleware,
    *,
    jobs_max: int,
    wait_for_capacity: Callable[[], Awaitable[None]],
    stop: asyncio.Event,
    shutdown_s: float,
) -> None:
    """Run ``execute`` for every received job until ``stop``, at most ``jobs_max`` at once, each
    after ``wait_for_capacity``.

    Returns when all jobs have ended, or ``shutdown_s`` after ``stop`` with some still running.
    """
    broker.add_middlewares(retries)

    async def execute_order(order_id: str) -> None:
        await execute(order_id)

    broker.register_task(execute_order, TASK_NAME)
    broker.is_worker_process = True
    broker.stop_on(stop)
    logging.getLogger("taskiq.receiver.receiver").addFilter(_is_unexpected)
    await JobReceiver(
        broker, jobs_max=jobs_max, wait_for_capacity=wait_for_capacity, shutdown_s=shutdown_s
    ).listen(stop)


def _is_unexpected(record: logging.LogRecord) -> bool:
    """Whether a log line of taskiq reports more than a planned retry or a cancellation."""
    error_type = record.exc_info[0] if record.exc_info else None
    return error_type is None or not issubclass(error_type, RetryLater | asyncio.CancelledError)

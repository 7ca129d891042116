"""The queue of jobs as the rest of the engine uses it: send ids, receive ids."""

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
from backend.runtime import observe

TASK = "execute_order"
DEEP_JOBS = 1_000


class Jobs:
    """Sends one job for each order, carrying nothing but its id."""

    def __init__(self, broker: StreamBroker) -> None:
        self._broker = broker
        self._kicker: AsyncKicker[[str], None] = AsyncKicker(TASK, broker, {})

    async def send(self, order_ids: Iterable[UUID], *, by: str) -> None:
        """Put a job for each order on the queue, soon. A job that is lost is the sweep's to send.

        ``by`` says who asks: ``intake`` or ``sweep``.
        """
        sent = 0
        try:
            for order_id in order_ids:
                name = str(order_id)
                await self._kicker.with_task_id(name).kiq(name)
                sent += 1
        except SendTaskError as error:
            observe.jobs_not_sent(1, error.__cause__ or error)
        observe.jobs_sent(sent, by)

    async def is_deep(self) -> bool:
        """Whether many jobs wait, or nobody knows how many."""
        try:
            waiting = await self._broker.depth()
        except (RedisError, OSError) as error:
            observe.redis_gone("count", error)
            return True
        observe.queue_depth(waiting)
        return waiting >= DEEP_JOBS


async def receive(
    broker: StreamBroker,
    execute: Callable[[str], Awaitable[None]],
    retries: RetryMiddleware,
    *,
    jobs_max: int,
    room: Callable[[], Awaitable[None]],
    stop: asyncio.Event,
    shutdown_s: float,
) -> None:
    """Run ``execute`` for every job that comes until ``stop``, up to ``jobs_max`` at once, each
    when there is ``room``.

    Returns when all have ended, or ``shutdown_s`` after ``stop`` with some still running.
    """
    broker.add_middlewares(retries)

    async def execute_order(order_id: str) -> None:
        await execute(order_id)

    broker.register_task(execute_order, TASK)
    broker.is_worker_process = True
    broker.until(stop)
    logging.getLogger("taskiq.receiver.receiver").addFilter(_is_news)
    await JobReceiver(broker, jobs_max=jobs_max, room=room, shutdown_s=shutdown_s).listen(stop)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a log line of taskiq tells of an error: a planned retry and a stop are none."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or not issubclass(kind, RetryLater | asyncio.CancelledError)

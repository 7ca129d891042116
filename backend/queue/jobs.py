"""The job queue as the rest of the engine uses it: send order ids, receive order ids."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from uuid import UUID

from redis.exceptions import RedisError
from taskiq.exceptions import SendTaskError
from taskiq.kicker import AsyncKicker

from backend.domain.errors import RetryLater, Transient
from backend.queue.broker import StreamBroker
from backend.queue.messages import OWNER_LABEL, TASK_NAME, JobMessage
from backend.queue.receiver import JobReceiver, StartCapacity, WaitingOrders
from backend.queue.retry import RetryMiddleware
from backend.queue.turns import OwnerTurns
from backend.runtime import observe_queue

ANNOUNCE_DELAY_S = 0.05
"""How long the first of the orders that are announced together waits."""


def _has_no_backlog(owner: str) -> bool:
    return False


class JobQueue:
    """Sends jobs; a job carries the id of its order and the order's owner.

    The orders of an owner that ``has_backlog`` get no jobs: they are announced together, and
    workers claim them from their rows after the older ones. So the queue holds no backlogs, and
    the jobs of other owners do not wait behind them.
    """

    def __init__(
        self, broker: StreamBroker, *, has_backlog: Callable[[str], bool] = _has_no_backlog
    ) -> None:
        self._broker = broker
        self._has_backlog = has_backlog
        self._announced: set[str] = set()

    async def send(self, owner: str, order_ids: Iterable[UUID]) -> None:
        """Send a job for each order, in the background. The sweep finds the order of a lost job."""
        if self._has_backlog(owner):
            self._announce(owner)
        else:
            await self._send_each(owner, order_ids)

    def _announce(self, owner: str) -> None:
        """Announce that an owner has orders in the rows, after those that are stored meanwhile."""
        if owner not in self._announced:
            self._announced.add(owner)
            asyncio.get_running_loop().call_later(ANNOUNCE_DELAY_S, self._send_announcement, owner)

    def _send_announcement(self, owner: str) -> None:
        self._announced.discard(owner)
        try:
            self._broker.announce_backlog(owner)
        except Transient as error:
            observe_queue.jobs_not_sent(1, error)

    async def _send_each(self, owner: str, order_ids: Iterable[UUID]) -> None:
        kicker: AsyncKicker[[str], None] = AsyncKicker(
            TASK_NAME, self._broker, {OWNER_LABEL: owner}
        )
        sent = 0
        try:
            for order_id in order_ids:
                name = str(order_id)
                await kicker.with_task_id(name).kiq(name)
                sent += 1
        except SendTaskError as error:
            observe_queue.jobs_not_sent(1, error.__cause__ or error)
        observe_queue.jobs_sent(sent, "intake")

    async def tidy(self) -> None:
        """Remove what nobody would read from the queue, and measure what waits there."""
        try:
            state = await self._broker.measure()
        except (RedisError, OSError) as error:
            observe_queue.redis_unavailable("measure", error)
        else:
            observe_queue.queue_measured(state.jobs, state.delay_s)


async def run_receiver(
    broker: StreamBroker,
    execute: Callable[[str], Awaitable[None]],
    retries: RetryMiddleware,
    *,
    turns: OwnerTurns[JobMessage],
    waiting_orders: WaitingOrders,
    capacity: StartCapacity,
    jobs_max: int,
    stop: asyncio.Event,
    shutdown_s: float,
) -> None:
    """Run ``execute`` for received jobs and for ``waiting_orders`` until ``stop``.

    The owners take ``turns``; at most ``jobs_max`` jobs run at once, and they start as ``capacity``
    permits. Returns when all jobs have ended, or ``shutdown_s`` after ``stop`` with some running.
    """
    broker.add_middlewares(retries)

    async def execute_order(order_id: str) -> None:
        await execute(order_id)

    broker.register_task(execute_order, TASK_NAME)
    broker.is_worker_process = True
    broker.stop_on(stop)
    logging.getLogger("taskiq.receiver.receiver").addFilter(_is_unexpected)
    await JobReceiver(
        broker,
        turns=turns,
        waiting_orders=waiting_orders,
        capacity=capacity,
        jobs_max=jobs_max,
        shutdown_s=shutdown_s,
    ).listen(stop)


def _is_unexpected(record: logging.LogRecord) -> bool:
    """Whether a log line of taskiq reports more than a planned retry or a cancellation."""
    error_type = record.exc_info[0] if record.exc_info else None
    return error_type is None or not issubclass(error_type, RetryLater | asyncio.CancelledError)

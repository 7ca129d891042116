"""The job queue as the rest of the engine uses it: send order ids, receive order ids."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from uuid import UUID

from redis.exceptions import RedisError
from taskiq import TaskiqMessage, TaskiqMiddleware
from taskiq.exceptions import SendTaskError
from taskiq.kicker import AsyncKicker

from backend.domain.errors import RetryLater, Transient
from backend.domain.orders import NewOrder
from backend.domain.terms_text import format_terms_text
from backend.queue.broker import StreamBroker
from backend.queue.messages import TASK_NAME, JobMessage, build_labels, parse_pair
from backend.queue.receiver import JobReceiver, StartCapacity, WaitingOrders
from backend.queue.retry import RetryMiddleware
from backend.queue.turns import OwnerTurns
from backend.runtime import observe_queue

ANNOUNCE_DELAY_S = 0.05
"""How long the first of the orders that are announced together waits."""


def _has_no_backlog(owner: str) -> bool:
    return False


class JobQueue:
    """Sends jobs; a job carries the id of its order, the order's owner, and maybe its pair.

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

    async def send(
        self, owner: str, order_ids: Iterable[UUID], *, pair: tuple[str, str] | None = None
    ) -> None:
        """Send a job for each order, in the background. The sweep finds the order of a lost job.

        ``pair`` are the symbols of the tokens, for the pools that the worker is going to read.
        """
        if self._has_backlog(owner):
            self.announce(owner)
        else:
            await self._send_each([(str(each),) for each in order_ids], build_labels(owner, pair))

    async def send_order(self, order: NewOrder) -> None:
        """Send the job of an order that comes alone, as ``send``: with its terms, if it is plain.

        So a worker can route it before it is claimed.
        """
        terms_text = format_terms_text(order)
        if terms_text is None or self._has_backlog(order.owner):
            pair = order.terms.token_in.symbol, order.terms.token_out.symbol
            await self.send(order.owner, [order.id], pair=pair)
        else:
            await self._send_each([(str(order.id), terms_text)], build_labels(order.owner, None))

    def announce(self, owner: str) -> None:
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

    async def _send_each(self, jobs: Iterable[tuple[str, ...]], labels: dict[str, str]) -> None:
        kicker: AsyncKicker[..., None] = AsyncKicker(TASK_NAME, self._broker, labels)
        sent = 0
        try:
            for job in jobs:
                await kicker.with_task_id(job[0]).kiq(*job)
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


class _PairPrefetch(TaskiqMiddleware):
    """Tells the pair of a job before the job runs."""

    def __init__(self, prefetch: Callable[[str, str], None]) -> None:
        super().__init__()
        self._prefetch = prefetch

    def pre_execute(self, message: TaskiqMessage) -> TaskiqMessage:
        """Take the pair from the label, if there is one."""
        pair = parse_pair(message)
        if pair is not None:
            self._prefetch(*pair)
        return message


def _prefetch_nothing(token_in: str, token_out: str) -> None:
    """Do nothing: the pools are read when the order is claimed."""


async def run_receiver(
    broker: StreamBroker,
    execute: Callable[[str, str | None], Awaitable[None]],
    retries: RetryMiddleware,
    *,
    turns: OwnerTurns[JobMessage],
    waiting_orders: WaitingOrders,
    capacity: StartCapacity,
    jobs_max: int,
    stop: asyncio.Event,
    shutdown_s: float,
    prefetch: Callable[[str, str], None] = _prefetch_nothing,
) -> None:
    """Run ``execute`` for received jobs and for ``waiting_orders`` until ``stop``.

    It gets the id of an order, and the text of its terms if the job tells them.

    The owners take ``turns``; at most ``jobs_max`` jobs run at once, and they start as ``capacity``
    permits. ``prefetch`` is called with the pair of a job that names it, before the job runs.
    Returns when all jobs have ended, or ``shutdown_s`` after ``stop`` with some running.
    """
    broker.add_middlewares(retries, _PairPrefetch(prefetch))

    async def execute_order(order_id: str, terms_text: str | None = None) -> None:
        await execute(order_id, terms_text)

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

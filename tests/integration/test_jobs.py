"""The job queue on a real Redis: sending, receiving, acknowledging, reclaiming, retrying."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import pairwise
from uuid import UUID

from redis.asyncio import Redis
from taskiq import AckableMessage

from backend.config.redis.url import parse_redis_url
from backend.domain.errors import RetryLater
from backend.execution.unsent_limiter import UnsentLimiter
from backend.queue.broker import GROUP, STREAM, StreamBroker
from backend.queue.jobs import JobQueue, run_receiver
from backend.queue.messages import JobMessage
from backend.queue.receiver import WaitingOrders
from backend.queue.retry import RetryMiddleware
from backend.queue.turns import OwnerTurns

IDS = [UUID(int=n) for n in range(1, 1001)]


class NoWaitingOrders:
    """Rows in which no order waits."""

    async def claim_waiting(self, places: Mapping[str, int]) -> list[tuple[str, UUID]]:
        return []


NO_WAITING_ORDERS = NoWaitingOrders()


@asynccontextmanager
async def open_broker(url: str, consumer: str = "me") -> AsyncIterator[StreamBroker]:
    broker = StreamBroker(parse_redis_url(url), consumer=consumer)
    await broker.startup()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(broker.run())
        try:
            yield broker
        finally:
            await broker.wait_sent()
            task.cancel()
    await broker.shutdown()


@asynccontextmanager
async def run_jobs(
    broker: StreamBroker,
    execute: Callable[[str, str | None], Awaitable[None]],
    *,
    attempts_max: int = 3,
    jobs_max: int = 2_000,
    turns: OwnerTurns[JobMessage] | None = None,
    waiting_orders: WaitingOrders = NO_WAITING_ORDERS,
    prefetch: Callable[[str, str], None] = lambda *_: None,
) -> AsyncIterator[None]:
    stop = asyncio.Event()
    retries = RetryMiddleware(attempts_max=attempts_max, backoff_s=lambda failures: 0.01 * failures)
    async with asyncio.TaskGroup() as group:
        timers = group.create_task(retries.run())
        worker = group.create_task(
            run_receiver(
                broker,
                execute,
                retries,
                jobs_max=jobs_max,
                turns=turns or OwnerTurns({}),
                waiting_orders=waiting_orders,
                capacity=UnsentLimiter(2_000),
                stop=stop,
                shutdown_s=5,
                prefetch=prefetch,
            )
        )
        try:
            yield
        finally:
            stop.set()
            await worker
            timers.cancel()


async def receive_job(broker: StreamBroker) -> AckableMessage:
    async with asyncio.timeout(60):
        async for message in broker.listen():
            return message
    raise AssertionError("the broker stopped listening")


async def wait_empty(redis: Redis) -> None:
    async with asyncio.timeout(60):
        while await redis.xlen(STREAM):
            await asyncio.sleep(0.01)


async def test_every_job_is_received_and_leaves_the_stream(redis_url: str) -> None:
    received_ids: set[str] = set()
    done = asyncio.Event()

    async def execute(order_id: str, terms_text: str | None) -> None:
        received_ids.add(order_id)
        if len(received_ids) == len(IDS):
            done.set()

    async with open_broker(redis_url) as broker, Redis.from_url(redis_url) as redis:
        async with run_jobs(broker, execute):
            await JobQueue(broker).send("local", IDS)
            await asyncio.wait_for(done.wait(), 30)
            await wait_empty(redis)
        assert (await redis.xpending(STREAM, GROUP))["pending"] == 0
    assert received_ids == set(map(str, IDS))


async def test_jobs_sent_before_any_worker_started_are_received(redis_url: str) -> None:
    async with open_broker(redis_url, "sender") as sender:
        await JobQueue(sender).send("local", IDS[:1])
    async with open_broker(redis_url, "worker") as worker:
        assert str(IDS[0]).encode() in (await receive_job(worker)).data


async def test_a_dead_workers_job_is_reclaimed_from_an_idle_stream(redis_url: str) -> None:
    async with open_broker(redis_url, "dead") as dead, Redis.from_url(redis_url) as redis:
        await JobQueue(dead).send("local", IDS[:1])
        await receive_job(dead)  # never acknowledged
        [pending] = await redis.xpending_range(STREAM, GROUP, "-", "+", 10)
        # As if it had been unacknowledged for a minute.
        await redis.xclaim(STREAM, GROUP, "dead", 0, [pending["message_id"]], idle=60_000)
        async with open_broker(redis_url, "alive") as alive:
            assert str(IDS[0]).encode() in (await receive_job(alive)).data


async def test_a_failed_attempt_is_retried_after_its_delay(redis_url: str) -> None:
    loop = asyncio.get_running_loop()
    times: list[float] = []
    done = asyncio.Event()

    async def execute(order_id: str, terms_text: str | None) -> None:
        times.append(loop.time())
        if len(times) < 3:
            raise RetryLater(0.2)
        done.set()

    async with open_broker(redis_url) as broker, run_jobs(broker, execute):
        await JobQueue(broker).send("local", IDS[:1])
        await asyncio.wait_for(done.wait(), 30)
    assert [later - earlier >= 0.2 for earlier, later in pairwise(times)] == [True, True]


async def test_an_unexpected_error_is_retried_as_often_as_attempts_are_allowed(
    redis_url: str,
) -> None:
    calls: list[str] = []
    after = asyncio.Event()

    async def execute(order_id: str, terms_text: str | None) -> None:
        calls.append(order_id)
        if order_id == str(IDS[1]):
            after.set()
        else:
            raise ZeroDivisionError

    async with open_broker(redis_url) as broker, run_jobs(broker, execute):
        await JobQueue(broker).send("local", IDS[:1])
        async with asyncio.timeout(60):
            while len(calls) < 3:
                await asyncio.sleep(0.01)
        await JobQueue(broker).send("local", IDS[1:2])
        await asyncio.wait_for(after.wait(), 30)
    assert calls.count(str(IDS[0])) == 3


async def test_the_pair_of_a_job_is_told_before_the_job_runs(redis_url: str) -> None:
    told: list[tuple[str, ...]] = []
    done = asyncio.Event()

    async def execute(order_id: str, terms_text: str | None) -> None:
        told.append((order_id,))
        if len(told) == 3:
            done.set()

    async with (
        open_broker(redis_url) as broker,
        run_jobs(broker, execute, prefetch=lambda *pair: told.append(pair)),
    ):
        await JobQueue(broker).send("local", IDS[:1], pair=("SOL", "USDC"))
        await JobQueue(broker).send("local", IDS[1:2])
        await asyncio.wait_for(done.wait(), 30)
    assert told == [("SOL", "USDC"), (str(IDS[0]),), (str(IDS[1]),)]

"""Jobs on a real Redis: sent, received, acknowledged, reclaimed, retried."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from uuid import UUID

from redis.asyncio import Redis
from taskiq import AckableMessage

from backend.domain.errors import RetryLater
from backend.execution.unsent_limiter import Unsent
from backend.queue.broker import GROUP, STREAM, StreamBroker
from backend.queue.jobs import Jobs, receive
from backend.queue.retry import RetryMiddleware

IDS = [UUID(int=n) for n in range(1, 1001)]


@asynccontextmanager
async def open_broker(url: str, consumer: str = "me") -> AsyncIterator[StreamBroker]:
    broker = StreamBroker(url, consumer=consumer)
    await broker.startup()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(broker.run())
        try:
            yield broker
        finally:
            await broker.flushed()
            task.cancel()
    await broker.shutdown()


@asynccontextmanager
async def receiving(
    broker: StreamBroker,
    execute: Callable[[str], Awaitable[None]],
    *,
    attempts_max: int = 3,
) -> AsyncIterator[None]:
    stop = asyncio.Event()
    room = Unsent(2_000).room
    retries = RetryMiddleware(attempts_max=attempts_max, backoff_s=lambda failures: 0.01 * failures)
    async with asyncio.TaskGroup() as group:
        timers = group.create_task(retries.run())
        worker = group.create_task(
            receive(broker, execute, retries, jobs_max=2_000, room=room, stop=stop, shutdown_s=5)
        )
        try:
            yield
        finally:
            stop.set()
            await worker
            timers.cancel()


async def next_job(broker: StreamBroker) -> AckableMessage:
    async with asyncio.timeout(30):
        async for message in broker.listen():
            return message
    raise AssertionError("listening never ends")


async def is_empty(redis: Redis) -> None:
    async with asyncio.timeout(30):
        while await redis.xlen(STREAM):
            await asyncio.sleep(0.01)


async def test_every_job_is_received_and_leaves_the_stream(redis_url: str) -> None:
    seen: set[str] = set()
    done = asyncio.Event()

    async def execute(order_id: str) -> None:
        seen.add(order_id)
        if len(seen) == len(IDS):
            done.set()

    async with open_broker(redis_url) as broker, Redis.from_url(redis_url) as redis:
        async with receiving(broker, execute):
            await Jobs(broker).send(IDS, by="intake")
            await asyncio.wait_for(done.wait(), 30)
            await is_empty(redis)
        assert (await redis.xpending(STREAM, GROUP))["pending"] == 0
    assert seen == set(map(str, IDS))


async def test_jobs_sent_before_any_worker_started_are_received(redis_url: str) -> None:
    async with open_broker(redis_url, "sender") as sender:
        await Jobs(sender).send(IDS[:1], by="intake")
    async with open_broker(redis_url, "worker") as worker:
        assert str(IDS[0]).encode() in (await next_job(worker)).data


async def test_a_dead_workers_job_is_reclaimed_from_an_idle_stream(redis_url: str) -> None:
    async with open_broker(redis_url, "dead") as dead, Redis.from_url(redis_url) as redis:
        await Jobs(dead).send(IDS[:1], by="intake")
        await next_job(dead)  # and never acknowledged
        [pending] = await redis.xpending_range(STREAM, GROUP, "-", "+", 10)
        # As if it had been lying there for a minute.
        await redis.xclaim(STREAM, GROUP, "dead", 0, [pending["message_id"]], idle=60_000)
        async with open_broker(redis_url, "alive") as alive:
            assert str(IDS[0]).encode() in (await next_job(alive)).data


async def test_an_attempt_that_failed_is_repeated_after_its_wait(redis_url: str) -> None:
    loop = asyncio.get_running_loop()
    times: list[float] = []
    done = asyncio.Event()

    async def execute(order_id: str) -> None:
        times.append(loop.time())
        if len(times) < 3:
            raise RetryLater(0.2)
        done.set()

    async with open_broker(redis_url) as broker, receiving(broker, execute):
        await Jobs(broker).send(IDS[:1], by="intake")
        await asyncio.wait_for(done.wait(), 30)
    assert [later - earlier >= 0.2 for earlier, later in pairwise(times)] == [True, True]


async def test_an_unexpected_error_is_repeated_as_often_as_attempts_are_allowed(
    redis_url: str,
) -> None:
    calls: list[str] = []
    after = asyncio.Event()

    async def execute(order_id: str) -> None:
        calls.append(order_id)
        if order_id == str(IDS[1]):
            after.set()
        else:
            raise ZeroDivisionError

    async with open_broker(redis_url) as broker, receiving(broker, execute):
        await Jobs(broker).send(IDS[:1], by="intake")
        async with asyncio.timeout(30):
            while len(calls) < 3:
                await asyncio.sleep(0.01)
        await Jobs(broker).send(IDS[1:2], by="intake")
        await asyncio.wait_for(after.wait(), 30)
    assert calls.count(str(IDS[0])) == 3

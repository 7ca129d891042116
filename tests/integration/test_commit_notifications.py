"""Commit notifications on a real Redis: who gets which, and what nobody can read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis

from backend.config.redis.url import parse_redis_url
from backend.domain.lifecycle import Status
from backend.domain.orders import OrderEvent
from backend.queue.broker import StreamBroker
from backend.queue.jobs import JobQueue
from backend.runtime.background import run_in_background
from backend.runtime.commit_notifications import (
    Commit,
    CommitNotifier,
    listen_for_commits,
    waiting_channel_name,
)

FOREIGN_MESSAGES = [
    b"9" * 40,
    b"\xff",
    b"7",
    b"{}",
    b"[7]",
    b"[[7]]",
    b"[[true, []]]",
    b"[[0, []]]",
    b"[[7, [[]]]]",
    b"[[7, [[1, 2, 3, 4, 5, 6, 7, 8, 9]]]]",
    b'[[7, [["00000000-0000-0000-0000-000000000001", 1, "odd", "", 1, "", "", null, null]]]]',
    b'[[7, [["00000000-0000-0000-0000-000000000001", 1, [], "", 1, "", "", null, null]]]]',
]

WAITING_EVENT = OrderEvent(
    UUID(int=1),
    2,
    Status.WAITING,
    datetime(2026, 1, 1, tzinfo=UTC),
    1,
    "{}",
    9,
    "local",
    None,
    None,
)
PENDING = Commit(9, [WAITING_EVENT._replace(status=Status.PENDING)])
WAITING = Commit(9, [WAITING_EVENT])


@asynccontextmanager
async def hear_commits(
    redis: Redis, channel: str, *running: Callable[[], Coroutine[Any, Any, None]]
) -> AsyncIterator[asyncio.Queue[Commit]]:
    """What a listener of a channel hears from its subscription on, beside ``running``."""
    commits: asyncio.Queue[Commit] = asyncio.Queue()
    listen = partial(listen_for_commits, redis, channel, commits.put_nowait)
    async with run_in_background(listen, *running), asyncio.timeout(60):
        while not await redis.publish(channel, "no number"):
            await asyncio.sleep(0.01)
        yield commits


async def test_a_notification_of_somebody_else_ends_no_reader(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        notifier = CommitNotifier(redis, "channel of foreign")
        async with hear_commits(redis, "channel of foreign", notifier.run) as commits:
            for message in FOREIGN_MESSAGES:
                await redis.publish("channel of foreign", message)
            notifier.notify(Commit(7, []))
            notifier.notify(Commit(8, None))
            assert [await commits.get(), await commits.get()] == [Commit(7, []), Commit(8, None)]


async def test_those_who_watch_prices_are_woken_by_no_other_orders(redis_url: str) -> None:
    others = [Commit(7, [WAITING_EVENT._replace(status=Status.ROUTING)]), Commit(8, None)]
    async with Redis.from_url(redis_url) as redis:
        notifier = CommitNotifier(redis, "channel of prices")
        channel = waiting_channel_name("channel of prices")
        async with hear_commits(redis, channel, notifier.run) as commits:
            for commit in [*others, WAITING, Commit(10, None, begins_wait=True)]:
                notifier.notify(commit)
            assert [await commits.get(), await commits.get()] == [WAITING, Commit(10, None)]


async def test_the_call_that_sends_a_job_carries_the_commit_of_its_order(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        notifier = CommitNotifier(redis, "channel of job")  # it does not run
        broker = StreamBroker(
            parse_redis_url(redis_url), consumer="test", take_message=notifier.take_message
        )
        async with hear_commits(redis, "channel of job", broker.run) as commits:
            notifier.notify(PENDING)
            await JobQueue(broker).send("local", [UUID(int=1)])
            assert await commits.get() == PENDING
            await broker.wait_sent()
            assert (await broker.measure()).jobs == 1
        await broker.shutdown()


@pytest.mark.parametrize("commits", [(), (WAITING,), (PENDING, WAITING)])
async def test_a_job_carries_no_commit_of_orders_that_wait_for_a_price(
    redis_url: str, commits: tuple[Commit, ...]
) -> None:
    async with Redis.from_url(redis_url) as redis:
        notifier = CommitNotifier(redis, "channel")
        for commit in commits:
            notifier.notify(commit)
        assert notifier.take_message() == ("", b"")


async def test_a_commit_of_an_order_that_goes_on_is_published_without_a_job(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        notifier = CommitNotifier(redis, "channel of alone")
        async with hear_commits(redis, "channel of alone", notifier.run) as commits:
            notifier.notify(PENDING)
            assert await commits.get() == PENDING

"""Commit notifications on a real Redis: who gets which, and what nobody can read."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from redis.asyncio import Redis

from backend.domain.lifecycle import Status
from backend.domain.orders import OrderEvent
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
]


async def test_a_notification_of_somebody_else_ends_no_reader(redis_url: str) -> None:
    commits: asyncio.Queue[Commit] = asyncio.Queue()
    async with Redis.from_url(redis_url) as redis, asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(listen_for_commits(redis, "channel", commits.put_nowait)),
            tasks.create_task((notifier := CommitNotifier(redis, "channel")).run()),
        ]
        async with asyncio.timeout(60):
            while not await redis.publish("channel", "no number"):
                await asyncio.sleep(0.01)
            for message in FOREIGN_MESSAGES:
                await redis.publish("channel", message)
            notifier.notify(Commit(7, []))
            notifier.notify(Commit(8, None))
            assert [await commits.get(), await commits.get()] == [Commit(7, []), Commit(8, None)]
        for task in running:
            task.cancel()


async def test_those_who_watch_prices_are_woken_by_no_other_orders(redis_url: str) -> None:
    commits: asyncio.Queue[Commit] = asyncio.Queue()
    event = OrderEvent(
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
    begins = Commit(9, [event])
    others = [Commit(7, [replace(event, status=Status.ROUTING)]), Commit(8, None)]
    async with Redis.from_url(redis_url) as redis, asyncio.TaskGroup() as tasks:
        channel = waiting_channel_name("channel")
        running = [
            tasks.create_task(listen_for_commits(redis, channel, commits.put_nowait)),
            tasks.create_task((notifier := CommitNotifier(redis, "channel")).run()),
        ]
        async with asyncio.timeout(60):
            while not await redis.publish(channel, "no number"):
                await asyncio.sleep(0.01)
            for commit in [*others, begins, Commit(10, None, begins_wait=True)]:
                notifier.notify(commit)
            assert [await commits.get(), await commits.get()] == [begins, Commit(10, None)]
        for task in running:
            task.cancel()

"""Which processes hear of commits: those that have somebody to tell, who misses none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

from redis.asyncio import Redis

from backend.api.delivery.commit_listener import CommitListener
from backend.api.delivery.event_page import EventPage
from backend.api.delivery.feed_tail import FeedTail
from backend.api.delivery.open_sockets import CloseRequest
from backend.api.delivery.outgoing_queue import OutgoingQueue
from backend.runtime.background import run_in_background
from backend.runtime.commit_notifications import CommitNotifier, listen_for_commits
from backend.store.database import open_pool
from backend.store.feed import Feed
from backend.store.intake import Intake
from tests.integration.stores import new_order

WAIT_S = 60
CHANNEL = "listener"


class Process(NamedTuple):
    """What a process has that stores orders and tells sockets of events."""

    redis: Redis
    intake: Intake
    feed: Feed
    tail: FeedTail

    async def place(self) -> UUID:
        return (await self.intake.accept(new_order())).id

    async def wait_listening(self, count: int) -> None:
        """Wait until so many processes listen."""
        async with asyncio.timeout(WAIT_S):
            while await self.redis.pubsub_numsub(CHANNEL) != [(CHANNEL.encode(), count)]:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def run_process(database_url: str, redis_url: str) -> AsyncIterator[Process]:
    async with (
        open_pool(database_url, connections_max=5) as pool,
        Redis.from_url(redis_url) as redis,
    ):
        notifier, feed = CommitNotifier(redis, CHANNEL), Feed(pool)
        intake = Intake(pool, rekick_after=timedelta(seconds=60), on_commit=notifier.notify)
        tail = FeedTail(feed, str, is_feed_delayed=lambda: False)
        listen = partial(listen_for_commits, redis, CHANNEL)
        listener = CommitListener(tail, listen, linger_s=0.01)
        async with run_in_background(notifier.run, intake.run, tail.run, listener.run):
            yield Process(redis, intake, feed, tail)


async def receive_until(queue: OutgoingQueue[EventPage], order_id: UUID) -> list[UUID]:
    """The orders of the events up to that of one order."""
    received: list[UUID] = []
    async with asyncio.timeout(WAIT_S):
        while order_id not in received:
            received += [each.event.order_id for each in await queue.get()]
    return received


async def test_a_process_hears_nothing_without_sockets_and_then_misses_nothing(
    database_url: str, redis_url: str
) -> None:
    async with run_process(database_url, redis_url) as process:
        for _ in ("the first socket", "one after the last has left"):
            await process.wait_listening(0)
            await process.place()
            queue: OutgoingQueue[EventPage] = OutgoingQueue(CloseRequest(), weight_max=1_000)
            async with asyncio.TaskGroup() as placing:
                for _ in range(20):
                    placing.create_task(process.place())
                async with process.tail.subscribe(queue):
                    start = process.tail.position
                    for _ in range(20):
                        placing.create_task(process.place())
                    await process.wait_listening(1)
                    received = await receive_until(queue, await process.place())
            events, _ = await process.feed.read_events(start, len(received))
            assert received == [each.order_id for each in events]

"""The queue on a Redis that lost data, holds what is no job, or has consumers that are gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis

from backend.config.redis.url import parse_redis_url
from backend.queue.broker import GROUP, RECLAIM_IDLE_MS, STREAM, StreamBroker
from backend.queue.jobs import JobQueue
from backend.queue.messages import QueueState
from tests.integration.redis_servers import run_redis
from tests.integration.test_jobs import open_broker, receive_job, run_jobs, wait_empty
from tests.scenario import HAPPY_PATH, open_engine

IDS = [UUID(int=n) for n in range(1, 2_001)]
EMPTY = QueueState(jobs=0, delay_s=0)
ONLY_JOBS = {"rekick_s": 300}
"""Settings with which the sweep finds nothing within a test: only jobs execute orders."""

"""Messages that somebody else could publish on the channel."""


@pytest.fixture
async def server_url(data_dir: Path) -> AsyncIterator[str]:
    """A Redis of the system, not the Valkey of all other tests: it is flushed at will."""
    async with run_redis(data_dir) as server:
        yield server.url


@asynccontextmanager
async def open_gone_broker(url: str, consumer: str) -> AsyncIterator[StreamBroker]:
    """A broker for which every consumer that does not read right now is gone."""
    broker = StreamBroker(parse_redis_url(url), consumer=consumer, consumer_idle_max_s=0)
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(broker.run())
        try:
            yield broker
        finally:
            run.cancel()
    await broker.shutdown()


async def list_consumers(redis: Redis) -> set[bytes]:
    return {consumer["name"] for consumer in await redis.xinfo_consumers(STREAM, GROUP)}


async def make_idle(redis: Redis, consumer: str) -> None:
    """As if the consumer had not acknowledged its jobs for long."""
    pending = await redis.xpending_range(STREAM, GROUP, "-", "+", 10_000, consumername=consumer)
    ids: Any = [entry["message_id"] for entry in pending]
    await redis.xclaim(STREAM, GROUP, consumer, 0, ids, idle=2 * RECLAIM_IDLE_MS)


@pytest.mark.parametrize("loss", ["flushall", "stream", "group"])
async def test_orders_placed_after_redis_lost_its_data_are_executed_by_their_jobs(
    database_url: str, server_url: str, data_dir: Path, loss: str
) -> None:
    async with (
        open_engine(database_url, server_url, data_dir, workers=0, settings=ONLY_JOBS) as engine,
        Redis.from_url(server_url) as redis,
    ):
        if loss == "flushall":
            await redis.flushall()
        elif loss == "stream":
            await redis.delete(STREAM)
        else:
            await redis.xgroup_destroy(STREAM, GROUP)
        terms = engine.build_terms("0.01")
        ids = [*await engine.place_orders(*[terms] * 50), *await engine.place_orders(*[terms] * 50)]
        await engine.workers.start()
        for history in await engine.wait_all_ended(ids):
            assert history.statuses == HAPPY_PATH
        await wait_empty(redis)


async def test_a_running_worker_reads_on_after_redis_lost_its_data(server_url: str) -> None:
    received: set[str] = set()
    done = asyncio.Event()

    async def execute(order_id: str, terms_text: str | None) -> None:
        received.add(order_id)
        if len(received) == len(IDS):
            done.set()

    async with (
        open_broker(server_url) as broker,
        Redis.from_url(server_url) as redis,
        run_jobs(broker, execute),
    ):
        await JobQueue(broker).send("local", IDS[:1_000])
        async with asyncio.timeout(60):
            while len(received) < 1_000:
                await asyncio.sleep(0.01)
        await redis.flushall()
        await JobQueue(broker).send("local", IDS[1_000:])
        await asyncio.wait_for(done.wait(), 30)
        await wait_empty(redis)
        assert await broker.measure() == EMPTY


async def test_the_delay_of_the_queue_is_the_age_of_its_oldest_job(server_url: str) -> None:
    async with open_broker(server_url) as broker, Redis.from_url(server_url) as redis:
        seconds, _ = await redis.time()
        await redis.xadd(STREAM, {"data": b"old"}, id=f"{(seconds - 100) * 1000}-0")
        await JobQueue(broker).send("local", IDS)
        await broker.wait_sent()
        assert (await broker.measure()).delay_s >= 100
        assert (await broker.measure()).jobs == len(IDS) + 1
        # What a worker has received may have died with it.
        await redis.xreadgroup(GROUP, "dead", {STREAM: ">"}, count=1)
        assert (await broker.measure()).delay_s < 100
        await redis.flushall()
        assert (await broker.measure()).delay_s == 0


async def test_entries_that_the_group_has_passed_over_are_removed(server_url: str) -> None:
    async with open_broker(server_url) as broker, Redis.from_url(server_url) as redis:
        await redis.flushall()
        for _ in range(100):
            await redis.xadd(STREAM, {"data": b"dead"})
        await redis.xgroup_create(STREAM, GROUP, id="$")
        assert await broker.measure() == EMPTY
        await JobQueue(broker).send("local", IDS[:1])
        await broker.wait_sent()
        assert (await broker.measure()).jobs == 1
        assert str(IDS[0]).encode() in (await receive_job(broker)).data
        # Received and not acknowledged: it still waits, and what is older does not.
        await redis.xadd(STREAM, {"data": b"newer"})
        assert (await broker.measure()).jobs == 2


async def test_a_dead_consumer_goes_after_its_jobs_were_taken_over(server_url: str) -> None:
    async with (
        open_broker(server_url, "dead") as dead,
        open_gone_broker(server_url, "alive") as alive,
        Redis.from_url(server_url) as redis,
    ):
        await JobQueue(dead).send("local", IDS[:1])
        await receive_job(dead)
        await alive.measure()
        assert await list_consumers(redis) == {b"dead"}, "its jobs would go with it"
        await make_idle(redis, "dead")
        message = await receive_job(alive)
        assert str(IDS[0]).encode() in message.data
        async with asyncio.timeout(60):
            while b"dead" in await list_consumers(redis):
                await alive.measure()
        assert (await alive.measure()).jobs == 1


async def test_all_jobs_of_a_dead_worker_are_taken_over_at_once(server_url: str) -> None:
    async with open_broker(server_url, "dead") as dead, Redis.from_url(server_url) as redis:
        await JobQueue(dead).send("local", IDS[:1_500])
        await dead.wait_sent()
        await redis.xreadgroup(GROUP, "dead", {STREAM: ">"}, count=1_500)
        await make_idle(redis, "dead")
        received: set[bytes] = set()
        async with open_broker(server_url, "alive") as alive, asyncio.timeout(60):
            async for message in alive.listen():
                assert isinstance(message.data, bytes)
                received.add(message.data)
                if len(received) == 1_500:
                    break


async def test_a_worker_that_stops_hands_its_jobs_to_others_and_leaves(server_url: str) -> None:
    is_running, may_end = asyncio.Event(), asyncio.Event()

    async def execute(order_id: str, terms_text: str | None) -> None:
        is_running.set()
        await may_end.wait()

    async with open_broker(server_url, "other") as other, Redis.from_url(server_url) as redis:
        await JobQueue(other).send("local", IDS[:50])
        async with (
            open_broker(server_url, "stopped") as stopped,
            run_jobs(stopped, execute, jobs_max=1),
        ):
            await is_running.wait()
            asyncio.get_running_loop().call_soon(may_end.set)
        assert await list_consumers(redis) == set()
        # Nothing of it has to be idle for ten seconds first.
        left: Any = await redis.xreadgroup(GROUP, "other", {STREAM: ">"}, count=100)
        jobs = [fields[b"data"] for _, fields in left[0][1]]
        assert sum(str(order_id).encode() in job for order_id in IDS[:50] for job in jobs) >= 48
        assert (await redis.xpending(STREAM, GROUP))["pending"] == len(jobs)


NO_JOBS: tuple[Mapping[str, str | bytes], ...] = (
    {"text": "no data"},
    {"data": b""},
    {"data": b"\xff\x00"},
    {"data": b"null"},
    {"data": b"[]"},
    {"data": b'{"task_id":"1","task_name":"another","labels":{},"args":[],"kwargs":{}}'},
    {"data": b'{"task_id":"1","task_name":"execute_order","labels":{},"args":[],"kwargs":{}}'},
    {
        "data": b'{"task_id":"1","task_name":"execute_order","labels":{"ack_type":"x"},'
        b'"args":["y"],"kwargs":{}}'
    },
)


async def test_what_is_no_job_is_dropped_and_stops_nobody(server_url: str) -> None:
    done = asyncio.Event()

    async def execute(order_id: str, terms_text: str | None) -> None:
        UUID(order_id)
        done.set()

    async with open_broker(server_url) as broker, Redis.from_url(server_url) as redis:
        async with run_jobs(broker, execute):
            for fields in NO_JOBS:
                await redis.xadd(STREAM, fields)  # type: ignore[arg-type]
            await JobQueue(broker).send("local", IDS[:1])
            await asyncio.wait_for(done.wait(), 30)
            await wait_empty(redis)
        assert (await redis.xpending(STREAM, GROUP))["pending"] == 0


async def test_a_pending_entry_whose_job_was_deleted_is_forgotten(server_url: str) -> None:
    async with open_broker(server_url) as broker, Redis.from_url(server_url) as redis:
        await JobQueue(broker).send("local", IDS[:3])
        await broker.wait_sent()
        await redis.xreadgroup(GROUP, "dead", {STREAM: ">"})
        await redis.xtrim(STREAM, maxlen=0, approximate=False)
        assert await broker.measure() == EMPTY
        assert (await redis.xpending(STREAM, GROUP))["pending"] == 0

"""Doing what a stroke says to a running system: each fault lasts as long as its block."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import aiohttp
import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from backend.queue.broker import STREAM
from backend.trials.chaos.faults import Kind, Stroke
from backend.trials.chaos.system import System, Unit

_COPY: Final = b"copy"
_LOOK_S: Final = 0.02
_DISK_FULL: Final = """
CREATE OR REPLACE FUNCTION chaos_disk_full() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
END $$;
DROP TRIGGER IF EXISTS chaos_disk_full ON order_events;
CREATE CONSTRAINT TRIGGER chaos_disk_full AFTER INSERT ON order_events
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION chaos_disk_full();
"""
_DISK_FREE: Final = "DROP TRIGGER IF EXISTS chaos_disk_full ON order_events"
_DISCONNECT: Final = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
)

Inject = Callable[[System, Stroke], AbstractAsyncContextManager[Unit | None]]
"""Begins a fault and ends it; what it yields has to die meanwhile."""


async def strike(system: System, stroke: Stroke, begun: asyncio.Event) -> bool:
    """Do what a stroke says and undo it when its time is over; whether it took effect.

    ``begun`` is set once it is in effect, or cannot be.
    """
    try:
        async with INJECT[stroke.kind](system, stroke) as victim:
            begun.set()
            async with asyncio.timeout(stroke.for_s if victim else None):
                await (victim.died() if victim else asyncio.sleep(stroke.for_s))
    except (NotDone, RedisError, OSError, aiohttp.ClientError, asyncpg.PostgresError):
        return False
    finally:
        begun.set()
    return True


class NotDone(Exception):
    """A fault did not take effect."""


class _Count:
    number = 0

    def must_be_some(self) -> None:
        if not self.number:
            raise NotDone("there was no job to do it to")


@asynccontextmanager
async def _killed(system: System, stroke: Stroke) -> AsyncIterator[None]:
    unit = system.units[stroke.target]
    async with unit.turn:
        await unit.kill()
        try:
            yield
        finally:
            await unit.start()


@asynccontextmanager
async def _paused(system: System, stroke: Stroke) -> AsyncIterator[None]:
    unit = system.units[stroke.target]
    async with unit.turn:
        unit.pause()
        try:
            yield
        finally:
            unit.go_on()


@asynccontextmanager
async def _terminated(system: System, stroke: Stroke) -> AsyncIterator[None]:
    unit = system.units[stroke.target]
    async with unit.turn:
        await unit.stop()
        try:
            yield
        finally:
            await unit.start()


@asynccontextmanager
async def _crashing(system: System, stroke: Stroke) -> AsyncIterator[Unit]:
    """One more worker, which dies at a point that an order reaches."""
    name = f"victim-{stroke.target.replace(':', '-')}"
    async with system.one_more_worker(name, {"crash_at": stroke.target}) as victim:
        yield victim


@asynccontextmanager
async def _clock_ahead(system: System, stroke: Stroke) -> AsyncIterator[None]:
    seconds = stroke.target.partition(" ")[0]
    module = ("backend.trials.chaos.skewed_clock", seconds, "backend.cli")
    async with system.one_more_worker("worker-ahead", {}, module=module):
        yield


@asynccontextmanager
async def _flushed(system: System, stroke: Stroke) -> AsyncIterator[None]:
    async with Redis.from_url(system.redis_url) as redis:
        await redis.flushall()
    yield


@asynccontextmanager
async def _doubled_jobs(system: System, stroke: Stroke) -> AsyncIterator[None]:
    done = _Count()
    async with Redis.from_url(system.redis_url) as redis, asyncio.TaskGroup() as tasks:
        copying = tasks.create_task(_copy_jobs(redis, done))
        yield
        copying.cancel()
    done.must_be_some()


async def _copy_jobs(redis: Redis, done: _Count) -> None:
    last: Any = b"$"
    while True:
        found: Any = await redis.xread({STREAM: last}, block=1_000, count=1_000)
        entries = [entry for _, entries in found or () for entry in entries]
        for entry_id, fields in entries:
            last = entry_id
            if _COPY not in fields:
                await redis.xadd(STREAM, {**fields, _COPY: b"1"})
                done.number += 1


@asynccontextmanager
async def _lost_jobs(system: System, stroke: Stroke) -> AsyncIterator[None]:
    """Jobs are taken by Redis and thrown away; workers that want to read are turned away."""
    done = _Count()
    async with Redis.from_url(system.redis_url) as redis, asyncio.TaskGroup() as tasks:
        await _allow_reading(redis, "-")
        await redis.client_kill_filter(_type="normal", skipme=True)
        losing = tasks.create_task(_lose_jobs(redis, done))
        try:
            yield
        finally:
            losing.cancel()
            done.number += await redis.xtrim(STREAM, maxlen=0, approximate=False)
            await _allow_reading(redis, "+")
    done.must_be_some()


async def _allow_reading(redis: Redis, sign: str) -> None:
    commands = [f"{sign}xreadgroup", f"{sign}xautoclaim"]
    await redis.acl_setuser("default", enabled=True, nopass=True, commands=commands)


async def _lose_jobs(redis: Redis, done: _Count) -> None:
    while True:
        done.number += await redis.xtrim(STREAM, maxlen=0, approximate=False)
        await asyncio.sleep(_LOOK_S)


@asynccontextmanager
async def _disconnected(system: System, stroke: Stroke) -> AsyncIterator[None]:
    connection = await asyncpg.connect(system.database_url)
    try:
        await connection.fetchval(_DISCONNECT)
        yield
    finally:
        await connection.close()


@asynccontextmanager
async def _failing_commits(system: System, stroke: Stroke) -> AsyncIterator[None]:
    connection = await asyncpg.connect(system.database_url)
    try:
        await connection.execute(_DISK_FULL)
        try:
            yield
        finally:
            await connection.execute(_DISK_FREE)
    finally:
        await connection.close()


@asynccontextmanager
async def _node_fault(system: System, stroke: Stroke) -> AsyncIterator[None]:
    number = (await tell(system, "faults", json.loads(stroke.target)))["id"]
    try:
        yield
    finally:
        await tell(system, f"faults/{number}", method="DELETE")


@asynccontextmanager
async def _advanced(system: System, stroke: Stroke) -> AsyncIterator[None]:
    await tell(system, "advance", {"blocks": int(stroke.target)})
    yield


@asynccontextmanager
async def _forked(system: System, stroke: Stroke) -> AsyncIterator[None]:
    await tell(system, "fork", {"blocks": int(stroke.target)})
    yield


INJECT: Final[Mapping[Kind, Inject]] = {
    Kind.KILL: _killed,
    Kind.PAUSE: _paused,
    Kind.TERMINATE: _terminated,
    Kind.CRASH: _crashing,
    Kind.CLOCK: _clock_ahead,
    Kind.FLUSH: _flushed,
    Kind.DOUBLE_JOBS: _doubled_jobs,
    Kind.LOSE_JOBS: _lost_jobs,
    Kind.DISCONNECT: _disconnected,
    Kind.FAIL_COMMITS: _failing_commits,
    Kind.NODE: _node_fault,
    Kind.ADVANCE: _advanced,
    Kind.FORK: _forked,
}


async def tell(
    system: System, path: str, body: object = None, *, method: str = "POST"
) -> dict[str, object]:
    """Tell the simulated node to do something. Raises ``NotDone`` if it does not."""
    url = f"{system.chain_url}/control/{path}"
    async with aiohttp.request(method, url, json=body) as response:
        answer: dict[str, object] = await response.json()
        if response.status != 200:
            raise NotDone(str(answer))
        return answer

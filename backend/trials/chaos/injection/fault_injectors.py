"""Injects faults into a running system: each injector is a context manager around its fault."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final

import aiohttp
import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from backend.queue.broker import STREAM
from backend.runtime.background import run_in_background
from backend.trials.chaos.fault_kinds import Fault, FaultKind
from backend.trials.chaos.injection.database_injectors import (
    disconnect_clients,
    fail_commits,
    set_database_clock,
)
from backend.trials.chaos.injection.node_control import FaultNotApplied, SwingingPrice, send_control
from backend.trials.chaos.injection.signer_flood import flood_signer
from backend.trials.chaos.injection.trading_halts import halt_trading
from backend.trials.chaos.system import EngineSystem
from backend.trials.chaos.units.process_unit import ProcessUnit

_COPY_FIELD: Final = b"copy"
_TRIM_INTERVAL_S: Final = 0.02
_NOTIFICATIONS: Final = "order-engine:*:committed"
_NOTIFICATION_DELAY_S: Final = 0.02
_DISCONNECT_INTERVAL_S: Final = 0.7

LONE_CRASH_S: Final = 20.0
"""How long a worker may run until it crashes."""

FaultInjector = Callable[[EngineSystem, Fault], AbstractAsyncContextManager[ProcessUnit | None]]
"""Applies a fault and reverts it; a process unit that it yields must crash in between."""


async def inject(system: EngineSystem, fault: Fault, started: asyncio.Event) -> bool:
    """Apply a fault and revert it after its duration; returns whether it took effect.

    ``started`` is set once the fault is in effect or has failed to be applied.
    """
    try:
        async with INJECTORS[fault.kind](system, fault) as victim:
            started.set()
            async with asyncio.timeout(fault.duration_s if victim else None):
                await (victim.wait_exited() if victim else asyncio.sleep(fault.duration_s))
    except (FaultNotApplied, RedisError, OSError, aiohttp.ClientError, asyncpg.PostgresError):
        return False
    finally:
        started.set()
    return True


class _JobCount:
    """The number of jobs, or of other messages, that a fault has hit."""

    number = 0

    def require_any(self) -> None:
        if not self.number:
            raise FaultNotApplied("the fault hit no message")


@asynccontextmanager
async def _take_down(
    system: EngineSystem, fault: Fault, end: Callable[[ProcessUnit], Awaitable[None]]
) -> AsyncIterator[None]:
    unit = system.units[fault.target]
    async with unit.fault_lock:
        await end(unit)
        try:
            yield
        finally:
            await unit.start()


_kill_process: Final = partial(_take_down, end=ProcessUnit.kill)
_terminate_process: Final = partial(_take_down, end=ProcessUnit.stop)


@asynccontextmanager
async def _pause_process(system: EngineSystem, fault: Fault) -> AsyncIterator[None]:
    unit = system.units[fault.target]
    async with unit.fault_lock:
        unit.pause()
        try:
            yield
        finally:
            unit.resume()


@asynccontextmanager
async def _run_crashing_worker(system: EngineSystem, fault: Fault) -> AsyncIterator[ProcessUnit]:
    """Run an extra worker that crashes when an order reaches a checkpoint."""
    name = f"victim-{fault.target.replace(':', '-')}"
    async with system.run_extra_worker(name, {"crash_at": fault.target}) as victim:
        yield victim


@asynccontextmanager
async def _crash_lone_workers(system: EngineSystem, fault: Fault) -> AsyncIterator[None]:
    """Run workers one after the other, each until it crashes at a checkpoint, and no others.

    The price swings more and more meanwhile, so that each of them meets orders that wait.
    """
    async with AsyncExitStack() as stack:
        for name in system.worker_names():
            await stack.enter_async_context(_kill_process(system, replace(fault, target=name)))
        price = SwingingPrice(system)
        async with run_in_background(price.swing):
            for checkpoint in fault.target.split():
                async with (
                    _run_crashing_worker(system, replace(fault, target=checkpoint)) as victim,
                    asyncio.timeout(LONE_CRASH_S),
                ):
                    await victim.wait_exited()
        await price.move_to(0)
        yield


@asynccontextmanager
async def _run_skewed_worker(system: EngineSystem, fault: Fault) -> AsyncIterator[None]:
    seconds = fault.target.partition(" ")[0]
    module = ("backend.trials.chaos.skewed_clock", seconds, "backend.cli")
    async with system.run_extra_worker("worker-ahead", {}, module=module):
        yield


@asynccontextmanager
async def _flush_redis(system: EngineSystem, fault: Fault) -> AsyncIterator[None]:
    async with Redis.from_url(system.redis_url) as redis:
        await redis.flushall()
    yield


@asynccontextmanager
async def _duplicate_jobs(system: EngineSystem, fault: Fault) -> AsyncIterator[None]:
    job_count = _JobCount()
    async with (
        Redis.from_url(system.redis_url) as redis,
        run_in_background(partial(_copy_jobs, redis, job_count)),
    ):
        yield
    job_count.require_any()


async def _copy_jobs(redis: Redis, job_count: _JobCount) -> None:
    last: Any = b"$"
    while True:
        found: Any = await redis.xread({STREAM: last}, block=1_000, count=1_000)
        entries = [entry for _, entries in found or () for entry in entries]
        for entry_id, fields in entries:
            last = entry_id
            if _COPY_FIELD not in fields:
                await redis.xadd(STREAM, {**fields, _COPY_FIELD: b"1"})
                job_count.number += 1


@asynccontextmanager
async def _lose_jobs(system: EngineSystem, fault: Fault) -> AsyncIterator[None]:
    """Redis accepts jobs and discards them; ACLs deny reads to the workers."""
    job_count = _JobCount()
    async with Redis.from_url(system.redis_url) as redis:
        await _allow_reading(redis, "-")
        await redis.client_kill_filter(_type="normal", skipme=True)
        try:
            async with run_in_background(partial(_trim_stream, redis, job_count)):
                yield
        finally:
            job_count.number += await redis.xtrim(STREAM, maxlen=0, approximate=False)
            await _allow_reading(redis, "+")
    job_count.require_any()


async def _allow_reading(redis: Redis, sign: str) -> None:
    commands = [f"{sign}xreadgroup", f"{sign}xautoclaim"]
    await redis.acl_setuser("default", enabled=True, nopass=True, commands=commands)


async def _trim_stream(redis: Redis, job_count: _JobCount) -> None:
    while True:
        job_count.number += await redis.xtrim(STREAM, maxlen=0, approximate=False)
        await asyncio.sleep(_TRIM_INTERVAL_S)


@asynccontextmanager
async def _disturb_notifications(system: EngineSystem, fault: Fault) -> AsyncIterator[None]:
    """Each comes again later, some twice, and so out of order; at times nobody gets any."""
    job_count = _JobCount()
    async with (
        Redis.from_url(system.redis_url) as redis,
        run_in_background(
            partial(_repeat_notifications, redis, job_count),
            partial(_disconnect_subscribers, redis),
        ),
    ):
        yield
    job_count.require_any()


async def _repeat_notifications(redis: Redis, job_count: _JobCount) -> None:
    seen: set[bytes] = set()

    async def repeat(message: Any, number: int) -> None:
        for _ in range(1 + number % 2):
            await asyncio.sleep(number % 7 * _NOTIFICATION_DELAY_S)
            with suppress(RedisError):
                await redis.publish(message["channel"], message["data"])

    async with asyncio.TaskGroup() as tasks:
        while True:
            with suppress(RedisError):  # it is disconnected like the other subscribers
                async with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                    await pubsub.psubscribe(_NOTIFICATIONS)
                    async for message in pubsub.listen():
                        if message["data"] not in seen:
                            seen.add(message["data"])
                            job_count.number = len(seen)
                            tasks.create_task(repeat(message, len(seen)))


async def _disconnect_subscribers(redis: Redis) -> None:
    while True:
        await asyncio.sleep(_DISCONNECT_INTERVAL_S)
        await redis.client_kill_filter(_type="pubsub")


@asynccontextmanager
async def _apply_node_fault(system: EngineSystem, fault: Fault) -> AsyncIterator[None]:
    fault_id = (await send_control(system, "faults", json.loads(fault.target)))["id"]
    try:
        yield
    finally:
        await send_control(system, f"faults/{fault_id}", method="DELETE")


@asynccontextmanager
async def _control_chain(system: EngineSystem, fault: Fault) -> AsyncIterator[None]:
    number = int(fault.target)
    match fault.kind:
        case FaultKind.ADVANCE_BLOCKS:
            await send_control(system, "advance", {"blocks": number})
        case FaultKind.FORK_CHAIN:
            await send_control(system, "fork", {"blocks": number})
        case _:
            await send_control(system, "price", {"pair": ["SOL", "USDC"], "bps": number})
    yield


INJECTORS: Final[Mapping[FaultKind, FaultInjector]] = {
    FaultKind.KILL: _kill_process,
    FaultKind.PAUSE: _pause_process,
    FaultKind.TERMINATE: _terminate_process,
    FaultKind.CRASH: _run_crashing_worker,
    FaultKind.CRASH_ALONE: _crash_lone_workers,
    FaultKind.CLOCK_SKEW: _run_skewed_worker,
    FaultKind.SET_CLOCK: set_database_clock,
    FaultKind.FLUSH: _flush_redis,
    FaultKind.DUPLICATE_JOBS: _duplicate_jobs,
    FaultKind.LOSE_JOBS: _lose_jobs,
    FaultKind.DISTURB_NOTIFICATIONS: _disturb_notifications,
    FaultKind.DISCONNECT: disconnect_clients,
    FaultKind.FAIL_COMMITS: fail_commits,
    FaultKind.HALT: halt_trading,
    FaultKind.FLOOD_SIGNER: flood_signer,
    FaultKind.NODE_FAULT: _apply_node_fault,
    FaultKind.ADVANCE_BLOCKS: _control_chain,
    FaultKind.FORK_CHAIN: _control_chain,
    FaultKind.MOVE_PRICE: _control_chain,
}

"""Posts orders while the disk of PostgreSQL loses power again and again, and audits all of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import aiohttp

from backend.domain.errors import Rejected
from backend.embedded.data_dir import hold_data_dir
from backend.embedded.valkey import ValkeyServer
from backend.store.migrations import migrate
from backend.trials.audit.clients import ClientObservations, TrialClient
from backend.trials.audit.collector import EvidenceCollector, TrialAddresses, find_unanswered
from backend.trials.audit.records import Violation
from backend.trials.audit.rules import audit
from backend.trials.chaos.units.process_unit import ProcessUnit
from backend.trials.failover.engine_processes import start_engine
from backend.trials.failover.postgres_node import PostgresNode
from backend.trials.failover.volume import PowerLossVolume, enter_mount_namespace

CLIENTS: Final = 4
TIMEOUT_S: Final = 180.0
START_TIMEOUT_S: Final = 60.0
PID_FILE: Final = "postmaster.pid"
"""Without fsync it may be empty after a cut, and then keeps PostgreSQL from starting."""


@dataclass(frozen=True, slots=True)
class PowerLossResult:
    """What became of orders, how often the power was cut, and what is wrong.

    ``repeats`` counts the requests that clients had to repeat.
    """

    ends: Counter[str]
    cuts: int
    repeats: int
    violations: Sequence[Violation]


@dataclass(frozen=True, slots=True)
class _Servers:
    postgres: ProcessUnit
    volume: PowerLossVolume
    addresses: TrialAddresses


async def run_orders(
    data_dir: Path, orders: int, *, rate: float, cuts: int, seed: int, flushes: bool
) -> PowerLossResult:
    """Run orders, and cut the power some times meanwhile.

    Without ``flushes`` PostgreSQL runs with ``fsync`` off, and the audit is to find what is lost.
    Raises ``EngineError`` where no file system can be made.
    """
    observed, random = ClientObservations(), Random(f"{seed} cuts")  # noqa: S311 - repeatable
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        _run_servers(data_dir, flushes=flushes) as servers,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        collector = EvidenceCollector(servers.addresses, session)
        mark = await collector.record_mark()
        async with collector.record_stream(mark, observed), asyncio.TaskGroup() as group:
            posting = group.create_task(
                _post(session, servers.addresses.api_url, observed, orders, rate, seed)
            )
            for _ in range(cuts):
                await asyncio.sleep(orders / rate / (cuts + 1) * random.uniform(0.5, 1))
                await _lose_power(servers)
            await collector.await_orders_ended(mark, posting, TIMEOUT_S, needs_amounts=True)
            snapshot = await collector.fetch_orders(mark, observed)
        evidence = await collector.collect(
            mark, snapshot, observed, {"the stream": observed.stream}, needs_amounts=True
        )
    violations = [*audit(evidence), *find_unanswered(observed)]
    ends = Counter(str(row.status) for row in snapshot.rows.values())
    return PowerLossResult(ends, cuts, observed.errors, violations)


async def _lose_power(servers: _Servers) -> None:
    """Everything on that machine ends, and it is started again. Raises ``Rejected``."""
    servers.volume.cut()
    await servers.postgres.kill()
    await servers.volume.restore()
    servers.volume.remove_empty(PID_FILE)
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            await servers.postgres.start()
    except TimeoutError:
        reason = "PostgreSQL does not start again from what was flushed: its log says why"
        raise Rejected("not_started", reason) from None


async def _post(
    session: aiohttp.ClientSession,
    api_url: str,
    observed: ClientObservations,
    orders: int,
    rate: float,
    seed: int,
) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            random = Random(f"{seed} client {number}")  # noqa: S311 - repeatable, not secret
            client = TrialClient(session, api_url, f"client-{number}", random, observed)
            count = orders // CLIENTS + (number < orders % CLIENTS)
            group.create_task(client.post_steadily(count, orders / rate))


@asynccontextmanager
async def _run_servers(data_dir: Path, *, flushes: bool) -> AsyncIterator[_Servers]:
    enter_mount_namespace()
    (data_dir / "logs").mkdir(mode=0o700)
    settings = {} if flushes else {"fsync": "off"}
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(hold_data_dir(data_dir / "database"))
        node = PostgresNode(directory, "database", settings)
        postgres = ProcessUnit(node)
        volume = PowerLossVolume(directory.data_dir / "postgres", data_dir / "volume.img")
        valkey = ValkeyServer(stack.enter_context(hold_data_dir(data_dir / "redis")), 16)
        redis = ProcessUnit(valkey)
        stack.push_async_callback(volume.unmount)
        for unit in (redis, postgres):
            stack.push_async_callback(unit.kill)
        await redis.start()
        await postgres.start()
        await postgres.stop()
        await volume.create()
        await volume.prove_loss()
        await postgres.start()
        await migrate(node.url)
        stores = {"database_url": node.url, "redis_url": valkey.url}
        addresses = await start_engine(stack, data_dir, stores)
        volume.flush()
        yield _Servers(postgres, volume, addresses)

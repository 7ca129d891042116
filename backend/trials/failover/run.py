"""Posts orders while the primary PostgreSQL is killed and its synchronous standby promoted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Final

import aiohttp

from backend.domain.lifecycle import Status
from backend.embedded.data_dir import hold_data_dir
from backend.embedded.valkey import ValkeyServer
from backend.store.migrations import migrate
from backend.trials.audit.clients import ClientObservations, TrialClient
from backend.trials.audit.collector import EvidenceCollector, TrialAddresses, find_unanswered
from backend.trials.audit.evidence import DatabaseSnapshot, fetch_database_time
from backend.trials.audit.records import Violation
from backend.trials.audit.rules import audit
from backend.trials.chaos.units.process_unit import ProcessUnit
from backend.trials.failover.engine_processes import start_engine
from backend.trials.failover.postgres_node import PostgresNode, build_shared_url, describe_source

TIMEOUT_S: Final = 180.0
_SYNCHRONOUS: Final = (
    "ALTER SYSTEM SET synchronous_standby_names = '*'",
    "SELECT pg_reload_conf()",
)


@dataclass(frozen=True, slots=True)
class FailoverResult:
    """What became of orders, and what is wrong.

    Seconds from the loss of the primary to the promotion, the next order that was accepted, and the
    first of those that was confirmed.
    """

    ends: Counter[str]
    promoted_s: float
    accepted_s: float
    confirmed_s: float
    violations: Sequence[Violation]


@dataclass(frozen=True, slots=True)
class _Servers:
    primary: ProcessUnit
    standby: PostgresNode
    addresses: TrialAddresses


async def run_orders(
    data_dir: Path, orders: int, *, rate: float, seed: int, compares_history: bool
) -> FailoverResult:
    """Run orders, and lose the primary halfway. Raises ``EngineError`` if nothing starts."""
    observed, random = ClientObservations(), Random(seed)  # noqa: S311 - repeatable
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        _run_servers(data_dir, compares_history=compares_history) as servers,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        collector = EvidenceCollector(servers.addresses, session)
        mark = await collector.record_mark()
        client = TrialClient(session, servers.addresses.api_url, "trial", random, observed)
        async with collector.record_stream(mark, observed), asyncio.TaskGroup() as group:
            posting = group.create_task(client.post_steadily(orders, orders / rate))
            await asyncio.sleep(orders / rate / 2)
            lost_at = await fetch_database_time(servers.addresses.database_url)
            await servers.primary.kill()
            await servers.standby.promote()
            promoted_at = await fetch_database_time(servers.addresses.database_url)
            await collector.await_orders_ended(mark, posting, TIMEOUT_S, needs_amounts=True)
            snapshot = await collector.fetch_orders(mark, observed)
        evidence = await collector.collect(
            mark, snapshot, observed, {"the stream": observed.stream}, needs_amounts=True
        )
    violations = [*audit(evidence), *find_unanswered(observed)]
    return _build_result(snapshot, lost_at, promoted_at, violations)


def _build_result(
    snapshot: DatabaseSnapshot,
    lost_at: datetime,
    promoted_at: datetime,
    violations: Sequence[Violation],
) -> FailoverResult:
    def find_next(times: Sequence[datetime]) -> float:
        later = [each for each in times if each > promoted_at]
        return (min(later) - lost_at).total_seconds() if later else 0.0

    ended = [
        at
        for key, at in snapshot.ended_at.items()
        if snapshot.rows[key].status is Status.CONFIRMED and snapshot.created_at[key] > promoted_at
    ]
    return FailoverResult(
        Counter(str(row.status) for row in snapshot.rows.values()),
        (promoted_at - lost_at).total_seconds(),
        find_next(list(snapshot.created_at.values())),
        find_next(ended),
        violations,
    )


@asynccontextmanager
async def _run_servers(data_dir: Path, *, compares_history: bool) -> AsyncIterator[_Servers]:
    (data_dir / "logs").mkdir(mode=0o700)
    async with AsyncExitStack() as stack:
        first, second = (
            PostgresNode(
                stack.enter_context(hold_data_dir(data_dir / name)),
                name,
                {} if name == "first" else {"synchronous_standby_names": ""},
            )
            for name in ("first", "second")
        )
        primary, standby = ProcessUnit(first), ProcessUnit(second)
        valkey = ValkeyServer(stack.enter_context(hold_data_dir(data_dir / "redis")), 16)
        redis = ProcessUnit(valkey)
        for unit in (redis, standby, primary):
            stack.push_async_callback(unit.kill)
        await redis.start()
        await _start_databases(first, second, primary, standby)
        stores = {"database_url": build_shared_url(first, second), "redis_url": valkey.url}
        reconciliation = {"journal_reconciliation": "on" if compares_history else "off"}
        addresses = await start_engine(stack, data_dir, stores, reconciliation)
        yield _Servers(primary, second, addresses)


async def _start_databases(
    first: PostgresNode, second: PostgresNode, primary: ProcessUnit, standby: ProcessUnit
) -> None:
    await primary.start()
    await migrate(first.url)
    second.copy(describe_source(first), is_standby=True)
    await standby.start()
    await second.wait_replayed(first)
    for statement in _SYNCHRONOUS:
        await first.fetch(statement)

"""An engine over stores of which one has a primary that can be lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from backend.embedded.data_dir import hold_data_dir
from backend.embedded.valkey import ValkeyServer
from backend.store.migrations import migrate
from backend.trials.audit.collector import TrialAddresses
from backend.trials.chaos.units.process_unit import ProcessUnit
from backend.trials.failover.engine_processes import start_engine
from backend.trials.failover.postgres_node import PostgresNode, build_shared_url, describe_source
from backend.trials.failover.valkey_cluster import run_valkey_cluster

CLUSTER_TIMEOUT_S: Final = 2.0
"""How long a node of the Cluster may be silent before the others take it for lost."""
_SYNCHRONOUS: Final = (
    "ALTER SYSTEM SET synchronous_standby_names = '*'",
    "SELECT pg_reload_conf()",
)


@dataclass(frozen=True, slots=True)
class RunningStores:
    """The addresses of an engine, and what kills the primary and returns once it has another."""

    addresses: TrialAddresses
    replace_primary: Callable[[], Awaitable[None]]


@asynccontextmanager
async def run_postgres_pair(
    data_dir: Path, *, compares_history: bool
) -> AsyncIterator[RunningStores]:
    """Run an engine over a PostgreSQL with a synchronous standby, which is promoted."""
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
        urls = {"database_url": build_shared_url(first, second), "redis_url": valkey.url}
        reconciliation = {"journal_reconciliation": "on" if compares_history else "off"}

        async def replace_primary() -> None:
            await primary.kill()
            await second.promote()

        addresses = await start_engine(stack, data_dir, urls, reconciliation)
        yield RunningStores(addresses, replace_primary)


@asynccontextmanager
async def run_redis_cluster(data_dir: Path) -> AsyncIterator[RunningStores]:
    """Run an engine over a Redis Cluster, of which a replica takes the place of its primary."""
    (data_dir / "logs").mkdir(mode=0o700)
    async with AsyncExitStack() as stack:
        node = PostgresNode(stack.enter_context(hold_data_dir(data_dir / "first")), "first")
        database = ProcessUnit(node)
        stack.push_async_callback(database.kill)
        await database.start()
        await migrate(node.url)
        running = run_valkey_cluster(data_dir, timeout_s=CLUSTER_TIMEOUT_S)
        cluster = await stack.enter_async_context(running)
        urls = {"database_url": node.url, "redis_url": f"redis+cluster://{cluster.hosts}"}
        addresses = await start_engine(stack, data_dir, urls)
        yield RunningStores(addresses, cluster.lose_primary)


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

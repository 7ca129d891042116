"""Fixtures: real servers for the whole run, and a database for each test.

One PostgreSQL and one Valkey serve a run with all its xdist workers. They belong to a process that
the controller starts, before the first worker or for the first test that needs them; it ends when
its standard input is closed, so also when the controller is killed. Servers that cannot be started
are an error, never a skip.

- ``database_url``: a database of this xdist worker, a clone of one that is migrated once per run.
  It is truncated before each test, and cloned again if a test changed its schema: to create and
  drop one for every test would take most of the run.
- ``redis_url``: a logical database (``?db=n``) that no other running test uses; flushed before and
  after. Keys and streams are separate; pub/sub channels belong to the whole server, so a test that
  uses one has to choose its own name.
- ``data_dir``: a folder with a short path that the servers' user can read, also when tests run as
  root, where ``tmp_path`` is unreadable. For tests that start their own servers or
  ``order-engine up``.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import redis.asyncio as redis
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

ROOT = Path(__file__).parent.parent
REDIS_DATABASES = 1_000
SERVER_OPTIONS = (f"--redis-databases={REDIS_DATABASES}", "--connections-max=1000")
TEMPLATE = "order_engine_template"
BROWSER_TESTS = "tests/browser/"
UNIT_TESTS = Path("tests/unit")
MIGRATIONS = ROOT / "backend" / "store" / "migrations"
GC_THRESHOLDS = (10_000, 50, 50)
_TEMPLATE_LOCK = 7_301
TABLES = (
    *("orders", "order_events", "batches", "replayed_keys", "cancel_timers", "market_peaks"),
    *("restricted_peaks", "trigger_watchers", "tokens", "found_pools", "wallets"),
    *("wallet_budgets", "wallet_balances", "wallet_differences", "api_keys"),
    *("order_limits", "owner_days", "owner_open_orders"),
    *("position_checkpoints", "price_pairs", "price_seconds", "price_minutes"),
    *("trading_states", "audit_log", "breakers", "webhooks", "webhook_deliveries"),
    *("found_transactions", "archive_files", "archived_orders", "archived_names"),
    "archive_removals",
)
_TERMINATE_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid != pg_backend_pid()
"""
# A table without pages was not written since it was truncated, which takes a new file for it and
# for each of its indexes.
_WRITTEN_TABLES = """
    SELECT string_agg(name, ', ') FROM unnest($1::text[]) AS name
    WHERE pg_relation_size(name::regclass) > 0
"""
# What ANALYZE has found in the rows of one test would choose the plans of another.
_FORGET_STATISTICS = "DELETE FROM pg_statistic WHERE starelid = ANY($1::text[]::regclass[])"


@dataclass(frozen=True, slots=True)
class RunningServers:
    process: subprocess.Popen[str]
    data_dir: str
    urls: dict[str, str]

    def stop(self) -> None:
        self.process.communicate(timeout=60)
        shutil.rmtree(self.data_dir, ignore_errors=True)


SERVERS = pytest.StashKey[RunningServers]()


def get_server_urls(config: pytest.Config) -> dict[str, str]:
    """The URLs of the servers of this run; the first call starts the servers."""
    workerinput: dict[str, Any] | None = getattr(config, "workerinput", None)
    if workerinput is not None:
        urls: dict[str, str] = workerinput["server_urls"]
        return urls
    if SERVERS not in config.stash:
        data_dir = tempfile.mkdtemp(prefix="oe-run-")
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "server_process.py"), data_dir, *SERVER_OPTIONS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"the servers of the test run do not start; see {data_dir}/logs"
        config.stash[SERVERS] = RunningServers(process, data_dir, json.loads(line))
    return config.stash[SERVERS].urls


class BrowserScopeScheduler(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each test to a free worker, and all tests that share a browser to the same one.

    The mark ``xdist_group`` is meant for that, but has no effect with pytest 9.2 and xdist 3.8.
    """

    def _split_scope(self, nodeid: str) -> str:
        return BROWSER_TESTS if nodeid.startswith(BROWSER_TESTS) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> BrowserScopeScheduler:
    """xdist's hook in the controller, before tests are distributed."""
    return BrowserScopeScheduler(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """xdist's hook: what ``-n auto`` means. Tests wait for processes about half of the time.

    A few files of unit tests take less time than workers take to start.
    """
    files = [Path(argument.partition("::")[0]) for argument in config.args]
    if all(file.is_file() and file.parent == UNIT_TESTS for file in files):
        return 0
    return (os.cpu_count() or 1) * 2


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist's hook in the controller, before a worker starts."""
    node.workerinput["server_urls"] = get_server_urls(node.config)


def pytest_configure() -> None:
    gc.disable()  # until all tests are collected
    # Else each of the many processes that tests start compiles all our modules again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    # A busy machine must not make tests fail.
    settings.register_profile("any", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("any")
    # Otherwise Python 3.11 creates a loop for the first caller of get_event_loop; nobody closes it.
    asyncio.set_event_loop(None)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start long tests first: no worker is left with one while the others have nothing to do."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    """Collect as the engine's processes do, without what there is now: a traversal takes 0.2 s."""
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()


def pytest_unconfigure(config: pytest.Config) -> None:
    if SERVERS in config.stash:
        config.stash[SERVERS].stop()


@pytest.fixture
async def database_url(pytestconfig: pytest.Config) -> str:
    base = get_server_urls(pytestconfig)["database_url"]
    name = f"test_{os.getpid()}"
    url = _build_database_url(base, name)
    if not await _empty_database(url):
        admin = await asyncpg.connect(base)
        try:
            await _create_template(admin, base)
            await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            await admin.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        finally:
            await admin.close()
    return url


async def _create_template(admin: asyncpg.Connection[asyncpg.Record], base: str) -> None:
    """Create the migrated template database once; other xdist workers wait for it."""
    from backend.store.migrations import migrate

    await admin.execute("SELECT pg_advisory_lock($1)", _TEMPLATE_LOCK)
    try:
        if await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", TEMPLATE):
            return
        partial = f"{TEMPLATE}_partial"
        await admin.execute(f"DROP DATABASE IF EXISTS {partial}")
        await admin.execute(f"CREATE DATABASE {partial}")
        await migrate(_build_database_url(base, partial))
        # These tests kill processes, not the machine: commits need no fsync.
        await admin.execute("ALTER SYSTEM SET fsync = off")
        await admin.execute("ALTER SYSTEM SET autovacuum = off")  # it may run ANALYZE at any time
        await admin.execute("SELECT pg_reload_conf()")
        await admin.execute(f"ALTER DATABASE {partial} RENAME TO {TEMPLATE}")
    finally:
        await admin.execute("SELECT pg_advisory_unlock($1)", _TEMPLATE_LOCK)


async def _empty_database(url: str) -> bool:
    """Empty the database of an earlier test; false if there is none, or its schema was changed."""
    try:
        connection = await asyncpg.connect(url)
    except asyncpg.InvalidCatalogNameError:
        return False
    try:
        await connection.execute(_TERMINATE_OTHERS)
        if await connection.fetchval("SELECT to_regclass('migrations')") is None:
            return False
        names = {row["name"] for row in await connection.fetch("SELECT name FROM migrations")}
        if names != {path.stem for path in MIGRATIONS.glob("*.sql")}:
            return False
        # Events cannot be removed while triggers are on.
        await connection.execute("SET session_replication_role = replica")
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {', '.join(TABLES)}")
            if written := await connection.fetchval(_WRITTEN_TABLES, TABLES):
                await connection.execute(f"TRUNCATE {written}")
                await connection.execute(_FORGET_STATISTICS, TABLES)
            await connection.execute(
                "UPDATE trigger_shards SET holder = NULL, lease_until = NULL"
                " WHERE holder IS NOT NULL OR lease_until IS NOT NULL"
            )
            await connection.execute(
                "UPDATE notice_positions SET holder = NULL, lease_until = NULL, txid = NULL"
                " WHERE txid IS NOT NULL"
            )
            await connection.execute("UPDATE api_keys_version SET version = 0 WHERE version <> 0")
            await connection.execute("UPDATE order_limits_version SET version = 0")
            await connection.execute(
                "UPDATE journal SET server_started_at = NULL, cluster = NULL"
                " WHERE server_started_at IS NOT NULL OR cluster IS NOT NULL"
            )
            await connection.execute(
                "UPDATE audit_head SET id = 0, sealed_txid = 0,"
                " hash = (SELECT sha256(convert_to(id::text, 'UTF8')) FROM journal) WHERE id > 0"
            )
        return True
    finally:
        await connection.close()


def _build_database_url(base: str, name: str) -> str:
    return urlunsplit(urlsplit(base)._replace(path=f"/{name}"))


@pytest.fixture
async def redis_url(pytestconfig: pytest.Config) -> AsyncIterator[str]:
    base = get_server_urls(pytestconfig)["redis_url"]
    async with redis.from_url(base) as shared:
        count = await shared.incr("tests that asked for a database")
    url = f"{base}?db={1 + count % (REDIS_DATABASES - 1)}"
    async with redis.from_url(url) as own:
        await own.flushdb()
        yield url
        await own.flushdb()


@pytest.fixture
def data_dir() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="oe-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)

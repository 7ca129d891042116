"""Real servers for the whole run, and a database of its own for each test.

One PostgreSQL and one Valkey serve a run and all its xdist workers. They live in a process that
the controller starts, before the first worker or when the first test asks; it ends when its
standard input does, so also when the controller is killed. Servers that cannot be started are an
error, never a skip.

- ``database_url``: a database of this xdist worker, a clone of one that is migrated once a run. It
  is emptied before each test, and cloned again if a test changed its schema: making and dropping
  one for every test would take most of the run.
- ``redis_url``: a logical database (``?db=n``) that no other running test uses; emptied before and
  after. Keys and streams are separate; pub/sub channels are one for the whole server, so a test
  that uses one has to choose its name.
- ``data_dir``: a folder with a short path that the servers' user can reach, also as root, where
  ``tmp_path`` cannot be. For tests that start servers, or ``order-engine up``, of their own.
"""

from __future__ import annotations

import asyncio
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
TOGETHER = "tests/browser/"
MIGRATIONS = ROOT / "backend" / "store" / "migrations"
_TEMPLATE_LOCK = 7_301
_IS_THERE = "SELECT 1 FROM pg_database WHERE datname = $1"
_END_OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1"


@dataclass(frozen=True, slots=True)
class RunningServers:
    process: subprocess.Popen[str]
    data_dir: str
    urls: dict[str, str]

    def stop(self) -> None:
        self.process.communicate(timeout=60)
        shutil.rmtree(self.data_dir, ignore_errors=True)


SERVERS = pytest.StashKey[RunningServers]()


def server_urls(config: pytest.Config) -> dict[str, str]:
    """The URLs of the run's servers, which are started when they are first asked for."""
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


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each test to whichever worker is free, and all that share a browser to one of them.

    The mark ``xdist_group`` is for that, but has no effect with pytest 9.2 and xdist 3.8.
    """

    def _split_scope(self, nodeid: str) -> str:
        return TOGETHER if nodeid.startswith(TOGETHER) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """xdist's hook in the controller, before tests are distributed."""
    return Scheduling(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist's hook in the controller, before a worker starts."""
    node.workerinput["server_urls"] = server_urls(node.config)


def pytest_configure() -> None:
    # A busy machine is no reason for a failure.
    settings.register_profile("any", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("any")
    # Else Python 3.11 makes a loop for whoever first asks for the current one, which nobody closes.
    asyncio.set_event_loop(None)


def pytest_unconfigure(config: pytest.Config) -> None:
    if SERVERS in config.stash:
        config.stash[SERVERS].stop()


@pytest.fixture
async def database_url(pytestconfig: pytest.Config) -> str:
    base = server_urls(pytestconfig)["database_url"]
    name = f"test_{os.getpid()}"
    url = _database(base, name)
    admin = await asyncpg.connect(base)
    try:
        await _ensure_template(admin, base)
        if await admin.fetchval(_IS_THERE, name) and not await _is_emptied(admin, url, name):
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        if not await admin.fetchval(_IS_THERE, name):
            await admin.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    finally:
        await admin.close()
    return url


async def _ensure_template(admin: asyncpg.Connection[asyncpg.Record], base: str) -> None:
    """Whichever worker comes first migrates; the others wait."""
    from backend.store.migrations import migrate

    await admin.execute("SELECT pg_advisory_lock($1)", _TEMPLATE_LOCK)
    try:
        if await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", TEMPLATE):
            return
        partial = f"{TEMPLATE}_partial"
        await admin.execute(f"DROP DATABASE IF EXISTS {partial}")
        await admin.execute(f"CREATE DATABASE {partial}")
        await migrate(_database(base, partial))
        # These tests kill processes, not the machine: the disk need not hear of every commit.
        await admin.execute("ALTER SYSTEM SET fsync = off")
        await admin.execute("SELECT pg_reload_conf()")
        await admin.execute(f"ALTER DATABASE {partial} RENAME TO {TEMPLATE}")
    finally:
        await admin.execute("SELECT pg_advisory_unlock($1)", _TEMPLATE_LOCK)


async def _is_emptied(admin: asyncpg.Connection[asyncpg.Record], url: str, name: str) -> bool:
    """Empty the database that an earlier test used, unless that test changed its schema."""
    await admin.execute(_END_OTHERS, name)
    connection = await asyncpg.connect(url)
    try:
        names = {row["name"] for row in await connection.fetch("SELECT name FROM migrations")}
        if names != {path.stem for path in MIGRATIONS.glob("*.sql")}:
            return False
        # Events cannot be removed while triggers are on.
        await connection.execute("SET session_replication_role = replica")
        await connection.execute("TRUNCATE orders, order_events, batches")
        return True
    finally:
        await connection.close()


def _database(base: str, name: str) -> str:
    return urlunsplit(urlsplit(base)._replace(path=f"/{name}"))


@pytest.fixture
async def redis_url(pytestconfig: pytest.Config) -> AsyncIterator[str]:
    base = server_urls(pytestconfig)["redis_url"]
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

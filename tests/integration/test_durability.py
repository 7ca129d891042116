"""What the server keeps of a commit is told at the start, and may be required."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from backend.domain.errors import Rejected
from backend.store.database import open_pool
from backend.store.verification.durability import Durability, read_durability
from tests.scenario import open_engine

SAFE = Durability(flushes=True, has_full_pages=True, commit="on", has_standbys=False)


@pytest.mark.parametrize(
    ("durability", "words"),
    [
        (SAFE, "flushed on this server; a standby"),
        (SAFE._replace(has_standbys=True), "and on its synchronous standbys"),
        (
            SAFE._replace(has_standbys=True, commit="remote_write"),
            "synchronous_commit=remote_write",
        ),
        (SAFE._replace(commit="local"), "flushed on this server; a standby"),
        (SAFE._replace(flushes=False), "fsync is off"),
        (SAFE._replace(has_full_pages=False), "full_page_writes is off"),
        (SAFE._replace(commit="off"), "synchronous_commit is off"),
    ],
)
def test_what_is_kept_is_described(durability: Durability, words: str) -> None:
    assert words in durability.describe()
    assert bool(durability.list_faults()) == ("is off" in words)


@asynccontextmanager
async def set_commit(database_url: str, value: str) -> AsyncIterator[None]:
    connection = await asyncpg.connect(database_url)
    name = await connection.fetchval("SELECT current_database()")
    try:
        await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = {value}")
        yield
    finally:
        await connection.execute(f"ALTER DATABASE {name} RESET synchronous_commit")
        await connection.close()


async def test_the_settings_of_the_engines_own_sessions_count(database_url: str) -> None:
    for value in ("off", "local"):
        async with set_commit(database_url, value), open_pool(database_url, connections_max=1) as p:
            assert (await read_durability(p)).commit == value


async def test_a_server_that_may_lose_commits_is_refused_where_that_is_required(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with set_commit(database_url, "off"):
        async with open_engine(database_url, redis_url, data_dir):
            pass
        refused = pytest.RaisesExc(Rejected, match="may lose what it has answered: synchronous_co")
        with pytest.RaisesGroup(refused, flatten_subgroups=True):
            async with open_engine(
                database_url, redis_url, data_dir, settings={"require_durable_database": True}
            ):
                raise AssertionError("it must not start")

"""A file that is to be forgotten while orders of it are removed, or are about to be."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from backend.store.archive.archived_events import open_archives
from backend.store.archive.archiver import IS_ARCHIVING
from backend.store.archive.errors import ArchiveError
from backend.store.archive.lost_files import forget_file
from backend.store.audit_log.entries import Actor
from backend.store.audit_log.reads import verify_log
from backend.store.audit_log.seals import seal_events
from backend.store.database import DatabasePool, open_pool
from tests.conftest import ROOT
from tests.e2e.up import build_command, build_environment
from tests.integration.archives import (
    archive_orders,
    await_blocked,
    block_rows,
    insert_past_orders,
    list_ids,
)

ACTOR = Actor("a test")
_GATE = 7
_SLOW_COMMIT = f"""
CREATE FUNCTION wait_for_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_advisory_xact_lock_shared({_GATE}); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER wait_for_gate AFTER INSERT ON archived_orders
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_for_gate()
"""
_ARCHIVER_LOCKS = """
FROM pg_locks WHERE locktype = 'advisory' AND objid = 1868916789
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_IS_LOCK_FREE = f"SELECT NOT EXISTS (SELECT {_ARCHIVER_LOCKS})"
_IS_FORGET_BLOCKED = """
SELECT EXISTS (SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0
        AND query LIKE '%archive file to forget%')
"""
_IS_NEEDED = "is needed: 4 of its 4 orders"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[DatabasePool]:
    """A pool of a database with four orders to archive, sealed."""
    async with open_pool(database_url, connections_max=4, timeout_s=60) as pool:
        await pool.execute("UPDATE audit_head SET sealed_txid = 1")
        await insert_past_orders(pool, 1, 4)
        await seal_events(pool)
        yield pool


async def wait_until(pool: DatabasePool, query: str) -> None:
    async with asyncio.timeout(30):
        while not await pool.fetchval(query):
            await asyncio.sleep(0.01)


async def expect_error(call: Awaitable[object], words: str) -> None:
    with pytest.raises(ArchiveError, match=words):
        await call


@asynccontextmanager
async def slow_commits(pool: DatabasePool) -> AsyncIterator[None]:
    """Have removals wait for the gate as they commit, for the length of a block."""
    await pool.execute(_SLOW_COMMIT)
    try:
        yield
    finally:  # other tests use the database after this one
        await pool.execute("DROP FUNCTION wait_for_gate CASCADE")


async def cut_archiver_lock(pool: DatabasePool) -> None:
    """End the connection that holds the lock of the archiver."""
    await pool.fetch(f"SELECT pg_terminate_backend(pid) {_ARCHIVER_LOCKS}")
    await wait_until(pool, _IS_LOCK_FREE)


async def test_a_file_whose_removal_commits_after_its_archiver_was_killed_is_kept(
    database_url: str, pool: DatabasePool, tmp_path: Path
) -> None:
    folder = tmp_path / "archive"
    arguments = ("archive", "--older-than", "90d", "--to", str(folder))
    gate = f"SELECT pg_advisory_xact_lock({_GATE})"
    async with asyncio.TaskGroup() as group, slow_commits(pool), block_rows(pool, gate):
        process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
            build_command(*arguments), cwd=ROOT, env=build_environment(DATABASE_URL=database_url)
        )
        await await_blocked(pool)
        process.kill()
        await asyncio.to_thread(process.wait)
        await wait_until(pool, _IS_LOCK_FREE)
        group.create_task(expect_error(forget_file(pool, 1, ACTOR), _IS_NEEDED))
        await wait_until(pool, _IS_FORGET_BLOCKED)
    assert await archive_orders(pool, folder) == 0
    assert await list_ids(pool) == set()
    with open_archives([folder]) as archives:
        assert (await verify_log(pool, archives=archives)).faults == []


async def test_a_file_is_kept_while_an_archiver_that_lost_its_lock_removes_orders_of_it(
    pool: DatabasePool, tmp_path: Path
) -> None:
    rows = "SELECT FROM orders FOR UPDATE"
    async with asyncio.TaskGroup() as group, block_rows(pool, rows):
        archiving = group.create_task(archive_orders(pool, tmp_path))
        await await_blocked(pool)
        await cut_archiver_lock(pool)
        group.create_task(expect_error(forget_file(pool, 1, ACTOR), _IS_NEEDED))
        await wait_until(pool, _IS_FORGET_BLOCKED)
    assert archiving.result() == 4
    assert await list_ids(pool) == set()


async def test_an_archiver_whose_file_was_forgotten_stops_and_removes_nothing_more(
    pool: DatabasePool, tmp_path: Path
) -> None:
    lost, folder = tmp_path / "lost", tmp_path / "now"
    writer = "LOCK TABLE orders IN ROW EXCLUSIVE MODE"
    async with asyncio.TaskGroup() as group, block_rows(pool, writer):
        words = "orders-000001-.* is finished or forgotten"
        group.create_task(expect_error(archive_orders(pool, lost), words))
        await wait_until(pool, "SELECT count(*) FROM archive_files")
        await expect_error(forget_file(pool, 1, ACTOR), IS_ARCHIVING)
        await cut_archiver_lock(pool)
        await forget_file(pool, 1, ACTOR)
    assert len(await list_ids(pool)) == 4
    assert await archive_orders(pool, folder) == 4
    with open_archives([folder]) as archives:
        assert (await verify_log(pool, archives=archives)).faults == []

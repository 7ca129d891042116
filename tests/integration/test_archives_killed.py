"""Archives that are killed: the next run goes on, with nothing lost and nothing doubled."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backend.store.archive import archiver
from backend.store.archive.folder_verification import verify_folder
from backend.store.archive.manifest import read_manifest
from backend.store.archive.order_file import read_lines
from backend.store.database import DatabasePool, open_pool
from tests.conftest import ROOT
from tests.e2e.up import build_command, build_environment
from tests.integration.archives import (
    await_blocked,
    await_readable,
    block_rows,
    insert_past_orders,
    list_ids,
    read_accounts,
)
from tests.integration.operator_commands import try_command

COUNT = 700

_KILLED_WHILE = {
    "the file is in the manifest and not noted": "LOCK TABLE archive_files IN SHARE MODE",
    "some orders are removed": "SELECT FROM orders WHERE id = ("
    "SELECT id FROM orders ORDER BY id OFFSET 600 LIMIT 1) FOR UPDATE",
}


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[DatabasePool]:
    async with open_pool(database_url, connections_max=4) as pool:
        yield pool


@pytest.mark.parametrize("statement", _KILLED_WHILE.values(), ids=_KILLED_WHILE)
async def test_an_archive_that_is_killed_goes_on_with_nothing_lost_or_doubled(
    database_url: str, pool: DatabasePool, data_dir: Path, statement: str
) -> None:
    await insert_past_orders(pool, 1, COUNT)
    ids, before = await list_ids(pool), await read_accounts(pool)
    arguments = ("archive", "--older-than", "90d", "--to", str(data_dir / "archive"))
    async with block_rows(pool, statement):
        process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
            build_command(*arguments), cwd=ROOT, env=build_environment(DATABASE_URL=database_url)
        )
        await await_blocked(pool)
        process.kill()
        await asyncio.to_thread(process.wait)
    left = await list_ids(pool)
    assert len(left) == (COUNT if "archive_files" in statement else COUNT - archiver.STEP_ORDERS)
    assert await read_accounts(pool) == before
    (data_dir / "archive" / "orders-000009.partial").write_bytes(b"what was being written")
    await await_readable(pool)
    async with asyncio.TaskGroup() as group:  # two at once: one of them may be refused
        tries = [group.create_task(try_command(database_url, *arguments)) for _ in range(2)]
    codes = sorted(each.result()[0] for each in tries)
    assert codes in ([0, 0], [0, 1]), [each.result() for each in tries]
    assert await list_ids(pool) == set()
    assert await read_accounts(pool) == before
    report = verify_folder(data_dir / "archive")
    assert (report.faults, report.orders) == ([], COUNT)
    manifest = read_manifest(data_dir / "archive")
    assert manifest is not None
    archived = [
        line.order_id
        for file in manifest.files
        for line in read_lines(data_dir / "archive" / file.name)
    ]
    assert sorted(archived) == sorted(ids)

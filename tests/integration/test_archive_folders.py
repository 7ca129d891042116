"""Folders of archives that are not as the archiver left them: nothing there is lost by it."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from backend.store.archive.archived_events import open_archives
from backend.store.archive.errors import ArchiveError
from backend.store.archive.folder_verification import verify_folder
from backend.store.archive.manifest import (
    ArchiveFile,
    Manifest,
    list_unnamed,
    make_folder,
    read_manifest,
    write_manifest,
)
from backend.store.archive.order_file import hash_file
from backend.store.audit_log.reads import verify_log
from backend.store.audit_log.seals import seal_events
from backend.store.database import DatabasePool, open_pool
from tests.integration.archives import (
    archive_orders,
    await_blocked,
    block_rows,
    insert_past_orders,
    list_ids,
)
from tests.integration.operator_commands import run_command, try_command


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[DatabasePool]:
    async with open_pool(database_url, connections_max=4) as pool:
        yield pool


def write_archive(folder: Path, content: bytes) -> None:
    """An archive whose only file has this content, and the hash of it."""
    make_folder(folder)
    file = folder / "orders-000001-0.jsonl.gz"
    file.write_bytes(content)
    write_manifest(folder, Manifest("a", [ArchiveFile(1, file.name, hash_file(file), 1, 1, 1)]))


async def test_files_that_an_earlier_manifest_does_not_name_are_named_again(
    pool: DatabasePool, tmp_path: Path
) -> None:
    await insert_past_orders(pool, 1, 4)
    await archive_orders(pool, tmp_path)
    earlier = (tmp_path / "manifest.json").read_bytes()
    await insert_past_orders(pool, 5, 8)
    await archive_orders(pool, tmp_path)
    manifest = read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_bytes(earlier)
    await insert_past_orders(pool, 9, 10)
    await pool.execute("UPDATE archive_files SET removed_at = NULL")
    assert await archive_orders(pool, tmp_path) == 2
    now = read_manifest(tmp_path)
    assert manifest is not None
    assert now is not None
    assert now.files[:2] == manifest.files
    assert (verify_folder(tmp_path).faults, verify_folder(tmp_path).orders) == ([], 10)


async def test_a_file_that_nobody_knows_is_set_aside(pool: DatabasePool, tmp_path: Path) -> None:
    await insert_past_orders(pool, 1, 2)
    await archive_orders(pool, tmp_path)
    unknown = tmp_path / "orders-000009-abc.jsonl.gz"
    unknown.write_bytes(b"of a state that was restored")
    assert await archive_orders(pool, tmp_path) == 0
    assert (tmp_path / f"{unknown.name}.unnamed").read_bytes() == b"of a state that was restored"
    assert verify_folder(tmp_path).faults == []


async def test_a_file_that_is_lost_before_an_order_was_removed_is_forgotten(
    database_url: str, pool: DatabasePool, tmp_path: Path
) -> None:
    lost, folder = tmp_path / "lost", tmp_path / "now"
    await pool.execute("UPDATE audit_head SET sealed_txid = 1")
    await insert_past_orders(pool, 1, 4)
    await seal_events(pool)
    async with asyncio.TaskGroup() as group, block_rows(pool, "SELECT FROM orders FOR UPDATE"):
        archiving = group.create_task(archive_orders(pool, lost))
        await await_blocked(pool)
        archiving.cancel()
    shutil.rmtree(lost)
    with pytest.raises(ArchiveError, match="order-engine archive forget 1"):
        await archive_orders(pool, folder)
    told = await run_command(database_url, "archive", "forget", "1")
    assert told.startswith("lost/orders-000001-")
    assert await archive_orders(pool, folder) == 4
    for number, reason in (("1", "is finished"), ("2", "4 of its 4 orders"), ("3", "no file")):
        code, output = await try_command(database_url, "archive", "forget", number)
        assert (code, reason in output) == (1, True), output
    with open_archives([folder]) as archives:
        assert (await verify_log(pool, archives=archives)).faults == []
    report = await verify_log(pool)
    assert (report.faults, report.archived_events) == ([], 20)


async def test_the_folder_of_another_database_is_left_as_it_is(
    pool: DatabasePool, tmp_path: Path
) -> None:
    await insert_past_orders(pool, 1, 2)
    write_manifest(tmp_path, Manifest("another"))
    files = [tmp_path / "orders-000001-abc.jsonl.gz", tmp_path / "orders-000002.partial"]
    for file in files:
        file.write_bytes(b"what the other writes")
    with pytest.raises(ArchiveError, match="another database"):
        await archive_orders(pool, tmp_path)
    assert [file.read_bytes() for file in files] == [b"what the other writes"] * 2
    assert len(await list_ids(pool)) == 2
    assert list_unnamed(tmp_path, Manifest("another")) == [files[0]]


_FILE = {"number": 1, "name": "orders-1.jsonl.gz", "sha256": "", "orders": 1, "events": 1}


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe",
        b"[]",
        b"[" * 100_000,
        json.dumps({"format": "order-engine-archive-1", "journal": "a", "files": [7]}).encode(),
        *(
            json.dumps(
                {
                    "format": "order-engine-archive-1",
                    "journal": "a",
                    "files": [{**_FILE, "last_txid": 1, **wrong}],
                }
            ).encode()
            for wrong in ({"number": "1"}, {"name": ".."}, {"name": "a/orders-1.jsonl.gz"})
        ),
    ],
)
def test_what_is_no_manifest_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(ArchiveError, match="is no manifest"):
        read_manifest(tmp_path)


def _list_broken_files() -> Iterator[bytes]:
    # Without a time: each process that collects tests has to find the same ones.
    packed = bytearray(gzip.compress(b'{"order": {"id": "x"}}' * 50, mtime=0))
    packed[12] ^= 0xFF
    yield bytes(packed)
    yield gzip.compress(b'{"order": []}\n', mtime=0)
    order = '{"id": "01a22d67-f447-70ec-ac16-ee5cac9611f6"}'
    yield gzip.compress(f'{{"order": {order}, "events": [7]}}\n'.encode(), mtime=0)


@pytest.mark.parametrize("content", list(_list_broken_files()))
def test_a_file_that_was_altered_with_its_manifest_is_named(tmp_path: Path, content: bytes) -> None:
    write_archive(tmp_path, content)
    [fault, *_] = verify_folder(tmp_path).faults
    assert "cannot be read" in fault or "no order" in fault
    with (
        pytest.raises(ArchiveError, match=r"orders-000001-0\.jsonl\.gz"),
        open_archives([tmp_path]),
    ):
        pass


def test_a_folder_of_temporary_files_that_is_full_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = '{"id": "01a22d67-f447-70ec-ac16-ee5cac9611f6", "request_hash": "", "owner": "a"}'
    event = '{"txid": 1, "seq": 1, "status": "", "at": "2026-01-01T00:00:00Z", "attempt": 1}'
    event = event.replace("}", f', "data": "{"x" * 100_000}"}}')
    write_archive(tmp_path, gzip.compress(f'{{"order": {order}, "events": [{event}]}}\n'.encode()))
    connect = sqlite3.connect

    def connect_small(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.execute("PRAGMA max_page_count = 4")
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect_small)
    with pytest.raises(ArchiveError, match="TMPDIR"), open_archives([tmp_path]):
        pass


@pytest.mark.parametrize("name", ["loop", os.fsdecode(b"\xff")])
async def test_folders_that_have_no_place_or_name_are_refused(
    database_url: str, pool: DatabasePool, tmp_path: Path, name: str
) -> None:
    await insert_past_orders(pool, 1, 2)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    to = str(tmp_path / name)
    code, output = await try_command(database_url, "archive", "--older-than", "90d", "--to", to)
    assert (code, "Invalid value for --to" in output) == (2, True), output
    assert len(await list_ids(pool)) == 2


async def test_faults_that_an_archive_beside_may_have_made_are_not_told(
    database_url: str, pool: DatabasePool, tmp_path: Path
) -> None:
    await insert_past_orders(pool, 1, 2)
    await seal_events(pool)
    arguments = ("audit", "verify")
    async with asyncio.TaskGroup() as group, block_rows(pool, "LOCK TABLE audit_head"):
        verifying = group.create_task(try_command(database_url, *arguments))
        await await_blocked(pool)
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")
            await connection.execute("DELETE FROM order_events WHERE seq = 3")
        await pool.execute("INSERT INTO archive_removals VALUES (1, 'local', 'failed', 1)")
    code, output = verifying.result()
    assert (code, "verify again" in output, "seals" in output) == (1, True, False), output
    code, output = await try_command(database_url, *arguments)
    assert (code, "seals 10" in output) == (1, True), output

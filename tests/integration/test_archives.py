"""Archives: ended orders are moved to files once and whole, and what outlives them is as before."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid5

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from backend.domain.conditions import Limit
from backend.domain.errors import IdempotencyKeyReused
from backend.domain.prices import PriceRatio
from backend.store.archive import archiver
from backend.store.archive.archived_events import open_archives
from backend.store.archive.ended_orders import EndedOrders
from backend.store.archive.errors import ArchiveError
from backend.store.archive.folder_verification import verify_folder
from backend.store.archive.key_expiry import forget_keys
from backend.store.archive.manifest import read_manifest
from backend.store.archive.order_file import read_lines
from backend.store.audit_log.reads import verify_log
from backend.store.audit_log.seals import seal_events
from backend.store.counts import StatusCounts
from backend.store.database import FIRST_ID, DatabasePool, open_pool
from backend.store.origin.found_transactions import find_known
from backend.store.withdrawals.cancellations import CancelReason
from tests.integration.archives import (
    AGE,
    age_orders,
    archive_orders,
    await_blocked,
    await_readable,
    block_rows,
    insert_past_orders,
    list_ids,
    read_accounts,
)
from tests.integration.operator_commands import run_command, try_command
from tests.integration.stores import LIMIT_TERMS, new_order, open_store

ORDERS = 40


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[DatabasePool]:
    async with open_pool(database_url, connections_max=4) as pool:
        yield pool


async def test_accounts_and_signatures_are_as_they_were_before(
    pool: DatabasePool, tmp_path: Path
) -> None:
    await insert_past_orders(pool, 1, ORDERS)
    ids, before = await list_ids(pool), await read_accounts(pool)
    assert await archive_orders(pool, tmp_path, file_orders=15) == ORDERS
    assert await list_ids(pool) == set()
    assert await pool.fetchval("SELECT count(*) FROM order_events") == 0
    assert await read_accounts(pool) == before
    await insert_past_orders(pool, ORDERS + 1, ORDERS + 8)
    joined = await read_accounts(pool)
    assert await archive_orders(pool, tmp_path) == 8
    assert await read_accounts(pool) == joined
    order_id = min(ids)
    row = await pool.fetchrow("SELECT tx_hash FROM archived_orders WHERE id = $1", order_id)
    assert row is not None
    signatures = [row["tx_hash"], "another"]
    assert await find_known(pool, signatures, [order_id] * 2) == {row["tx_hash"]}
    report = verify_folder(tmp_path)
    assert (report.faults, report.files, report.orders) == ([], 4, ORDERS + 8)


async def test_counts_of_a_running_process_follow(pool: DatabasePool, tmp_path: Path) -> None:
    await insert_past_orders(pool, 1, 8)
    running = StatusCounts(pool)
    await running.refresh()
    assert sum(running.get("local").values()) == 8
    await archive_orders(pool, tmp_path)
    await insert_past_orders(pool, 9, 12)
    fresh = StatusCounts(pool)
    for counts in (running, fresh):
        await counts.refresh()
    assert running.get("local") == fresh.get("local")
    assert sum(running.get("local").values()) == 4
    await insert_past_orders(pool, 13, 16)  # and are archived before the process counts again
    await archive_orders(pool, tmp_path)
    await insert_past_orders(pool, 17, 19)
    await running.refresh()
    assert sum(running.get("local").values()) == 3
    assert min(running.get("local").values()) == 0


async def test_orders_that_belong_together_go_together(database_url: str, tmp_path: Path) -> None:
    group = uuid5(FIRST_ID, "group")
    other = replace(LIMIT_TERMS, condition=Limit(PriceRatio(13, 100)))
    async with open_store(database_url) as store:
        await insert_past_orders(store.pool, 1, 2)
        ended = await store.intake.accept(new_order(terms=LIMIT_TERMS, oco_group=group))
        waiting = await store.intake.accept(new_order(terms=other, oco_group=group))
        await store.cancellations.cancel("local", ended.id, CancelReason.REQUESTED)
        await age_orders(store.pool, 100)
        assert await archive_orders(store.pool, tmp_path) == 2
        assert await list_ids(store.pool) == {ended.id, waiting.id}
        await store.cancellations.cancel("local", waiting.id, CancelReason.REQUESTED)
        await age_orders(store.pool, 100)
        assert await archive_orders(store.pool, tmp_path) == 2
        assert await list_ids(store.pool) == set()


async def test_a_run_that_archives_nothing_says_why(database_url: str, tmp_path: Path) -> None:
    async def run() -> str:
        arguments = ("archive", "--older-than", "90d", "--to", str(tmp_path))
        return await run_command(database_url, *arguments)

    async with open_store(database_url) as store:
        assert "0 orders archived" in (output := await run())
        assert "no order in the database has ended" in output
        group = uuid5(FIRST_ID, "a group of which one stays open")
        order, _ = [
            await store.intake.accept(new_order(terms=LIMIT_TERMS, oco_group=group))
            for _ in range(2)
        ]
        await store.cancellations.cancel("local", order.id, CancelReason.REQUESTED)
        output = await run()
        assert "none of 1 ended orders did so before 20" in output
        assert " as --older-than asks for: the first ended at 20" in output
        await age_orders(store.pool, 100)
        assert "of 1 ended orders 1 are old enough, and stay" in await run()


async def test_what_a_webhook_has_still_to_read_stays(pool: DatabasePool, tmp_path: Path) -> None:
    await insert_past_orders(pool, 1, 4)
    await pool.execute(
        "INSERT INTO webhooks (id, owner, url, event_types, secret, txid)"
        " SELECT $1, 'local', 'https://example.com', '{}', '', min(txid) FROM order_events",
        FIRST_ID,
    )
    assert await archive_orders(pool, tmp_path) == 0
    ended = EndedOrders(pool, AGE)
    assert [each async for each in ended.walk()] == []
    assert ended.bound is not None
    assert ended.bound.reader == f"the webhook {FIRST_ID}"
    await pool.execute("UPDATE webhooks SET txid = 2 ^ 62")
    assert await archive_orders(pool, tmp_path) == 4
    assert [each async for each in ended.walk()] == []
    assert ended.bound is None


async def test_events_of_orders_that_are_not_archived_cannot_be_removed(
    pool: DatabasePool, tmp_path: Path
) -> None:
    await insert_past_orders(pool, 1, 2)
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await pool.execute("DELETE FROM order_events")
    await archive_orders(pool, tmp_path)
    await pool.execute("DELETE FROM order_events")


async def test_seals_are_verified_with_what_was_archived(
    database_url: str, pool: DatabasePool, tmp_path: Path
) -> None:
    await insert_past_orders(pool, 1, 6)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(
            "UPDATE orders SET amount_pending = true, amount_out = NULL, executed_price = NULL"
            " WHERE client_order_id = 'name-4'"
        )
    await seal_events(pool)
    assert await archive_orders(pool, tmp_path) == 5
    report = await verify_log(pool)
    assert (report.faults, report.sealed_events, report.archived_events) == ([], 5, 25)
    output = await run_command(database_url, "audit", "verify", "--archive", str(tmp_path))
    assert "25 events that are sealed were archived: read there" in output
    for statement, count in (
        ("UPDATE order_events SET data = '{}' WHERE seq = 2", 0),
        ("DELETE FROM order_events WHERE seq = 3", 1),
    ):
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")
            await connection.execute(statement)
        with open_archives([tmp_path]) as archives:
            assert len((await verify_log(pool, archives=archives)).faults) == 1
        assert len((await verify_log(pool)).faults) == count


async def test_a_file_that_was_altered_is_named_and_removes_nothing(
    database_url: str, tmp_path: Path
) -> None:
    async with open_pool(database_url, connections_max=4) as pool:
        await insert_past_orders(pool, 1, 6)
        await archive_orders(pool, tmp_path)
        await insert_past_orders(pool, 7, 8)
        await pool.execute("UPDATE archive_files SET removed_at = NULL")
        manifest = read_manifest(tmp_path)
        assert manifest is not None
        file = tmp_path / manifest.files[0].name
        text = gzip.decompress(file.read_bytes()).replace(b"signature-2", b"signature-9")
        file.write_bytes(gzip.compress(text))
        code, output = await try_command(database_url, "archive", "verify", str(tmp_path))
        assert (code, file.name in output) == (1, True)
        with pytest.raises(ArchiveError, match="not as it was written"):
            await archive_orders(pool, tmp_path)
        assert len(await list_ids(pool)) == 2
        (tmp_path / "manifest.json").unlink()
        with pytest.raises(ArchiveError, match=r"no manifest\.json"):
            await archive_orders(pool, tmp_path)


async def test_no_key_is_free_at_any_moment_of_an_archive(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 120
    monkeypatch.setattr(archiver, "STEP_ORDERS", 10)
    async with open_store(database_url) as store:
        await insert_past_orders(store.pool, 1, count)
        has_ended = asyncio.Event()

        async def repeat(number: int) -> None:
            order = new_order(b"another", client_order_id=f"name-{number}")
            if number % 2:
                order = new_order(b"another", idempotency_key=f"key-{number}")
            while not has_ended.is_set():
                with pytest.raises(IdempotencyKeyReused):
                    await store.intake.accept(replace(order, id=uuid7()))

        async with asyncio.TaskGroup() as group:
            for number in range(1, count + 1, 5):
                group.create_task(repeat(number))
            assert await archive_orders(store.pool, tmp_path, file_orders=40) == count
            has_ended.set()
        assert await list_ids(store.pool) == set()


async def test_an_archive_is_continued_where_it_was_begun(
    pool: DatabasePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await insert_past_orders(pool, 1, 6)
    await archive_orders(pool, tmp_path / "one")
    await pool.execute("UPDATE archive_files SET removed_at = NULL")
    with pytest.raises(ArchiveError, match="was not finished"):
        await archive_orders(pool, tmp_path / "two")
    manifest = tmp_path / "one" / "manifest.json"
    told = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**told, "journal": "another"}))
    with pytest.raises(ArchiveError, match="another database"):
        await archive_orders(pool, tmp_path / "one")


async def test_an_order_that_has_changed_since_it_was_written_stays(
    pool: DatabasePool, tmp_path: Path
) -> None:
    await insert_past_orders(pool, 1, 4)
    change = "UPDATE orders SET rent_lamports = 7 WHERE client_order_id = 'name-1'"
    locked = block_rows(pool, "SELECT FROM orders FOR UPDATE")
    async with asyncio.TaskGroup() as group, locked as holder:
        archiving = group.create_task(archive_orders(pool, tmp_path))
        await await_blocked(pool)
        await holder.execute(change)
    assert archiving.result() == 3
    assert len(await list_ids(pool)) == 1
    await await_readable(pool)
    assert await archive_orders(pool, tmp_path) == 1
    manifest = read_manifest(tmp_path)
    assert manifest is not None
    [line] = read_lines(tmp_path / manifest.files[-1].name)
    assert line.parse()["order"]["rent_lamports"] == 7


async def test_a_folder_that_takes_nothing_is_named_and_nothing_removed(
    database_url: str, pool: DatabasePool
) -> None:
    await insert_past_orders(pool, 1, 4)
    code, output = await try_command(
        database_url, "archive", "--older-than", "90d", "--to", "/proc/none"
    )
    assert (code, "/proc/none cannot be written" in output) == (1, True), output
    assert len(await list_ids(pool)) == 4


async def test_keys_are_forgotten_once_they_have_been_kept_for_long_enough(
    pool: DatabasePool, tmp_path: Path
) -> None:
    await insert_past_orders(pool, 1, 4)
    await archive_orders(pool, tmp_path)
    await pool.execute("INSERT INTO replayed_keys VALUES ('local', 'of nothing', '', '-infinity')")
    age = timedelta(days=1)
    assert await forget_keys(pool, age, timedelta(days=1)) == 0
    assert await forget_keys(pool, age, timedelta(0)) == 8
    assert await pool.fetchval("SELECT idempotency_key FROM replayed_keys") == "of nothing"

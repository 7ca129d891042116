"""The audit log: what was altered, removed, inserted or moved is found and named."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest

from backend.domain.lifecycle import Cause
from backend.domain.orders import SignedTransaction
from backend.execution.step_recorder import StepRecorder
from backend.store.audit_log.chain import AuditHead
from backend.store.audit_log.entries import Actor, append_entry
from backend.store.audit_log.reads import read_head, read_rows, verify_log
from backend.store.audit_log.seals import EVENTS_MAX, seal_events
from backend.store.database import DatabasePool, open_pool
from tests.integration.operator_commands import try_command
from tests.integration.stores import Store, new_order, open_store

ROWS = 9
_COPY = """
INSERT INTO audit_log SELECT {id}, at, who, address, request_id, action, data, previous, hash
FROM audit_log WHERE id = 4
"""


async def fill(pool: DatabasePool) -> None:
    async with pool.acquire() as connection:
        for number in range(1, ROWS + 1):
            actor = Actor("Zoë\n\\", f"10.0.0.{number}", f"r-{number}")
            await append_entry(connection, actor, "key_made", {"n": number, "ü": '"\n'})


async def tamper(pool: DatabasePool, *statements: str) -> None:
    """Change the log as somebody does who owns the database."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            await connection.execute(statement)


async def test_a_log_is_verified_as_it_was_written(database_url: str) -> None:
    async with open_pool(database_url, connections_max=2) as pool:
        assert (await verify_log(pool)).faults == []
        await fill(pool)
        report = await verify_log(pool)
        assert (report.faults, report.rows) == ([], ROWS)
        assert report.head == await read_head(pool)


async def test_entries_of_many_sessions_are_one_chain(database_url: str) -> None:
    async with open_pool(database_url, connections_max=8) as pool:
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(fill(pool))
        report = await verify_log(pool)
        assert (report.faults, report.rows) == ([], 8 * ROWS)


@pytest.mark.parametrize(
    ("statements", "named"),
    [
        (["UPDATE audit_log SET who = 'x' WHERE id = 4"], ["row 4 is not as it was written"]),
        (["UPDATE audit_log SET data = '{}' WHERE id = 1"], ["row 1 is not as it was written"]),
        (
            ["UPDATE audit_log SET at = at + interval '1 us' WHERE id = 9"],
            ["row 9 is not as it was written"],
        ),
        (["DELETE FROM audit_log WHERE id IN (4, 5)"], ["rows 4 to 5 are missing"]),
        (["DELETE FROM audit_log WHERE id = 1"], ["rows 1 to 1 are missing"]),
        (["DELETE FROM audit_log WHERE id >= 8"], ["rows 8 to 9 are missing at the end"]),
        (["DELETE FROM audit_log"], ["rows 1 to 9 are missing at the end"]),
        ([_COPY.format(id=10)], ["row 10 does not follow", "row 10 is not", "rows 10 to 10 come"]),
        ([_COPY.format(id=0)], ["row 0 comes after row 0"]),
        (
            [
                "UPDATE audit_log SET id = -1 WHERE id = 4",
                "UPDATE audit_log SET id = 4 WHERE id = 6",
                "UPDATE audit_log SET id = 6 WHERE id = -1",
            ],
            [
                *("row 4 does not follow", "row 4 is not", "row 5 does not follow"),
                *("row 6 does not follow", "row 6 is not", "row 7 does not follow"),
            ],
        ),
    ],
    ids=lambda value: value[0][:40] if isinstance(value, list) else None,
)
async def test_what_was_changed_is_named(
    database_url: str, statements: list[str], named: list[str]
) -> None:
    async with open_pool(database_url, connections_max=2) as pool:
        await fill(pool)
        await tamper(pool, *statements)
        faults = (await verify_log(pool)).faults
        assert len(faults) == len(named), faults
        assert all(start in fault for start, fault in zip(named, faults, strict=True)), faults


async def test_a_log_that_was_written_anew_shows_by_a_row_that_was_noted(database_url: str) -> None:
    async with open_pool(database_url, connections_max=2) as pool:
        await fill(pool)
        noted = await read_head(pool)
        await tamper(
            pool,
            "DELETE FROM audit_log",
            "UPDATE audit_head SET id = 0,"
            " hash = (SELECT sha256(convert_to(id::text, 'UTF8')) FROM journal)",
        )
        await fill(pool)
        assert (await verify_log(pool)).faults == []
        assert "row 9 is not the one that was noted" in (await verify_log(pool, noted)).faults[0]
        later = AuditHead(noted.id + 1, noted.hash)
        assert "are missing at the end" in (await verify_log(pool, later)).faults[0]


async def end_orders(store: Store, count: int) -> None:
    for _ in range(count):
        order = new_order()
        await store.intake.accept(order)
        leased = await store.leases.claim(order.id)
        assert leased is not None
        steps = StepRecorder(store.journal, leased, attempts_max=3)
        steps.defer(Cause.ROUTED, {}, route="{}")
        signed = SignedTransaction("s", b"s", 1)
        await steps.record(Cause.SIGNED, {"txHash": "s"}, signed=signed)
    await store.wait_readable()


_AMOUNT = 'UPDATE order_events SET data = \'{"txHash": "t"}\' WHERE seq = 4'
_REMOVAL = """
DELETE FROM order_events
WHERE seq = 2 AND order_id = (SELECT id FROM orders ORDER BY id LIMIT 1)
"""
_INSERTION = """
INSERT INTO order_events (order_id, seq, status, at, attempt, data, txid)
SELECT order_id, 9, status, at, attempt, data, txid FROM order_events
WHERE seq = 1 ORDER BY order_id LIMIT 1
"""
_MANY = """
INSERT INTO order_events (order_id, seq, status, at, attempt, data)
SELECT gen_random_uuid(), 1, 'pending', now(), 1, '{}' FROM generate_series(1, $1::int)
"""


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        (_AMOUNT, "are not as row 1 seals them"),
        ("UPDATE order_events SET at = at + interval '1 us' WHERE seq = 1", "are not as row 1"),
        ("UPDATE orders SET owner = 'another'", "are not as row 1 seals them"),
        (_REMOVAL, "19 are there, and row 1 seals 20"),
        (_INSERTION, "21 are there, and row 1 seals 20"),
    ],
)
async def test_events_of_orders_are_sealed_and_what_is_changed_in_them_is_found(
    database_url: str, statement: str, named: str
) -> None:
    async with open_store(database_url) as store:
        await end_orders(store, 5)
        assert await seal_events(store.pool) == 20
        assert await seal_events(store.pool) == 0
        report = await verify_log(store.pool)
        assert (report.faults, report.sealed_events) == ([], 20)
        await tamper(store.pool, statement)
        [fault] = (await verify_log(store.pool)).faults
        assert named in fault


async def test_many_events_are_sealed_in_parts_of_whole_transactions(database_url: str) -> None:
    async with open_store(database_url) as store:
        async with store.pool.acquire() as connection:
            await connection.execute(_MANY, 2 * EVENTS_MAX)
        await end_orders(store, 1)
        counts = [await seal_events(store.pool) for _ in range(3)]
        assert counts == [2 * EVENTS_MAX, 4, 0]
        assert (await verify_log(store.pool)).faults == []


async def test_the_command_verifies_and_exports_what_is_verified_without_a_database(
    database_url: str, tmp_path: Path
) -> None:
    async def run(*arguments: str) -> tuple[int, str]:
        return await try_command(database_url, "audit", *arguments)

    async with open_pool(database_url, connections_max=2) as pool:
        await fill(pool)
        rows = [row async for row in read_rows(pool)]
    code, output = await run("verify")
    assert code == 0, output
    assert f"{ROWS} rows are as they were written" in output
    head = output.split("last row: ")[1].strip()
    assert (await run("verify", "--head", head))[0] == 0
    code, exported = await run("export")
    assert [orjson.loads(line)["who"] for line in exported.splitlines()] == ["Zoë \\"] * ROWS
    part = await run("export", "--from", str(rows[5].to_json()["at"]))
    assert len(part[1].splitlines()) == ROWS - 5
    file = tmp_path / "log.jsonl"
    file.write_text(exported)
    code, output = await run("verify", "--file", str(file), "--head", head)
    assert code == 0, output
    file.write_text(exported.replace("10.0.0.3", "10.0.0.4"))
    code, output = await run("verify", "--file", str(file))
    assert (code, "row 3 is not as it was written" in output) == (1, True)
    file.write_text("{}")
    assert "line 1 is no row of a log" in (await run("verify", "--file", str(file)))[1]

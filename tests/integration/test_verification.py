"""The verification of live data finds nothing in what the engine wrote, and each planted fault."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from solders.signature import Signature

from backend.chain.rpc.client import RpcClient
from backend.domain.lifecycle import Status
from backend.engine.verification import (
    FAULTS_MAX,
    Verification,
    VerificationReport,
    find_chain_faults,
)
from backend.store.database import open_pool
from backend.store.feed import Feed, FeedPosition
from backend.store.verification import JournalVerifier, OrderSignatures, VerificationFault
from tests.integration.limit_rows import store_limits
from tests.integration.stores import wait_feed_reads
from tests.scenario import EngineHarness, open_engine

FIRST, SECOND = (str(Signature(bytes([number] * 64))) for number in (1, 2))
STUCK_AFTER = timedelta(minutes=5)
PLANTS = {
    "missing_order": ("DELETE FROM orders WHERE id = $1", set()),
    "missing_events": ("DELETE FROM order_events WHERE order_id = $1", {"signature"}),
    "gap": ("UPDATE order_events SET seq = seq + 1 WHERE order_id = $1 AND seq = 5", {"row"}),
    "transition": (
        "UPDATE order_events SET status = 'waiting' WHERE order_id = $1 AND seq = 3",
        set(),
    ),
    "row": ("UPDATE orders SET seq = seq + 1 WHERE id = $1", set()),
    "signed_twice": (
        "UPDATE order_events SET status = 'submitted' WHERE order_id = $1 AND seq = 3",
        {"transition", "no_signature"},
    ),
    "signature": ("UPDATE orders SET tx_hash = 'another' WHERE id = $1", set()),
    "submitted_late": (
        "UPDATE orders SET expires_at = created_at - interval '1 m', time_in_force = 'ioc'"
        " WHERE id = $1",
        set(),
    ),
    "minimum": ("UPDATE orders SET min_amount_out = amount_out + 1 WHERE id = $1", set()),
    "amount": ("UPDATE orders SET amount_out = amount_out + 1 WHERE id = $1", set()),
    "group": ("UPDATE orders SET oco_group = $1::uuid WHERE status = 'confirmed'", set()),
    "slices": (
        "WITH child AS (UPDATE orders SET parent_id = $1::uuid WHERE id <> $1)"
        " UPDATE orders SET type = 'twap', amount_in = amount_in + 1 WHERE id = $1",
        set(),
    ),
    "bracket": ("""UPDATE orders SET bracket = '{"stop": {}}' WHERE id = $1""", set()),
    "executed": (
        "WITH told AS (UPDATE order_events SET status = 'failed' WHERE order_id = $1 AND seq = 5)"
        " UPDATE orders SET status = 'failed', amount_out = NULL, executed_price = NULL,"
        " last_error = 'planted' WHERE id = $1",
        set(),
    ),
}


@pytest.fixture
async def engine(database_url: str, redis_url: str, data_dir: Path) -> AsyncIterator[EngineHarness]:
    async with open_engine(database_url, redis_url, data_dir) as opened:
        yield opened


async def wait_readable(database_url: str) -> None:
    """Return when all that is committed now can be read from the feed."""
    async with open_pool(database_url, connections_max=1) as pool:
        rows = await pool.read("SELECT pg_current_xact_id()::text::bigint AS txid")
        await wait_feed_reads(Feed(pool), rows[0]["txid"])


async def verify(
    database_url: str, engine: EngineHarness, since: FeedPosition | timedelta | None = None
) -> tuple[VerificationReport, FeedPosition]:
    await wait_readable(database_url)
    url = str(engine.node._base_url)
    async with open_pool(database_url, connections_max=1) as pool, RpcClient(url) as node:
        verification = Verification(
            JournalVerifier(pool), Feed(pool), stuck_after=STUCK_AFTER, node=node
        )
        if since is None:
            return await verification.verify_all()
        return await verification.verify_since(since)


async def plant(database_url: str, statement: str, order_id: UUID) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("SET session_replication_role = replica")  # without triggers
        await connection.execute(statement, order_id)
    finally:
        await connection.close()


async def confirm_orders(engine: EngineHarness, count: int) -> list[UUID]:
    ids = await engine.place_orders(*[engine.build_terms("1", slippage_bps=500)] * count)
    histories = await engine.wait_all_ended(ids)
    assert {history.record.status for history in histories} == {Status.CONFIRMED}
    return ids


async def test_a_volume_of_the_day_that_is_kept_too_low_is_a_fault(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    await store_limits(database_url, {"maxDailyVolume": "1000000"})
    async with open_pool(database_url, connections_max=1) as pool:
        await pool.read("UPDATE order_limits SET since = now() - interval '1 h'")
        async with open_engine(database_url, redis_url, data_dir) as engine:
            await confirm_orders(engine, 2)
            [row] = await pool.read("SELECT volume FROM owner_days WHERE owner = 'local'")
            assert row["volume"] > 0
            report, _ = await verify(database_url, engine)
            assert report.counts.total() == 0, report.faults
            await pool.read("UPDATE owner_days SET volume = volume - 1")
            report, _ = await verify(database_url, engine)
    [fault] = report.faults
    assert (fault.order_id, fault.rule) == (None, "volume")
    assert f"are worth {row['volume']}" in fault.reason


async def test_orders_of_every_end_have_no_fault(database_url: str, engine: EngineHarness) -> None:
    await confirm_orders(engine, 5)
    unfillable = await engine.place_orders(engine.build_terms("1", min_out="900"))
    fault = await engine.inject_fault(fault="fail")
    reverted = await engine.place_orders(engine.build_terms("1"))
    await engine.wait_ended(reverted[0])
    await engine.remove_faults(fault)
    assert [h.record.status for h in await engine.wait_all_ended(unfillable)] == [Status.FAILED]
    expired_once = await engine.execute_expiring_once()
    submitted = [e for e in expired_once.events if e.status is Status.SUBMITTED]
    assert len(submitted) == 2

    report, position = await verify(database_url, engine)
    assert report.counts.total() == 0, report.faults
    assert report.orders == 8
    assert report.signatures >= 5 + 1 + 2
    assert report.unknown_signatures == 0

    recent, _ = await verify(database_url, engine, timedelta(hours=1))
    assert (recent.orders, recent.counts.total()) == (8, 0)
    nothing, _ = await verify(database_url, engine, position)
    assert nothing.orders == 0
    await confirm_orders(engine, 2)
    later, _ = await verify(database_url, engine, position)
    assert later.orders == 2


@pytest.mark.parametrize("rule", PLANTS)
async def test_a_planted_fault_is_found(
    database_url: str, engine: EngineHarness, rule: str
) -> None:
    ids = await confirm_orders(engine, 2)
    statement, consequences = PLANTS[rule]
    await plant(database_url, statement, ids[0])
    # A row that is gone is found by its events.
    report, _ = await verify(database_url, engine, timedelta(hours=1) if "order" in rule else None)
    assert {each.rule for each in report.faults} == {rule, *consequences}
    assert ids[0] in {each.order_id for each in report.faults}


async def test_an_order_that_nobody_executes_is_found(
    database_url: str, engine: EngineHarness
) -> None:
    await engine.workers.stop()
    [stuck] = await engine.store_orders(engine.build_terms())
    assert (await verify(database_url, engine))[0].faults == []
    await plant(
        database_url,
        "UPDATE orders SET kick_at = now() - interval '6 m', updated_at = now() - interval '6 m'"
        " WHERE id = $1",
        stuck,
    )
    [fault] = (await verify(database_url, engine))[0].faults
    assert (fault.order_id, fault.rule) == (stuck, "stuck")


async def test_the_age_of_an_event_decides_whether_it_is_recent(
    database_url: str, engine: EngineHarness
) -> None:
    old, new = await confirm_orders(engine, 1), await confirm_orders(engine, 1)
    await plant(
        database_url,
        "UPDATE order_events SET at = at - interval '2 h' WHERE order_id = $1",
        old[0],
    )
    statement = "UPDATE orders SET seq = seq + 1 WHERE id IN ($1)"
    for order_id in (*old, *new):
        await plant(database_url, statement, order_id)
    report, _ = await verify(database_url, engine, timedelta(hours=1))
    assert [each.order_id for each in report.faults] == new
    report, _ = await verify(database_url, engine, timedelta(hours=3))
    assert {each.order_id for each in report.faults} == {*old, *new}


def test_the_chain_decides_which_attempt_was_executed() -> None:
    order = OrderSignatures(UUID(int=1), Status.CONFIRMED, [FIRST, SECOND])
    failed = order._replace(status=Status.FAILED)

    def find(which: OrderSignatures, succeeded: dict[str, bool]) -> list[str]:
        return [fault.rule for fault in find_chain_faults(which, succeeded)]

    assert find(order, {SECOND: True}) == []
    assert find(order, {FIRST: False, SECOND: True}) == []
    assert find(order, {}) == []  # the node keeps no history
    assert find(order, {FIRST: True, SECOND: True}) == ["executed"]
    assert find(order, {SECOND: False}) == ["not_executed"]
    assert find(failed, {FIRST: False}) == []
    assert find(failed, {SECOND: True}) == ["executed"]


def test_a_report_counts_what_it_does_not_list() -> None:
    report = VerificationReport()
    for _ in range(2):
        report.add([VerificationFault(UUID(int=1), "gap", "")] * (FAULTS_MAX - 1))
    assert report.counts == {"gap": 2 * (FAULTS_MAX - 1)}
    assert len(report.faults) == FAULTS_MAX


async def run_command(*arguments: str, **variables: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "backend.cli", "verify", *arguments),
        env=os.environ | variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_the_command_exits_by_what_it_finds(database_url: str, engine: EngineHarness) -> None:
    urls = {
        "DATABASE_URL": database_url,
        "SOLANA_RPC_URL": str(engine.node._base_url),
    }
    ids = await confirm_orders(engine, 3)
    code, out, err = await run_command("--chain", **urls)
    assert (code, err) == (0, "")
    assert out.startswith("3 orders, 3 signatures (0 unknown to the node) in ")
    assert out.endswith("s: 0 faults\n")
    await plant(database_url, "UPDATE orders SET seq = seq + 1 WHERE id = $1", ids[1])
    await wait_readable(database_url)
    code, out, _ = await run_command("--since", "10m", **urls)
    assert code == 1
    assert f"order {ids[1]} is confirmed at seq 6, and its last event is confirmed at seq 5" in out
    code, out, _ = await run_command("--json", **urls)
    report = json.loads(out)
    assert (code, report["orders"], report["counts"]) == (1, 3, {"row": 1})
    assert report["faults"][0]["orderId"] == str(ids[1])


@pytest.mark.parametrize("value", ["", "m", "-1m", "10", "1.5h", "0s", "9999999d"])
async def test_a_wrong_time_is_refused(value: str) -> None:
    code, _, err = await run_command("--since", value, DATABASE_URL="postgresql:///none")
    assert code == 2
    assert "--since" in err
    assert "Traceback" not in err


async def test_without_a_database_it_says_so() -> None:
    code, _, err = await run_command(DATABASE_URL="postgresql://127.0.0.1:1/none")
    assert code == 1
    assert err.startswith("Error: ")
    assert "Traceback" not in err

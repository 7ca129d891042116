"""Migrations: a database of version 0.1 with orders in every status becomes one of today."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from backend.domain.lifecycle import Status
from backend.store.migrations import CONTRACTS, MigrationError, migrate
from tests.conftest import MIGRATIONS, TABLES
from tests.integration.apis import open_api
from tests.integration.stores import EXPIRED_LEASES, open_store

TAKES_AWAY = re.compile(
    r"\bDROP (TABLE|COLUMN|FUNCTION|TYPE|VIEW)|\bRENAME\b|\bSET NOT NULL"
    r"|ALTER COLUMN \w+ (SET DATA )?TYPE"
)
FIRST = "0001_orders"
LATER = [
    "0002_price_impact",
    "0003_outages_and_late_amounts",
    "0004_keys_of_batches",
    "0005_cursor_key",
    "0006_order_lists",
    "0007_open_orders_by_owner",
    "0008_network_fees",
    "0009_cancellations",
    "0010_replayed_keys",
    "0011_expiry",
    "0012_waiting",
    "0013_trigger_watch",
    "0014_groups",
    "0015_slices",
    "0016_tokens",
    "0018_key_locks",
    "0019_wallet",
    "0020_best_markets",
    "0021_route_constraints",
    "0022_restricted_peaks",
    "0024_wallets",
    "0025_order_fees",
    "0026_transaction_costs",
    "0027_api_keys",
    "0028_positions",
    "0029_prices",
    "0030_trading_states",
    "0031_audit_log",
    "0032_cluster",
    "0033_webhooks",
    "0034_notices",
    "0035_order_limits",
    "0036_journal_origin",
    "0037_open_order_bounds",
    "0038_order_outages",
    "0039_archives",
    "0040_halt_begin",
    "0041_archived_wallets",
]
STATUSES_0_1 = [status for status in Status if status is not Status.WAITING]
CHECK_VIOLATION = asyncpg.CheckViolationError

_ORDER_0_1 = """
INSERT INTO orders (id, owner, request_hash, type, token_in, token_out, amount_in, slippage_bps,
                    kick_at, status, seq, dex, route, tx_hash, signed_tx, last_valid_height,
                    amount_out, executed_price, last_error)
VALUES ($1, 'local', 'hash', 'market', 'SOL', 'USDC', 1000000000, 50,
        now(), $2::text::order_status, 1, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_EVENT_0_1 = """
INSERT INTO order_events (order_id, seq, status, at, attempt, data)
VALUES ($1, 1, $2::text::order_status, now(), 1, '{"type": "market"}')
"""
_SIGNED = {Status.SUBMITTED, Status.CONFIRMED}
_ADDED = [
    *("max_price_impact_bps", "waiting_since", "amount_pending"),
    *("closed_as", "closed_at", "network_fee_lamports", "cancel_reason", "time_in_force"),
    *("condition", "is_triggered", "high_water", "high_water_slot", "trigger_shard"),
    *("parent_id", "oco_group", "bracket"),
    *("slices_placed", "next_slice_at", "slices_cancelling"),
    *("route_constraints", "wallet", "reserved_lamports", "fees", "costs_unknown"),
    *("priority_fee_lamports", "tip_lamports", "rent_lamports", "counted_value", "counted_day"),
    "outage_code",
]
_ROW = f"SELECT to_jsonb(o) - ARRAY{_ADDED} FROM orders o ORDER BY id"  # noqa: S608 - of constants
_EVENT = "SELECT to_jsonb(e) FROM order_events e ORDER BY order_id"


@pytest.fixture
async def empty_database_url(database_url: str) -> AsyncIterator[str]:
    """A database without a schema; dropped in the end."""
    name = f"empty_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(database_url)
    try:
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        yield urlunsplit(urlsplit(database_url)._replace(path=f"/{name}"))
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


async def create_database_0_1(url: str) -> dict[Status, UUID]:
    """The schema of version 0.1, as its own ``migrate`` left it, and an order in each status."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "CREATE TABLE migrations"
            " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        await connection.execute((MIGRATIONS / f"{FIRST}.sql").read_text("utf-8"))
        await connection.execute("INSERT INTO migrations (name) VALUES ($1)", FIRST)
        return {status: await _insert_order_0_1(connection, status) for status in STATUSES_0_1}
    finally:
        await connection.close()


async def _insert_order_0_1(connection: asyncpg.Connection[asyncpg.Record], status: Status) -> UUID:
    order_id = uuid7()
    is_signed, is_filled = status in _SIGNED, status is Status.CONFIRMED
    await connection.execute(
        _ORDER_0_1,
        order_id,
        status.value,
        "raydium" if is_signed else None,
        None,
        "signature" if is_signed else None,
        b"bytes" if is_signed else None,
        7 if is_signed else None,
        150_000_000 if is_filled else None,
        150 if is_filled else None,
        "no_pool: none" if status is Status.FAILED else None,
    )
    await connection.execute(_EVENT_0_1, order_id, status.value)
    return order_id


async def test_a_database_of_version_0_1_is_expanded_and_nothing_in_it_changes(
    empty_database_url: str,
) -> None:
    ids = await create_database_0_1(empty_database_url)
    connection = await asyncpg.connect(empty_database_url)
    try:
        before = await connection.fetch(_ROW), await connection.fetch(_EVENT)
        assert await migrate(empty_database_url) == LATER
        assert await migrate(empty_database_url) == []
        assert (await connection.fetch(_ROW), await connection.fetch(_EVENT)) == before
        added = await connection.fetch(
            "SELECT max_price_impact_bps, network_fee_lamports FROM orders"
        )
        assert [tuple(row) for row in added] == [(None, None)] * len(ids)
    finally:
        await connection.close()


async def test_the_orders_of_version_0_1_are_read_and_driven_on(empty_database_url: str) -> None:
    ids = await create_database_0_1(empty_database_url)
    await migrate(empty_database_url)
    async with open_store(empty_database_url, EXPIRED_LEASES) as store:
        for status, order_id in ids.items():
            record = await store.orders.get("local", order_id)
            assert record is not None
            assert (record.status, record.max_price_impact_bps) == (status, None)
            claimed = await store.leases.claim(order_id)
            assert (claimed is None) == status.is_final
            assert claimed is None or claimed.terms.max_price_impact_bps is None


async def test_a_limit_of_version_0_1_is_executed_at_once(empty_database_url: str) -> None:
    """It has no condition: its minimum decides, as then."""
    ids = await create_database_0_1(empty_database_url)
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute("UPDATE orders SET type = 'limit', min_amount_out = 9")
    await connection.close()
    await migrate(empty_database_url)
    async with open_store(empty_database_url, EXPIRED_LEASES) as store:
        claimed = await store.leases.claim(ids[Status.PENDING])
        assert claimed is not None
        assert (claimed.terms.condition, claimed.has_waited) == (None, False)


async def test_a_process_of_version_0_1_still_writes_to_the_database_of_today(
    empty_database_url: str,
) -> None:
    await migrate(empty_database_url)
    connection = await asyncpg.connect(empty_database_url)
    try:
        await _insert_order_0_1(connection, Status.PENDING)
        for cap, error in (
            (0, None),
            (10_000, None),
            (-1, CHECK_VIOLATION),
            (10_001, CHECK_VIOLATION),
        ):
            change = connection.execute("UPDATE orders SET max_price_impact_bps = $1", cap)
            if error is None:
                await change
            else:
                with pytest.raises(error):
                    await change
    finally:
        await connection.close()


@pytest.mark.parametrize("contracts", [False, True])
async def test_a_version_runs_on_the_schema_of_a_newer_one_unless_that_takes_something_away(
    empty_database_url: str, *, contracts: bool
) -> None:
    await migrate(empty_database_url)
    connection = await asyncpg.connect(empty_database_url)
    newer = "INSERT INTO migrations (name, contracts) VALUES ('9999_newer', $1)"
    await connection.execute(newer, contracts)
    await connection.close()
    if not contracts:
        assert await migrate(empty_database_url) == []
        return
    with pytest.raises(MigrationError, match="takes away what it uses: 9999_newer"):
        await migrate(empty_database_url)


async def test_migrations_that_were_applied_before_it_was_stored_expand(
    empty_database_url: str,
) -> None:
    await migrate(empty_database_url)
    connection = await asyncpg.connect(empty_database_url)
    try:
        await connection.execute("ALTER TABLE migrations DROP COLUMN contracts")
        assert await migrate(empty_database_url) == []
        assert await connection.fetchval("SELECT count(*) FROM migrations WHERE contracts") == 0
    finally:
        await connection.close()


def test_a_migration_that_takes_something_away_says_so() -> None:
    """Processes of the version before run on its schema until they are replaced."""
    texts = {path.name: path.read_text("utf-8") for path in MIGRATIONS.glob("*.sql")}
    silent = [
        name
        for name, text in texts.items()
        if TAKES_AWAY.search(text) and CONTRACTS not in text.splitlines()
    ]
    assert silent == []


async def test_the_api_shows_orders_without_a_cap(empty_database_url: str, redis_url: str) -> None:
    ids = await create_database_0_1(empty_database_url)
    await migrate(empty_database_url)
    async with open_api(empty_database_url, redis_url) as api:
        for status, order_id in ids.items():
            order = await api.get(f"/api/orders/{order_id}")
            assert (order["status"], order["maxPriceImpactBps"]) == (status, None)


async def test_older_batches_share_the_keys_of_single_orders(empty_database_url: str) -> None:
    orders = await create_database_0_1(empty_database_url)
    single, *of_batches = orders.values()
    connection = await asyncpg.connect(empty_database_url)
    try:
        await connection.execute("UPDATE orders SET idempotency_key = 'b' WHERE id = $1", single)
        for key, ids in (("a", of_batches[:2]), ("b", of_batches[2:4]), (None, of_batches[4:])):
            batch_id = uuid7()
            await connection.execute(
                "INSERT INTO batches (id, owner, idempotency_key, request_hash, response)"
                " VALUES ($1, 'local', $2, '', '{}')",
                *(batch_id, key),
            )
            await connection.execute(
                "UPDATE orders SET batch_id = $1 WHERE id = ANY($2)", batch_id, ids
            )
        await migrate(empty_database_url)
        rows = await connection.fetch(
            "SELECT id, idempotency_key FROM orders WHERE idempotency_key IS NOT NULL"
        )
        assert {tuple(row) for row in rows} == {(single, "b"), (min(of_batches[:2]), "a")}
    finally:
        await connection.close()


async def test_each_table_is_emptied_between_tests_or_has_one_fixed_content(
    database_url: str,
) -> None:
    """What one test leaves in a table that is not emptied, the next one takes for its own."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        )
    finally:
        await connection.close()
    fixed = {"api_keys_version", "audit_head", "journal", "migrations", "trigger_shards"}
    fixed.add("notice_positions")
    fixed.add("order_limits_version")
    assert {row["tablename"] for row in rows} - fixed == set(TABLES)

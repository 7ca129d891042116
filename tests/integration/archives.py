"""Orders that ended long ago, and archives of them, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from backend.accounting.positions import PositionBook, encode_book
from backend.accounting.report import Grouping, Report
from backend.domain.tokens import TokenRegistry
from backend.store.archive.archiver import Archiver
from backend.store.archive.ended_orders import EndedOrders
from backend.store.audit_log.entries import Actor
from backend.store.database import DatabaseConnection, DatabasePool
from backend.store.feed import Feed
from backend.store.fills.ended_lists import EndFilter
from backend.store.fills.fill_store import FillStore
from tests.integration.stores import wait_feed_reads

AGE = timedelta(days=90)

_INSERT_ORDERS = """
INSERT INTO orders (id, owner, client_order_id, idempotency_key, request_hash, type, token_in,
    token_out, amount_in, slippage_bps, status, seq, dex, route, tx_hash, wallet, amount_out,
    executed_price, last_error, network_fee_lamports, kick_at, created_at, updated_at)
SELECT past_id(n), $3, 'name-' || n, 'key-' || n, sha256(n::text::bytea), 'market',
    CASE WHEN n % 3 = 0 THEN 'SOL' ELSE 'USDC' END,
    CASE WHEN n % 3 = 0 THEN 'USDC' ELSE 'SOL' END, 1000 + n, 50,
    CASE WHEN n % 4 = 3 THEN 'failed' ELSE 'confirmed' END::order_status, 5, 'raydium',
    '{"dex":"raydium","quotes":[]}', 'signature-' || n, 'wallet',
    CASE WHEN n % 4 <> 3 THEN 2000 + n END, CASE WHEN n % 4 <> 3 THEN 0.5 END,
    CASE WHEN n % 4 = 3 THEN 'reverted: the program said no' END, 5000, now(),
    past_at(n), past_at(n)
FROM generate_series($1::int, $2::int) n
"""
_INSERT_EVENTS = """
INSERT INTO order_events (order_id, seq, status, at, attempt, data)
SELECT past_id(n), seq, CASE WHEN seq = 5 AND n % 4 = 3 THEN 'failed' ELSE status END::order_status,
    past_at(n), 1, CASE WHEN seq = 4 THEN jsonb_build_object('txHash', 'signature-' || n)
        ELSE '{"slot": 1234, "ü": 1.50}' END
FROM generate_series($1::int, $2::int) n CROSS JOIN (VALUES
    (1, 'pending'), (2, 'routing'), (3, 'building'), (4, 'submitted'), (5, 'confirmed')
) AS step(seq, status)
"""
_FUNCTIONS = """
CREATE OR REPLACE FUNCTION pg_temp.past_at(n int) RETURNS timestamptz LANGUAGE sql AS
    $$ SELECT now() - interval '200 d' + n * interval '1 s' $$;
CREATE OR REPLACE FUNCTION pg_temp.past_id(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$ SELECT md5('past ' || n)::uuid $$;
"""
_AGE_ROWS = """
UPDATE orders SET created_at = created_at - $1::interval, updated_at = updated_at - $1::interval,
    closed_at = closed_at - $1::interval
"""
_AGE_EVENTS = "UPDATE order_events SET at = at - $1::interval"


async def insert_past_orders(
    pool: DatabasePool, first: int, last: int, owner: str = "local"
) -> None:
    """Store orders that ended 200 days ago: three of four confirmed, the others failed."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_FUNCTIONS)
        for statement, *args in (
            (_INSERT_ORDERS, first, last, owner),
            (_INSERT_EVENTS, first, last),
        ):
            text = str(statement).replace("past_", "pg_temp.past_")
            await connection.execute(text, *args)
    await await_readable(pool)


async def age_orders(pool: DatabasePool, days: int) -> None:
    """Have all orders as if they were older."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        for statement in (_AGE_ROWS, _AGE_EVENTS):
            await connection.execute(statement, timedelta(days=days))
    await await_readable(pool)


async def await_readable(pool: DatabasePool) -> None:
    """Return when all that is committed is below the head of the feed."""
    [row] = await pool.fetch("SELECT pg_current_xact_id()::text::bigint AS txid")
    await wait_feed_reads(Feed(pool), row["txid"])


async def archive_orders(pool: DatabasePool, folder: Path, *, file_orders: int = 500) -> int:
    """Archive what ended over 90 days ago; returns how many orders."""
    archiver = Archiver(
        pool,
        folder,
        journal_id=await Feed(pool).read_journal_id(),
        actor=Actor("a test"),
        on_file=lambda *_: None,
        file_orders=file_orders,
    )
    return await archiver.run(EndedOrders(pool, AGE))


async def read_accounts(pool: DatabasePool, owner: str = "local") -> Sequence[object]:
    """All fills of an owner, its positions, and a report of them by days."""
    fills = FillStore(pool, TokenRegistry(), "USDC")
    report = Report(Grouping.DAY, book := PositionBook("USDC"))
    read = []
    async for page in fills.read_pages(owner, EndFilter()):
        read += page
        report.add_fills(page, None)
    async for orders in fills.read_unfilled_pages(owner, EndFilter()):
        report.add_orders(orders)
    return read, encode_book(book), report.rows


async def list_ids(pool: DatabasePool) -> set[UUID]:
    """The ids of all orders that are in the tables."""
    return {row["id"] for row in await pool.fetch("SELECT id FROM orders")}


@asynccontextmanager
async def block_rows(pool: DatabasePool, statement: str) -> AsyncIterator[DatabaseConnection]:
    """Have an archive wait at what a statement locks, for the length of a block."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(statement)
        yield connection


async def await_blocked(pool: DatabasePool) -> None:
    """Return once a statement waits for a lock."""
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with asyncio.timeout(30):
        while not await pool.fetchval(query):
            await asyncio.sleep(0.01)

"""Positions from the fills of a database: checkpoints change nothing, whatever they are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import asyncpg
import pytest

from backend.accounting.positions import PositionBook, encode_book
from backend.domain.tokens import TokenRegistry
from backend.store.database import DatabasePool, open_pool
from backend.store.fills import fill_store, position_store
from backend.store.fills.ended_lists import EndFilter
from backend.store.fills.fill_store import FillStore
from backend.store.fills.position_store import PositionStore

OWNER = "local"
INSERT = """
INSERT INTO orders (id, owner, request_hash, type, token_in, token_out, amount_in, slippage_bps,
                    status, seq, dex, tx_hash, amount_out, executed_price, kick_at,
                    created_at, updated_at)
SELECT gen_random_uuid(), 'local', '', 'market', token_in, token_out, 1000 + n, 50, 'confirmed', 5,
       'raydium', 'signature-' || n, 2000 + n, 1, now(), at, at
FROM (
    SELECT n, clock_timestamp() AS at,
           CASE WHEN n % 3 = 0 THEN 'SOL' ELSE 'USDC' END AS token_in,
           CASE WHEN n % 3 = 0 THEN 'USDC' ELSE 'SOL' END AS token_out
    FROM generate_series($1::int, $2::int) n
) made
"""
CHECKPOINTS = "SELECT owner, reference, booked_at, book FROM position_checkpoints"


def open_store(pool: DatabasePool) -> PositionStore:
    return PositionStore(FillStore(pool, TokenRegistry(), "USDC"), pool, pool)


async def read(store: PositionStore) -> PositionBook:
    book = await store.read(OWNER, wait_s=30)
    assert book is not None
    return book


async def compute(pool: DatabasePool) -> dict[str, object]:
    """The positions from the first fill on, without a checkpoint."""
    book = PositionBook("USDC")
    async for page in FillStore(pool, TokenRegistry(), "USDC").read_pages(OWNER, EndFilter()):
        for fill in page:
            book.book(fill)
    return encode_book(book)


@pytest.fixture
async def pool(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DatabasePool]:
    monkeypatch.setattr(fill_store, "PAGE", 4)
    monkeypatch.setattr(position_store, "CHECKPOINT_FILLS", 10)
    async with open_pool(database_url, connections_max=3) as pool:
        yield pool


async def test_positions_of_checkpoints_are_those_of_all_fills(pool: DatabasePool) -> None:
    store = open_store(pool)
    assert (await read(store)).positions == {}
    for start in range(1, 60, 7):
        await pool.execute(INSERT, start, start + 6)
        expected = await compute(pool)
        assert encode_book(await read(store)) == expected
        assert encode_book(await read(open_store(pool))) == expected
    [checkpoint] = await pool.fetch(CHECKPOINTS)
    assert (checkpoint["owner"], checkpoint["reference"]) == (OWNER, "USDC")
    fills = [each[-2][1] for each in json.loads(checkpoint["book"])["positions"].values()]
    assert min(fills) >= 40


async def test_another_process_goes_on_from_a_checkpoint(pool: DatabasePool) -> None:
    await pool.execute(INSERT, 1, 20)
    await read(open_store(pool))
    await pool.execute(
        "UPDATE position_checkpoints SET book = $1", json.dumps(encode_book(PositionBook("USDC")))
    )
    await pool.execute(INSERT, 21, 22)
    positions = (await read(open_store(pool))).positions
    assert sum(each.fill_count for each in positions.values()) < 2 * 20


async def test_a_checkpoint_from_before_the_clock_was_set_back_is_not_used(
    pool: DatabasePool,
) -> None:
    await pool.execute(INSERT, 1, 20)
    await read(open_store(pool))
    await pool.execute("UPDATE position_checkpoints SET booked_at = now() + interval '1 hour'")
    await pool.execute(INSERT, 21, 22)
    assert encode_book(await read(open_store(pool))) == await compute(pool)


async def test_a_fill_that_commits_late_is_booked(pool: DatabasePool, database_url: str) -> None:
    """One that was written before others, and is visible behind them: nothing is past it yet."""
    store = open_store(pool)
    writer = await asyncpg.connect(database_url)
    try:
        transaction = writer.transaction()
        await transaction.start()
        await writer.execute(INSERT, 1, 1)
        await pool.execute(INSERT, 2, 30)
        early = await read(store)
        assert early.find("SOL").fill_count == 29
        await transaction.commit()
    finally:
        await writer.close()
    book = await read(store)
    assert book.find("SOL").fill_count == 30
    assert encode_book(book) == await compute(pool)


async def test_who_does_not_wait_gets_the_positions_later(pool: DatabasePool) -> None:
    await pool.execute(INSERT, 1, 200)
    store = open_store(pool)
    assert await store.read(OWNER, wait_s=0) is None
    async with asyncio.TaskGroup() as tasks:
        reads = [tasks.create_task(read(store)) for _ in range(2)]
    first, second = (each.result() for each in reads)
    assert encode_book(first) == encode_book(second) == await compute(pool)

"""A million orders of a few owners, for tests of what queries cost: made in seconds."""

from __future__ import annotations

import asyncpg

BIG_OWNER = "big"
COUNT = 1_000_000
RARE_EVERY = 100_000
"""One in so many orders has each of the rare terms."""
OPEN_COUNT = 2_000
"""How many are pending."""
WAITING_COUNT = 2_000
"""How many wait for a price."""
BATCH_ORDERS = 1_000
GROUPED_COUNT = 20_000
"""How many have a parent, each as many as a batch has orders, and are in a group of two."""

# The venue, the type and the tokens are rare ones at different places, so that some combinations of
# rare terms exist and others do not. Six of ten orders are one owner's.
_INSERT = """
INSERT INTO orders (id, owner, client_order_id, request_hash, batch_id, type, token_in, token_out,
                    amount_in, slippage_bps, status, seq, dex, tx_hash, amount_out, executed_price,
                    last_error, kick_at, created_at, updated_at, closed_as, closed_at,
                    condition, trigger_shard, parent_id, oco_group)
SELECT lpad(to_hex(n), 32, '0')::uuid, owner,
       CASE WHEN n % 100 = 0 THEN 'client-' || n END, '', lpad(to_hex(n / $3), 32, '0')::uuid,
       type, token_in, token_out, 1000, 50, status, 2, dex, 'signature',
       CASE WHEN status = 'confirmed' THEN 1000 END, CASE WHEN status = 'confirmed' THEN 1 END,
       CASE WHEN status = 'failed' THEN 'failed' END, created, created, updated,
       CASE WHEN status NOT IN ('pending', 'waiting')
            THEN order_closed_as(status, dex, type, token_in, token_out) END,
       CASE WHEN status NOT IN ('pending', 'waiting') THEN updated END,
       CASE WHEN status = 'waiting'
            THEN '{"kind": "limit", "limit": "1/1", "priceOf": "tokenIn"}'::jsonb END,
       CASE WHEN status = 'waiting' THEN order_trigger_shard(token_in, token_out) END,
       CASE WHEN n < $6 THEN lpad(to_hex(n / $3), 32, '0')::uuid END,
       CASE WHEN n < $6 THEN lpad(to_hex(n / 2), 32, '0')::uuid END
FROM (
    SELECT n, CASE WHEN n % 10 < 6 THEN 'big' WHEN n % 10 < 8 THEN 'second' ELSE 'third' END
               AS owner,
           timestamptz '2026-01-01' + n * interval '1 s' AS created,
           timestamptz '2026-01-01' + (n + 1) * interval '1 s' AS updated,
           CASE WHEN n % $2 = 11 THEN 'limit'::order_type ELSE 'market' END AS type,
           CASE WHEN n % $2 IN (20, 21) THEN 'BONK' WHEN n % 2 = 0 THEN 'SOL' ELSE 'USDC' END
               AS token_in,
           CASE WHEN n % $2 IN (20, 30) THEN 'USDT' WHEN n % 2 = 0 THEN 'USDC' ELSE 'SOL' END
               AS token_out,
           CASE WHEN n % $2 IN (40, 20) THEN 'meteora' ELSE 'raydium' END AS dex,
           CASE WHEN n > $1::int - $4::int THEN 'pending'::order_status
                WHEN n > $1::int - $4::int - $5::int THEN 'waiting'
                WHEN n % $2 IN (20, 50, 51) THEN 'failed'
                WHEN n % $2 = 52 THEN 'cancelled'
                ELSE 'confirmed' END AS status
    FROM generate_series(1, $1::int) n OFFSET 0
) made
"""
_INSERT_EVENTS = """
INSERT INTO order_events (order_id, seq, status, at, attempt, data, txid)
SELECT id, seq, status, created_at, 1, '{}', row_number() OVER (ORDER BY id) / 100
FROM (
    (SELECT * FROM orders WHERE owner = 'big' LIMIT 50000)
    UNION ALL
    SELECT * FROM orders WHERE status = 'waiting'
) o
"""
_INDEXES = """
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS text
FROM pg_index WHERE indrelid = 'orders'::regclass AND NOT indisprimary
"""


async def insert_many_orders(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Fill an empty database with orders and some of their events, and read its statistics."""
    indexes = await connection.fetch(_INDEXES)
    for setting in ("session_replication_role = replica", "maintenance_work_mem = '256MB'"):
        await connection.execute(f"SET {setting}")  # the first turns triggers off
    await connection.execute("ALTER TABLE orders SET UNLOGGED")
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['name']}")
    arguments = COUNT, RARE_EVERY, BATCH_ORDERS, OPEN_COUNT, WAITING_COUNT, GROUPED_COUNT
    await connection.execute(_INSERT, *arguments)
    for index in indexes:
        await connection.execute(index["text"])
    await connection.execute(_INSERT_EVENTS)
    await connection.execute("ANALYZE orders")
    await connection.execute("ANALYZE order_events")

"""Past orders: ended orders with all their events, generated inside the database.

They match real ones: time-ordered ids, columns and data of realistic size, and events in the
order in which workers write them, one step of a group of orders at a time. That order matters:
runs of small events fill the gaps that large ones leave at the ends of pages, and remaining gaps
would be filled by the measured orders, page after page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from backend.store.migrations import migrate
from backend.trials.bench.servers import connect

HISTORY_OWNER: Final = "history"
ORDERS_PER_STATEMENT: Final = 50_000
ORDERS_PER_TRANSACTION: Final = 20
ENDED_FILL_PERCENT: Final = 85
"""Fill of the pages of ended orders, whose updates have used up the reserved space.
PostgreSQL would place new orders into emptier pages."""

ROUTE_JSON: Final = (
    '{"dex":"meteora","minAmountOut":"224.425657","quotes":['
    '{"dex":"raydium","price":"249.06278058","amountOut":"249.062780","fee":"0.003",'
    '"priceImpact":"0.000001725"},'
    '{"dex":"meteora","price":"249.361842","amountOut":"249.361842","fee":"0.002",'
    '"priceImpact":"0.000001738"}]}'
)
"""An order's route, and the data of its ``building`` event."""

_INSERT_ORDERS: Final = """
INSERT INTO orders (
    id, owner, request_hash, type, token_in, token_out, amount_in, slippage_bps, status, seq,
    attempts, dex, route, tx_hash, amount_out, executed_price, epoch, kick_at, created_at,
    updated_at
)
SELECT past.id, $3, sha256(past.id::text::bytea), 'market', 'SOL', 'USDC',
       1000000000 + n, 1000, 'confirmed', 5, 1, 'meteora', $4::text::jsonb, past.signature,
       249361842 + n % 1000, 249.361842, 1, past.at, past.at, past.at
FROM (
    SELECT n, past_order_id(n) AS id, past_order_at(n) AS at,
           left(translate(encode(sha512(n::text::bytea), 'base64'), E'+/=\\n', ''), 87) AS signature
    FROM generate_series($1::bigint, $2::bigint) AS n
) past
"""

_INSERT_EVENTS: Final = """
INSERT INTO order_events (order_id, seq, status, at, attempt, data, txid)
SELECT past_order_id(n), step.seq, step.status::order_status,
       past_order_at(n) + step.seq * interval '2 ms', 1,
       CASE WHEN step.seq < 4 THEN step.data
            ELSE jsonb_set(step.data, '{txHash}', to_jsonb(left(translate(
                encode(sha512(n::text::bytea), 'base64'), E'+/=\\n', ''), 87))) END,
       (n / $3 - $4::bigint) * 5 + step.seq
FROM generate_series($1::bigint, $2::bigint) AS n CROSS JOIN (VALUES
    (1, 'pending', '{"type":"market","tokenIn":"SOL","tokenOut":"USDC",'
        '"amountIn":"1.000000001","slippageBps":1000}'::jsonb),
    (2, 'routing', '{}'),
    (3, 'building', $5::text::jsonb),
    (4, 'submitted', '{"txHash":""}'),
    (5, 'confirmed', '{"txHash":"","dex":"meteora","executedPrice":"249.361842",'
        '"amountOut":"249.361842","slot":1234}')
) AS step(seq, status, data)
ORDER BY n / $3, step.seq, n
"""

# No autovacuum of these tables may run during the measurement.
_PREPARE_TABLES: Final = f"""
ALTER TABLE orders SET (fillfactor = {ENDED_FILL_PERCENT}, autovacuum_enabled = off);
ALTER TABLE order_events SET (autovacuum_enabled = off);
"""

_CREATE_FUNCTIONS: Final = """
CREATE FUNCTION past_order_at(n bigint) RETURNS timestamptz IMMUTABLE LANGUAGE sql RETURN
    timestamptz '2026-01-01 00:00:00+00' + n * interval '10 ms';
CREATE FUNCTION past_order_id(n bigint) RETURNS uuid IMMUTABLE LANGUAGE sql RETURN (
    lpad(to_hex((extract(epoch FROM past_order_at(n)) * 1000)::bigint), 12, '0')
    || '7' || left(md5(n::text), 3) || '8' || right(md5(n::text), 15)
)::uuid;
"""


async def insert_past_orders(
    database_url: str, orders: int, on_progress: Callable[[int], None]
) -> None:
    """Migrate an empty database and insert past orders; ``on_progress`` gets the number so far.

    Their transaction numbers are below all real ones.
    """
    await migrate(database_url)
    connection = await connect(database_url)
    try:
        await connection.execute("SET synchronous_commit = off")
        await connection.execute(_CREATE_FUNCTIONS)
        await connection.execute(_PREPARE_TABLES)
        for first in range(1, orders + 1, ORDERS_PER_STATEMENT):
            last = min(orders, first + ORDERS_PER_STATEMENT - 1)
            await connection.execute(
                _INSERT_ORDERS, first, last, HISTORY_OWNER, ROUTE_JSON, timeout=600
            )
            groups = orders // ORDERS_PER_TRANSACTION + 2
            await connection.execute(
                _INSERT_EVENTS, first, last, ORDERS_PER_TRANSACTION, groups, ROUTE_JSON, timeout=600
            )
            on_progress(last)
        await connection.execute("DROP FUNCTION past_order_id(bigint), past_order_at(bigint)")
        await connection.execute("ALTER TABLE orders SET (fillfactor = 50)")
        await connection.execute("SET synchronous_commit = on")
        await connection.execute("ANALYZE orders, order_events", timeout=600)
        # The first read of a page sets hint bits and so writes the page again.
        await connection.fetchval("SELECT count(*) FROM orders", timeout=600)
        await connection.fetchval("SELECT count(*) FROM order_events", timeout=600)
        await connection.execute("CHECKPOINT", timeout=600)
    finally:
        await connection.close()

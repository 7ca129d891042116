"""The statements of TWAP orders and their slices."""

from __future__ import annotations

from typing import Final

import asyncpg

from backend.domain.waiting.slices import SliceProgress
from backend.store.waiting.order_columns import INPUT_NAMES, INPUT_TYPES

SUM_SLICES: Final = """
SELECT coalesce(sum(amount_in) FILTER (WHERE open), 0)::text AS open_in,
       coalesce(sum(amount_in) FILTER (WHERE status = 'confirmed'), 0)::text AS filled_in,
       coalesce(sum(amount_in) FILTER (WHERE amount_out IS NOT NULL), 0)::text AS valued_in,
       coalesce(sum(amount_out), 0)::text AS amount_out
FROM orders WHERE parent_id = p.id
"""
"""What has become of the slices of an order ``p``."""

# LIMIT 1 forces an index scan for each order, even when the statistics are wrong.
LOAD: Final = f""" -- load sliced
SELECT p.*, c.* FROM unnest($1::uuid[]) AS i(id) CROSS JOIN LATERAL (
    SELECT id, owner, type::text, token_in, token_out, amount_in::text, min_amount_out::text,
           slippage_bps, max_price_impact_bps, condition, seq, expires_at, created_at, now() AS at,
           coalesce(slices_placed, 0) AS placed, next_slice_at, route_constraints, fees
    FROM orders WHERE id = i.id AND status = 'waiting' AND type = 'twap' LIMIT 1
) p CROSS JOIN LATERAL ({SUM_SLICES}) c
"""  # noqa: S608 - constants only

# The limit is the number of rows, and "IS NOT FALSE" matches no index on purpose, for the reasons
# given in the journal: PostgreSQL finds each order by its id. A time that is further ahead than any
# may be was stored before the clock was set back: it has come.
PLACE: Final = f""" -- place slices
WITH input AS (
    SELECT * FROM unnest(
{INPUT_TYPES},
        $19::uuid[], $20::int[], $21::jsonb[], $22::interval[], $23::interval[], $24::interval[]
    ) AS i({INPUT_NAMES},
           parent_id, parent_seq, parent_data, first_offset, gap, ahead_max)
    LIMIT cardinality($1::uuid[])
), written AS MATERIALIZED (
    SELECT clock_timestamp() AS at
), sliced AS (
    UPDATE orders o SET
        seq = o.seq + 1,
        slices_placed = coalesce(o.slices_placed, 0) + 1,
        next_slice_at = i.gap + CASE
            WHEN coalesce(o.next_slice_at, o.created_at + i.first_offset)
                BETWEEN now() - $27::interval AND now()
            THEN coalesce(o.next_slice_at, o.created_at + i.first_offset) ELSE now() END,
        updated_at = (SELECT at FROM written)
    FROM input i
    WHERE o.id = i.parent_id AND o.seq = i.parent_seq AND (o.status = 'waiting') IS NOT FALSE
        AND (o.expires_at <= now()) IS NOT TRUE
        AND (coalesce(o.next_slice_at, o.created_at + i.first_offset) > now()
             AND coalesce(o.next_slice_at, o.created_at + i.first_offset) <= now() + i.ahead_max
        ) IS NOT TRUE
        AND is_order_held(
            (SELECT read_trading_states()), o.owner, o.token_in, o.token_out, NULL) IS NOT TRUE
    RETURNING o.id AS parent_id, o.seq AS parent_seq, o.attempts, o.batch_id, o.next_slice_at, i.id,
              o.route_constraints, o.fees
), stored AS (
    INSERT INTO orders (id, owner, client_order_id, request_hash, parent_id, type,
                        token_in, token_out, amount_in, min_amount_out, slippage_bps,
                        max_price_impact_bps, time_in_force, expires_at, kick_at, created_at,
                        updated_at, condition, status, seq, trigger_shard, route_constraints, fees)
    SELECT i.id, i.owner, i.client_order_id, i.request_hash, i.parent_id, i.type::order_type,
           i.token_in, i.token_out, i.amount_in, i.min_amount_out, i.slippage_bps,
           i.max_price_impact_bps, i.time_in_force, i.expires_at, now() + $25::interval, written.at,
           written.at, i.condition,
           CASE WHEN i.waits THEN $26::text::order_status ELSE 'pending' END,
           CASE WHEN i.waits THEN 2 ELSE 1 END,
           CASE WHEN i.waits THEN order_trigger_shard(i.token_in, i.token_out) END,
           sliced.route_constraints, sliced.fees
    FROM sliced JOIN input i ON i.id = sliced.id CROSS JOIN written
    ON CONFLICT DO NOTHING
    RETURNING id
), logged AS (
    INSERT INTO order_events (order_id, seq, status, at, attempt, data)
    SELECT s.parent_id, s.parent_seq, $26::text::order_status, written.at, s.attempts, i.parent_data
    FROM sliced s JOIN input i ON i.id = s.id CROSS JOIN written
    UNION ALL
    SELECT id, 1, 'pending', written.at, 1, data
    FROM input CROSS JOIN written WHERE (id IN (SELECT id FROM stored)) IS TRUE
    UNION ALL
    SELECT id, 2, $26::text::order_status, written.at, 1, '{{}}'
    FROM input CROSS JOIN written WHERE waits AND (id IN (SELECT id FROM stored)) IS TRUE
)
SELECT id, parent_id, parent_seq, attempts, batch_id,
       extract(epoch FROM next_slice_at - now())::float8 AS next_in_s,
       (id IN (SELECT id FROM stored)) IS TRUE AS is_stored,
       (SELECT at FROM written) AS created_at, pg_current_xact_id()::text::bigint AS txid
FROM sliced
"""  # noqa: S608 - constants only
# One whose slices expired with it expires as well.
END: Final = """ -- end sliced
WITH input AS (
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::jsonb[], $5::text[])
        AS i(id, seq, status, data, last_error)
    LIMIT cardinality($1::uuid[])
), written AS MATERIALIZED (
    SELECT clock_timestamp() AS at
), ended AS (
    UPDATE orders o SET
        status = i.status::order_status,
        seq = o.seq + 1,
        epoch = o.epoch + 1,
        trigger_shard = NULL,
        last_error = i.last_error,
        updated_at = (SELECT at FROM written),
        closed_as = order_closed_as(i.status::order_status, o.dex, o.type, o.token_in, o.token_out),
        closed_at = (SELECT at FROM written)
    FROM input i
    WHERE o.id = i.id AND o.seq = i.seq AND (o.status = 'waiting') IS NOT FALSE
        AND (i.status = 'failed' AND o.expires_at <= now()) IS NOT TRUE
    RETURNING o.id, o.seq, o.status, o.attempts, o.owner, o.batch_id, o.dex, i.data
), logged AS (
    INSERT INTO order_events (order_id, seq, status, at, attempt, data)
    SELECT id, seq, status, (SELECT at FROM written), attempts, data FROM ended
)
SELECT *, (SELECT at FROM written) AS at, pg_current_xact_id()::text::bigint AS txid FROM ended
"""


def parse_progress(row: asyncpg.Record) -> SliceProgress:
    """The progress of an order from the number of its placed slices and their sums."""
    sums = (int(row[name]) for name in ("open_in", "filled_in", "valued_in", "amount_out"))
    return SliceProgress(row["placed"], *sums)

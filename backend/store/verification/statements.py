"""The rules of the verification, as statements that return what breaks them.

Each takes the ids of some orders and reads them by indexes. A statement sees one state of the
database, in which a row and its events always belong together: they are written in one statement.
"""

from __future__ import annotations

from typing import Final

LATE_S: Final = 5
"""A statement that stores ``submitted`` may begin before an expiry and be written after it."""

# The limit is the number of rows, as in the journal, for a plan that finds each order by its id.
_IDS: Final = """
ids AS (
    SELECT * FROM unnest($1::uuid[]) AS i(id) LIMIT cardinality($1::uuid[])
), found AS (
    SELECT o.*, tin.decimals AS decimals_in, tout.decimals AS decimals_out
    FROM ids JOIN orders o ON o.id = ids.id
    LEFT JOIN known tin ON tin.symbol = o.token_in
    LEFT JOIN known tout ON tout.symbol = o.token_out
), events AS (
    SELECT e.order_id, e.seq, e.status::text, e.attempt, e.at, e.data,
           lag(e.status::text) OVER w AS previous,
           row_number() OVER w AS place,
           row_number() OVER (PARTITION BY e.order_id ORDER BY e.seq DESC) AS place_from_end
    FROM ids JOIN order_events e ON e.order_id = ids.id
    WINDOW w AS (PARTITION BY e.order_id ORDER BY e.seq)
)
"""
_KNOWN: Final = """
known AS (
    SELECT * FROM unnest($2::text[], $3::int[]) AS k(symbol, decimals)
    UNION ALL SELECT mint, decimals FROM tokens
)
"""

FIND_FAULTS: Final = f""" -- verify orders
WITH {_KNOWN}, {_IDS}, last_events AS (
    SELECT * FROM events WHERE place_from_end = 1
), submissions AS (
    SELECT order_id, attempt, count(*) AS times, max(seq) AS seq
    FROM events WHERE status = 'submitted' GROUP BY order_id, attempt
), last_submissions AS (
    SELECT DISTINCT ON (order_id) order_id, data->>'txHash' AS signature, at
    FROM events WHERE status = 'submitted' ORDER BY order_id, seq DESC
)
SELECT id, 'missing_order' AS rule, 'has events, and no row' AS reason
FROM ids WHERE NOT EXISTS (SELECT FROM orders o WHERE o.id = ids.id)
UNION ALL
SELECT id, 'missing_events', 'has a row, and no events'
FROM found WHERE NOT EXISTS (SELECT FROM last_events e WHERE e.order_id = found.id)
UNION ALL
SELECT order_id, 'gap', 'event ' || place || ' has the seq ' || seq
FROM events WHERE seq <> place
UNION ALL
SELECT order_id, 'transition',
       coalesce(previous, 'nothing') || ' to ' || status || ' at seq ' || seq
FROM events WHERE NOT (coalesce(previous, '') || ' ' || status) = ANY($4::text[])
UNION ALL
SELECT id, 'row', 'is ' || o.status || ' at seq ' || o.seq || ', and its last event is '
       || e.status || ' at seq ' || e.seq
FROM found o JOIN last_events e ON e.order_id = o.id
WHERE o.status::text <> e.status OR o.seq <> e.seq
UNION ALL
SELECT order_id, 'signed_twice', 'attempt ' || attempt || ' was submitted ' || times || ' times'
FROM submissions WHERE times > 1
UNION ALL
SELECT o.id, 'signature', 'has the signature ' || coalesce(o.tx_hash, 'none')
       || ', and the last that was submitted is ' || coalesce(s.signature, 'none')
FROM found o LEFT JOIN last_submissions s ON s.order_id = o.id
WHERE o.status IN ('submitted', 'confirmed') AND o.type <> 'twap'
    AND o.tx_hash IS DISTINCT FROM s.signature
UNION ALL
SELECT o.id, 'submitted_late', 'was submitted at ' || s.at || ', after ' || o.expires_at
FROM found o JOIN last_submissions s ON s.order_id = o.id
WHERE s.at > o.expires_at + interval '{LATE_S} s'
UNION ALL
SELECT id, 'minimum', 'received ' || amount_out || ' base units, below ' || min_amount_out
FROM found WHERE amount_out < min_amount_out
UNION ALL
SELECT o.id, 'amount', 'received ' || o.amount_out || ' base units, and its event says '
       || (e.data->>'amountOut')
FROM found o JOIN last_events e ON e.order_id = o.id
WHERE e.status = 'confirmed' AND o.amount_out IS NOT NULL
    AND (e.data->>'amountOut')::numeric * 10::numeric ^ o.decimals_out <> o.amount_out
"""  # noqa: S608 - constants only
"""Faults of single orders: id, rule, reason. ``$4`` are the legal pairs of statuses."""

# An order that has changed while it was archived stays, when those that it made are gone.
_CHILDREN: Final = """
    SELECT amount_in FROM orders WHERE parent_id = o.id
    UNION ALL SELECT amount_in FROM archived_orders WHERE parent_id = o.id
"""
FIND_GROUP_FAULTS: Final = f""" -- verify groups
WITH {_KNOWN}, {_IDS}
SELECT DISTINCT o.id, 'group' AS rule,
       'and ' || g.id || ' of its group ' || o.oco_group || ' are both executed' AS reason
FROM found o JOIN orders g ON g.oco_group = o.oco_group AND g.id <> o.id
WHERE o.oco_group IS NOT NULL
    AND o.status IN ('submitted', 'confirmed') AND g.status IN ('submitted', 'confirmed')
UNION ALL
SELECT o.id, 'slices', 'sells ' || o.amount_in || ' base units, and its slices ' || s.amount_in
FROM found o CROSS JOIN LATERAL (
    SELECT sum(c.amount_in) AS amount_in FROM ({_CHILDREN}) c
) s
WHERE o.type = 'twap' AND (s.amount_in > o.amount_in
    OR (o.status = 'confirmed' AND s.amount_in IS DISTINCT FROM o.amount_in))
UNION ALL
SELECT o.id, 'bracket', 'is confirmed, and has ' || c.orders || ' of the orders of its bracket'
FROM found o CROSS JOIN LATERAL (
    SELECT count(*) AS orders FROM ({_CHILDREN}) c
) c
WHERE o.bracket IS NOT NULL AND o.status = 'confirmed' AND o.amount_out IS NOT NULL
    AND o.type <> 'twap'
    AND c.orders <> (SELECT count(*) FROM jsonb_object_keys(o.bracket))
"""  # noqa: S608 - constants only
"""Faults of orders that belong to others: id, rule, reason; the parameters are used in part."""

FIND_STUCK: Final = """ -- verify progress
SELECT id, 'stuck' AS rule,
       'is ' || status || ' since ' || updated_at || ', and no worker executes it' AS reason
FROM orders
WHERE open AND trigger_shard IS NULL
    AND greatest(kick_at, lease_until, next_attempt_at, updated_at) < now() - $1::interval
ORDER BY id LIMIT $2
"""
"""Orders that should be executed and have not moved for a time."""

FIND_CONFLICTS: Final = """ -- verify adoptions
SELECT order_id, 'not_adopted' AS rule, 'did not get ' || signature || ', which the chain has: '
       || note AS reason
FROM found_transactions WHERE note IS NOT NULL ORDER BY order_id LIMIT $1
"""
COUNT_LOST: Final = """ -- verify losses
SELECT count(*) FROM found_transactions f
WHERE adopted_at IS NULL AND NOT EXISTS (SELECT FROM orders o WHERE o.id = f.order_id)
"""

FIND_VOLUME_FAULTS: Final = """ -- verify volumes
SELECT NULL::uuid AS id, 'volume' AS rule, 'owner ' || owner || ' has a volume of ' || volume
       || ' base units on ' || day || ', and orders that count for it are worth ' || counted
       AS reason
FROM (
    SELECT d.owner, d.day, d.volume, (
        SELECT coalesce(sum(counted_value), 0) FROM (
            (SELECT counted_value, counted_day FROM orders WHERE owner = d.owner
                 AND closed_as COLLATE "C" >= 'confirmed ' AND closed_as COLLATE "C" < 'confirmed!'
                 AND closed_at >= d.day::timestamp AT TIME ZONE 'UTC')
            UNION ALL
            (SELECT counted_value, counted_day FROM orders WHERE owner = d.owner
                 AND open AND trigger_shard IS NULL AND status = 'submitted')
        ) o WHERE counted_day = d.day
    ) AS counted
    FROM owner_days d WHERE d.day = (now() AT TIME ZONE 'UTC')::date AND d.volume IS NOT NULL
) v WHERE volume < counted ORDER BY owner LIMIT $1
"""
"""Owners with a limit on the volume of the day that is kept too low: it reads all of that day."""

READ_SIGNATURES: Final = """ -- verify signatures
SELECT e.order_id, array_agg(coalesce(e.data->>'txHash', '') ORDER BY e.seq) AS signatures,
       min(o.status::text) AS status
FROM (SELECT * FROM unnest($1::uuid[]) AS i(id) LIMIT cardinality($1::uuid[])) i
JOIN order_events e ON e.order_id = i.id AND e.status = 'submitted'
JOIN orders o ON o.id = i.id AND NOT o.open
GROUP BY e.order_id
"""
"""The signatures of orders that have ended, in the order of their submissions."""

READ_IDS: Final = """ -- verify ids
SELECT id FROM orders WHERE id > $1 ORDER BY id LIMIT $2
"""

READ_CHANGED_IDS: Final = """ -- verify changed ids
SELECT txid, order_id, seq FROM order_events
WHERE txid >= $1 AND (txid, order_id, seq) > ($1, $2, $3) AND txid < $4
ORDER BY txid, order_id, seq LIMIT $5
"""

FIND_TXID: Final = """ -- verify start
SELECT txid, at < now() - $2::interval AS is_earlier FROM order_events
WHERE txid >= $1 ORDER BY txid LIMIT 1
"""

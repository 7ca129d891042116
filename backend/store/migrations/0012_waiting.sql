-- outside a transaction
-- Orders that wait for a price: what each waits for, and whose watch it is under.

ALTER TYPE order_status ADD VALUE IF NOT EXISTS 'waiting' AFTER 'pending';

ALTER TYPE order_type ADD VALUE IF NOT EXISTS 'stop' AFTER 'limit';

ALTER TYPE order_type ADD VALUE IF NOT EXISTS 'takeProfit' AFTER 'stop';

ALTER TYPE order_type ADD VALUE IF NOT EXISTS 'stopLimit' AFTER 'takeProfit';

ALTER TYPE order_type ADD VALUE IF NOT EXISTS 'trailingStop' AFTER 'stopLimit';

-- Orders that were accepted before have no condition: a limit among them is tried at once, as then.
-- ``is_triggered``: its trigger was met. ``high_water``: the highest price that a trailing stop has
-- followed, as a ratio of base units. ``trigger_shard``: set exactly while the order waits; of no
-- other order does it ever change, so that its indexes leave the updates of all others cheap.
ALTER TABLE orders
    ADD COLUMN IF NOT EXISTS condition jsonb,
    ADD COLUMN IF NOT EXISTS is_triggered boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS high_water text,
    ADD COLUMN IF NOT EXISTS trigger_shard smallint;

-- The same for both directions of a pair, whose pools are read together.
CREATE OR REPLACE FUNCTION order_trigger_shard(token_in text, token_out text) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (get_byte(sha256(convert_to(
        least(token_in COLLATE "C", token_out COLLATE "C") || ' '
        || greatest(token_in COLLATE "C", token_out COLLATE "C"), 'UTF8')), 0) & 63)::smallint
$$;

ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_trigger_shard_check;

ALTER TABLE orders ADD CONSTRAINT orders_trigger_shard_check CHECK (
    (status = 'waiting') = (trigger_shard IS NOT NULL)
    AND (status <> 'waiting' OR (condition IS NOT NULL AND signed_tx IS NULL AND lease_until IS NULL))
) NOT VALID;

-- What workers execute, and what waits: each open order is in one of them.
CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_active_by_owner ON orders (owner, id)
    WHERE open AND trigger_shard IS NULL;

CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_waiting_by_owner ON orders (owner, id)
    WHERE trigger_shard IS NOT NULL;

CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_waiting_by_shard ON orders (trigger_shard, id)
    WHERE trigger_shard IS NOT NULL;

DROP INDEX CONCURRENTLY IF EXISTS orders_open_by_owner;

CREATE INDEX CONCURRENTLY IF NOT EXISTS order_events_waiting ON order_events (txid, order_id, seq)
    WHERE status = 'waiting';

-- Which process watches the prices of which shard. The lease divides the work only: what it does to
-- an order is a compare-and-set, so that two holders do no harm.
CREATE TABLE IF NOT EXISTS trigger_shards (
    shard       smallint PRIMARY KEY CHECK (shard BETWEEN 0 AND 63),
    holder      uuid,
    epoch       integer NOT NULL DEFAULT 0,
    lease_until timestamptz,
    CHECK ((holder IS NULL) = (lease_until IS NULL))
);

INSERT INTO trigger_shards (shard) SELECT generate_series(0, 63) ON CONFLICT DO NOTHING;

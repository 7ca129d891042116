-- outside a transaction
-- Indexes for every list that a client can ask for: each begins with the owner and ends in the order
-- of the list, so that a page costs what it shows and nothing of other orders.

-- What an order closed as, and its ``updated_at`` since; NULL while it is open. An index on the
-- columns that these are made of would have each transition of an order write all of its indexes.
ALTER TABLE orders
    ADD COLUMN IF NOT EXISTS closed_as text COLLATE "C",
    ADD COLUMN IF NOT EXISTS closed_at timestamptz;

-- The group of a closed order: words with a blank between them.
CREATE OR REPLACE FUNCTION order_closed_as(
    status order_status, dex text, type order_type, token_in text, token_out text
) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT status::text || ' ' || coalesce(dex, '-') || ' ' || type::text
        || ' ' || token_in || ' ' || token_out
$$;

-- Whoever copies closed orders into this table need not know of these columns.
CREATE OR REPLACE FUNCTION orders_mark_closed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.closed_as := order_closed_as(NEW.status, NEW.dex, NEW.type, NEW.token_in, NEW.token_out);
    NEW.closed_at := NEW.updated_at;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER orders_mark_closed BEFORE INSERT ON orders FOR EACH ROW
    WHEN (NEW.status IN ('confirmed', 'failed', 'cancelled', 'expired'))
    EXECUTE FUNCTION orders_mark_closed();

-- Orders that closed before: some at a time, each time in a transaction of its own. An order that
-- an older version closes later stays unmarked: lists find it by its other columns.
DO $$
DECLARE
    last uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
    LOOP
        WITH page AS MATERIALIZED (
            SELECT id FROM orders WHERE id > last ORDER BY id LIMIT 5000
        ), marked AS (
            UPDATE orders o SET
                closed_as = order_closed_as(o.status, o.dex, o.type, o.token_in, o.token_out),
                closed_at = o.updated_at
            FROM page WHERE o.id = page.id AND NOT o.open AND o.closed_as IS NULL
        )
        SELECT id INTO last FROM page ORDER BY id DESC LIMIT 1;
        EXIT WHEN last IS NULL;
        COMMIT;
    END LOOP;
END $$;

CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_owner ON orders (owner, created_at, id);

CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_owner_unmarked ON orders (owner, open, created_at, id)
    WHERE closed_as IS NULL;

CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_owner_closed
    ON orders (owner, closed_as, created_at, id) WHERE closed_as IS NOT NULL;

CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_owner_updated
    ON orders (owner, closed_as, closed_at, id) WHERE closed_as IS NOT NULL;

-- outside a transaction
-- Indexes for every list that a client can ask for: each starts with the owner and ends in the order
-- of the list, so that a page costs what it shows and nothing of other orders.

-- What an order closed as: copies of its status, venue and ``updated_at``, NULL while it is open. An
-- index on the originals would make each transition of an order write all of its indexes.
ALTER TABLE orders
    ADD COLUMN IF NOT EXISTS closed_status order_status,
    ADD COLUMN IF NOT EXISTS closed_dex text,
    ADD COLUMN IF NOT EXISTS closed_at timestamptz;

-- Whoever copies closed orders into this table need not know of these columns.
CREATE OR REPLACE FUNCTION orders_mark_closed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.closed_status := NEW.status;
    NEW.closed_dex := coalesce(NEW.dex, '');
    NEW.closed_at := coalesce(NEW.updated_at, now());
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER orders_mark_closed BEFORE INSERT ON orders FOR EACH ROW
    WHEN (NEW.status IN ('confirmed', 'failed', 'cancelled', 'expired'))
    EXECUTE FUNCTION orders_mark_closed();

-- Orders that closed before: some at a time, each time in a transaction of its own. An order that
-- an older version closes later stays unmarked. It is found among the open ones.
DO $$
DECLARE
    last uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
    LOOP
        WITH page AS MATERIALIZED (
            SELECT id FROM orders WHERE id > last ORDER BY id LIMIT 5000
        ), marked AS (
            UPDATE orders o SET
                closed_status = o.status, closed_dex = coalesce(o.dex, ''), closed_at = o.updated_at
            FROM page WHERE o.id = page.id AND NOT o.open AND o.closed_status IS NULL
        )
        SELECT id INTO last FROM page ORDER BY id DESC LIMIT 1;
        EXIT WHEN last IS NULL;
        COMMIT;
    END LOOP;
END $$;

CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_owner ON orders (owner, created_at, id);

CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_owner_open ON orders (owner, created_at, id)
    WHERE closed_status IS NULL;

CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_owner_closed
    ON orders (owner, closed_status, closed_dex, type, token_in, token_out, created_at, id)
    WHERE closed_status IS NOT NULL;

CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_owner_updated
    ON orders (owner, closed_status, closed_dex, type, token_in, token_out, closed_at, id)
    WHERE closed_status IS NOT NULL;

-- outside a transaction
-- Orders that belong together: the children of a parent, and two orders of which at most one is
-- executed. No column changes after its order was stored.

-- ``parent_id``: the order that this one came to be of. ``oco_group``: the same of both orders of a
-- group. ``bracket``: what is placed for that which the order receives, as JSON.
ALTER TABLE orders
    ADD COLUMN IF NOT EXISTS parent_id uuid,
    ADD COLUMN IF NOT EXISTS oco_group uuid,
    ADD COLUMN IF NOT EXISTS bracket jsonb;

CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_parent ON orders (parent_id, id)
    WHERE parent_id IS NOT NULL;

CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_oco_group ON orders (oco_group, id)
    WHERE oco_group IS NOT NULL;

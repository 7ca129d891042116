-- outside a transaction
-- TWAP orders: how far each is, and those whose slices are being cancelled with them.

ALTER TYPE order_type ADD VALUE IF NOT EXISTS 'twap';

-- ``slices_placed`` and ``next_slice_at`` change with each slice that is placed, while the order
-- waits; they are NULL before the first. ``slices_cancelling``: it was cancelled, and slices of it
-- may be open yet. All are NULL for orders of other types.
ALTER TABLE orders
    ADD COLUMN IF NOT EXISTS slices_placed integer,
    ADD COLUMN IF NOT EXISTS next_slice_at timestamptz,
    ADD COLUMN IF NOT EXISTS slices_cancelling boolean;

CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_slices_cancelling ON orders (id)
    WHERE slices_cancelling;

-- What a TWAP order has brought is in the rows of its slices: it has no transaction, venue or amount
-- of its own. Before, these were: of what is confirmed the amount is there or pending, and has a
-- transaction and a venue.
ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_check7;

ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_check8;

ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_amount_pending_check;

ALTER TABLE orders ADD CONSTRAINT orders_amount_pending_check CHECK (
    (status = 'confirmed' AND type <> 'twap' AND amount_out IS NULL) = (amount_pending IS TRUE)
) NOT VALID;

ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_confirmed_check;

ALTER TABLE orders ADD CONSTRAINT orders_confirmed_check CHECK (
    status <> 'confirmed' OR type = 'twap' OR (tx_hash IS NOT NULL AND dex IS NOT NULL)
) NOT VALID;

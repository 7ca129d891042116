-- Orders that wait for the end of an outage, and confirmed orders whose amount is not known yet.

-- When the current attempt first met a node that was unavailable; NULL if it did not.
ALTER TABLE orders ADD COLUMN waiting_since timestamptz;

-- True while a confirmed order has no amount, as no node has told it; else NULL. From then on
-- ``kick_at`` is when a worker asks for it again.
ALTER TABLE orders ADD COLUMN amount_pending boolean;

-- (status = 'confirmed') = (amount_out IS NOT NULL), and the price of what is confirmed
ALTER TABLE orders DROP CONSTRAINT orders_check4;
ALTER TABLE orders DROP CONSTRAINT orders_check5;

ALTER TABLE orders
    ADD CHECK (amount_out IS NULL OR status = 'confirmed'),
    ADD CHECK ((amount_out IS NULL) = (executed_price IS NULL)),
    ADD CHECK ((status = 'confirmed' AND amount_out IS NULL) = (amount_pending IS TRUE)),
    ADD CHECK (status <> 'confirmed' OR (tx_hash IS NOT NULL AND dex IS NOT NULL));

-- Of columns that no update of an order on its way changes.
CREATE INDEX orders_amount_pending ON orders (id) WHERE amount_pending;

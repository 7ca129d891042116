-- The cap on an order's price impact, in basis points. Orders that were accepted before there was a
-- cap have none; whatever version wrote them goes on working.

ALTER TABLE orders ADD COLUMN IF NOT EXISTS max_price_impact_bps integer;

-- NOT VALID: rows that are there have no cap, and to read all of them would lock the table.
ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_max_price_impact_bps_check;
ALTER TABLE orders ADD CONSTRAINT orders_max_price_impact_bps_check
    CHECK (max_price_impact_bps BETWEEN 0 AND 10000) NOT VALID;

-- The code of what an order has waited for since ``waiting_since``: a renewal of its lease stores it.
ALTER TABLE orders ADD COLUMN outage_code text;

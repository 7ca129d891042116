-- For each direction of a pair in which orders wait for a price, the pools as they paid most, with
-- the age of these reads at a time, as JSON: the best price that an order has been offered since it
-- was accepted follows from them.
ALTER TABLE market_peaks ADD COLUMN best text, ADD COLUMN best_at timestamptz;

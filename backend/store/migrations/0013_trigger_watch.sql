-- What the watchers of waiting orders keep: who they are, and the highest prices that they have seen.

-- The processes that watch prices, for a time by the database's clock: they divide the shards by
-- their number.
CREATE TABLE trigger_watchers (
    id          uuid PRIMARY KEY,
    seen_until  timestamptz NOT NULL
);

-- The slot of the market up to which ``high_water`` holds: of later ones, the peaks tell.
ALTER TABLE orders ADD COLUMN high_water_slot bigint;

-- For each direction of a pair that trailing stops follow, the pools that paid most, as JSON: the
-- high-water mark of an order is the highest price that they paid for its amount since its slot. So
-- prices that rise change one row, and not that of every order.
CREATE TABLE market_peaks (
    token_in    text NOT NULL,
    token_out   text NOT NULL,
    peaks       text NOT NULL,
    PRIMARY KEY (token_in, token_out)
);

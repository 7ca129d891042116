-- The prices of pairs as bars of a second and of a minute. Prices are quote tokens for one token of
-- the base. A bar is there only if a read has shown a price in its time.
CREATE TABLE price_pairs (
    id    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    base  text NOT NULL,
    quote text NOT NULL,
    UNIQUE (base, quote)
);

CREATE TABLE price_seconds (
    pair_id integer NOT NULL,
    start   bigint NOT NULL,   -- in seconds since 1970
    open    numeric NOT NULL,
    high    numeric NOT NULL,
    low     numeric NOT NULL,
    close   numeric NOT NULL,
    slot    bigint NOT NULL,   -- of ``close``
    PRIMARY KEY (pair_id, start),
    CHECK (low > 0 AND low <= open AND low <= close AND high >= open AND high >= close)
);

CREATE TABLE price_minutes (LIKE price_seconds INCLUDING ALL);

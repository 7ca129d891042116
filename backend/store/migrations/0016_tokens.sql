-- What orders for new pools need to be known by every process.

-- Tokens that only their mint names, as the chain showed them when the first order named them. They
-- are there before such an order is.
CREATE TABLE IF NOT EXISTS tokens (
    mint          text PRIMARY KEY,
    decimals      smallint NOT NULL CHECK (decimals BETWEEN 0 AND 255),
    token_program text NOT NULL,
    added_at      timestamptz NOT NULL DEFAULT now()
);

-- Pools that were found in the chain, at whatever address. The mints are sorted as text.
CREATE TABLE IF NOT EXISTS found_pools (
    address    text PRIMARY KEY,
    program    text NOT NULL,
    mint_one   text COLLATE "C" NOT NULL,
    mint_other text COLLATE "C" NOT NULL,
    slot       bigint NOT NULL,
    found_at   timestamptz NOT NULL DEFAULT now(),
    CHECK (mint_one < mint_other)
);

CREATE INDEX IF NOT EXISTS found_pools_by_pair ON found_pools (mint_one, mint_other);

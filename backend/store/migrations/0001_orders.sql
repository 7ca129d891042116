-- Orders and the journal of their transitions. Amounts are in base units of their token.

CREATE TYPE order_type AS ENUM ('market', 'limit', 'sniper');

CREATE TYPE order_status AS ENUM (
    'pending',    -- accepted, no worker has claimed it yet
    'routing',    -- a worker quotes the venues, or the next attempt is not due yet
    'building',   -- a route is chosen, nothing has been sent
    'submitted',  -- signed and stored; may have been sent
    'confirmed',  -- landed and succeeded
    'failed',     -- will never be executed
    'cancelled',  -- withdrawn before it was submitted
    'expired'     -- reached its expiry before it was submitted
);

CREATE DOMAIN base_units AS numeric(20, 0) CHECK (VALUE > 0 AND VALUE <= 18446744073709551615);

CREATE TABLE batches (
    id              uuid PRIMARY KEY,
    owner           text NOT NULL,
    idempotency_key text,
    request_hash    bytea NOT NULL,
    response        jsonb NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX batches_idempotency_key ON batches (owner, idempotency_key)
    WHERE idempotency_key IS NOT NULL;

CREATE TABLE orders (
    id                uuid PRIMARY KEY,
    owner             text NOT NULL,
    client_order_id   text,
    idempotency_key   text,
    request_hash      bytea NOT NULL,
    batch_id          uuid,
    type              order_type NOT NULL,
    token_in          text NOT NULL,
    token_out         text NOT NULL,
    amount_in         base_units NOT NULL,
    min_amount_out    base_units,
    slippage_bps      integer NOT NULL CHECK (slippage_bps BETWEEN 0 AND 10000),
    limit_price       numeric CHECK (limit_price > 0),
    expires_at        timestamptz,

    status            order_status NOT NULL DEFAULT 'pending',
    seq               integer NOT NULL DEFAULT 1 CHECK (seq >= 1),
    attempts          integer NOT NULL DEFAULT 1 CHECK (attempts >= 1),
    dex               text,
    route             jsonb,
    tx_hash           text,
    signed_tx         bytea,
    last_valid_height bigint,
    amount_out        base_units,
    executed_price    numeric,
    last_error        text,

    -- The lease: every write of a worker carries the epoch that its claim returned.
    epoch             integer NOT NULL DEFAULT 0,
    lease_until       timestamptz,
    next_attempt_at   timestamptz,           -- no worker may claim it before
    kick_at           timestamptz NOT NULL,  -- when the sweep sends its job (again)

    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),

    -- Changes only once per order, so that an index on it does not slow the other updates.
    open boolean GENERATED ALWAYS AS
        (status NOT IN ('confirmed', 'failed', 'cancelled', 'expired')) STORED,

    CHECK (token_in <> token_out),
    CHECK (open OR lease_until IS NULL),
    CHECK (status <> 'submitted'
           OR (tx_hash IS NOT NULL AND signed_tx IS NOT NULL AND last_valid_height IS NOT NULL)),
    CHECK (status NOT IN ('pending', 'routing', 'building') OR signed_tx IS NULL),
    CHECK ((status = 'confirmed') = (amount_out IS NOT NULL)),
    CHECK (status <> 'confirmed'
           OR (executed_price IS NOT NULL AND tx_hash IS NOT NULL AND dex IS NOT NULL)),
    CHECK (status <> 'failed' OR last_error IS NOT NULL)
) WITH (fillfactor = 50);

CREATE UNIQUE INDEX orders_client_order_id ON orders (owner, client_order_id)
    WHERE client_order_id IS NOT NULL;
CREATE UNIQUE INDEX orders_idempotency_key ON orders (owner, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX orders_batch_id ON orders (batch_id, id) WHERE batch_id IS NOT NULL;
CREATE INDEX orders_open ON orders (id) WHERE open;

CREATE TABLE order_events (
    order_id uuid NOT NULL,
    seq      integer NOT NULL CHECK (seq >= 1),
    status   order_status NOT NULL,
    at       timestamptz NOT NULL,
    attempt  integer NOT NULL CHECK (attempt >= 1),
    data     jsonb NOT NULL,
    -- The transaction that wrote it. Transactions below the oldest running one are complete, so
    -- (txid, order_id, seq) up to there is a total order in which no event appears late.
    txid     bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    PRIMARY KEY (order_id, seq)
);

CREATE INDEX order_events_txid ON order_events (txid);

CREATE FUNCTION order_events_are_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'order_events is append-only';
END $$;

CREATE TRIGGER order_events_are_final BEFORE UPDATE OR DELETE OR TRUNCATE ON order_events
    FOR EACH STATEMENT EXECUTE FUNCTION order_events_are_final();

-- One row: the id of this journal. A cursor of another journal is invalid here.
CREATE TABLE journal (
    id  uuid NOT NULL DEFAULT gen_random_uuid(),
    one boolean PRIMARY KEY DEFAULT true CHECK (one)
);

INSERT INTO journal DEFAULT VALUES;

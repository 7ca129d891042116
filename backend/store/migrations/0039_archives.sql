-- Orders that were archived: written to files, and removed here. What has to outlive them stays: where
-- each is, what its owner's accounts need, its signatures, and for a time its keys.

-- The files. The orders of one are removed a few at a time, until ``removed_at``.
CREATE TABLE archive_files (
    number     integer PRIMARY KEY CHECK (number >= 1),
    archive    text NOT NULL,    -- the name of its folder
    file       text NOT NULL,
    sha256     bytea NOT NULL,
    orders     integer NOT NULL,
    events     integer NOT NULL,
    last_txid  bigint NOT NULL,  -- of its events
    created_at timestamptz NOT NULL DEFAULT now(),
    removed_at timestamptz
);

-- A row comes to be in the transaction that removes the order and its events.
CREATE TABLE archived_orders (
    id                    uuid PRIMARY KEY,
    owner                 text NOT NULL,
    file_number           integer NOT NULL,
    client_order_id       text,
    batch_id              uuid,
    parent_id             uuid,
    type                  order_type NOT NULL,
    token_in              text NOT NULL,
    token_out             text NOT NULL,
    amount_in             numeric NOT NULL,
    status                order_status NOT NULL,
    dex                   text,
    route                 jsonb,   -- of a fill
    data                  jsonb,   -- of the last event of a fill
    amount_out            numeric,
    executed_price        numeric,
    last_error            text,
    cancel_reason         text,
    network_fee_lamports  bigint,
    priority_fee_lamports bigint,
    tip_lamports          bigint,
    rent_lamports         bigint,
    wallet                text,
    tx_hash               text,
    signatures            text[],  -- of the attempts before that of ``tx_hash``
    seq                   integer NOT NULL,
    created_at            timestamptz NOT NULL,
    submitted_at          timestamptz,
    confirmed_at          timestamptz,
    ended_at              timestamptz NOT NULL
);

CREATE INDEX archived_fills ON archived_orders (owner, ended_at, id)
    WHERE status = 'confirmed' AND type <> 'twap';
CREATE INDEX archived_unfilled ON archived_orders (owner, ended_at, id)
    WHERE NOT (status = 'confirmed' AND type <> 'twap');
CREATE INDEX archived_orders_batch ON archived_orders (batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX archived_orders_parent ON archived_orders (parent_id) WHERE parent_id IS NOT NULL;

-- The client order ids of archived orders, for as long as they are kept. A row is there before its
-- order is removed, so that no order gets the id again in between.
CREATE TABLE archived_names (
    owner            text NOT NULL,
    client_order_id  text NOT NULL,
    request_hash     bytea NOT NULL,
    is_of_batch      boolean NOT NULL,
    order_id         uuid NOT NULL,
    order_created_at timestamptz NOT NULL,
    order_status     text NOT NULL,
    archived_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner, client_order_id)
);

CREATE INDEX archived_names_age ON archived_names (archived_at);

-- The same of idempotency keys: of these rows the order is there, in the others nothing was stored.
ALTER TABLE replayed_keys
    ADD COLUMN order_id         uuid,
    ADD COLUMN is_of_batch      boolean,
    ADD COLUMN order_created_at timestamptz,
    ADD COLUMN order_status     text;

CREATE INDEX replayed_keys_archived ON replayed_keys (created_at) WHERE order_id IS NOT NULL;

-- How many orders of an owner and a status each transaction has removed.
CREATE TABLE archive_removals (
    txid   bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    owner  text NOT NULL,
    status order_status NOT NULL,
    orders integer NOT NULL
);

CREATE INDEX archive_removals_txid ON archive_removals (txid);

-- Events are removed with their orders, once these are archived, and never else.
DROP TRIGGER order_events_are_final ON order_events;
CREATE TRIGGER order_events_are_final BEFORE UPDATE OR TRUNCATE ON order_events
    FOR EACH STATEMENT EXECUTE FUNCTION order_events_are_final();

CREATE FUNCTION order_events_are_archived() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM removed WHERE NOT EXISTS (
            SELECT FROM archived_orders a WHERE a.id = removed.order_id)) THEN
        RAISE EXCEPTION 'order_events is append-only';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER order_events_are_archived AFTER DELETE ON order_events
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION order_events_are_archived();

CREATE OR REPLACE FUNCTION is_idempotency_key_free(for_owner text, for_key text, for_hash bytea)
RETURNS boolean LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended(for_owner || ' ' || for_key, 0));
    RETURN NOT EXISTS (
        SELECT FROM replayed_keys
        WHERE owner = for_owner AND idempotency_key = for_key
            AND (request_hash <> for_hash OR order_id IS NOT NULL)
    );
END
$$;

CREATE OR REPLACE FUNCTION remember_idempotency_key(for_owner text, for_key text, for_hash bytea)
RETURNS boolean LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended(for_owner || ' ' || for_key, 0)) THEN
        RETURN NULL;
    END IF;
    IF EXISTS (
        SELECT FROM orders
        WHERE owner = for_owner AND idempotency_key = for_key
            AND (request_hash <> for_hash OR batch_id IS NOT NULL)
    ) THEN
        RETURN false;
    END IF;
    INSERT INTO replayed_keys (owner, idempotency_key, request_hash)
    VALUES (for_owner, for_key, for_hash) ON CONFLICT DO NOTHING;
    RETURN (
        SELECT request_hash = for_hash AND is_of_batch IS NOT TRUE FROM replayed_keys
        WHERE owner = for_owner AND idempotency_key = for_key
    );
END
$$;

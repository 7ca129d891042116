-- Which run of which PostgreSQL server the journal was last found complete on. A server that was
-- restored, or a standby that was promoted, may lack what another one has committed and answered: it
-- is another run, of a server that started at another time. NULL until a worker has started.
ALTER TABLE journal
    ADD COLUMN IF NOT EXISTS server_started_at timestamptz,
    ADD COLUMN IF NOT EXISTS server_id bigint,
    ADD COLUMN IF NOT EXISTS timeline integer,
    ADD COLUMN IF NOT EXISTS origin_note text;

-- Transactions of the wallets that carry the id of an order, were executed, and were not in the
-- journal: it has lost what it stored of them. Each waits until its order is adopted, which may come
-- to be later: the slice of a TWAP order, or an order of a bracket. Until then nothing of it is signed.
CREATE TABLE found_transactions (
    signature  text PRIMARY KEY,
    wallet     text NOT NULL,
    slot       bigint NOT NULL,
    order_id   uuid NOT NULL,
    attempt    integer NOT NULL,
    err        jsonb,
    wire       bytea NOT NULL,
    changes    jsonb NOT NULL,
    found_at   timestamptz NOT NULL DEFAULT now(),
    adopted_at timestamptz,
    note       text
);
CREATE INDEX found_transactions_open ON found_transactions (order_id) WHERE adopted_at IS NULL;

-- The states in force: those that were set, and that all is halted while the journal is not known to
-- be complete on the server that this is.
CREATE FUNCTION list_trading_states() RETURNS SETOF trading_states LANGUAGE sql STABLE AS $$
    SELECT * FROM trading_states
    UNION ALL
    SELECT 'all', '', 'HALTED',
           coalesce(origin_note, 'PostgreSQL is another server, or was restarted or restored:'
               ' the wallets'' history is read before anything is signed'),
           'engine', pg_postmaster_start_time(), NULL
    FROM journal WHERE server_started_at <> pg_postmaster_start_time()
$$;

CREATE FUNCTION is_journal_complete() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT (SELECT server_started_at <> pg_postmaster_start_time() FROM journal) IS NOT TRUE
$$;

-- For statements that end an order which was not submitted: nobody knows yet whether it was.
CREATE FUNCTION require_complete_journal() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT is_journal_complete() THEN
        RAISE EXCEPTION 'the journal is compared with the chain before orders are ended'
            USING ERRCODE = '55006';
    END IF;
    RETURN true;
END $$;

CREATE OR REPLACE FUNCTION read_trading_states() RETURNS trading_states[] LANGUAGE sql STABLE AS $$
    SELECT array_agg(t) FROM list_trading_states() t
$$;

CREATE OR REPLACE FUNCTION fence_trading_states() RETURNS trading_states[]
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1868916786);
    RETURN (SELECT array_agg(t) FROM list_trading_states() t);
END $$;

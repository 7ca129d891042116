-- Who did what, and when: append-only, each row with the hash of the one before it. The columns are
-- texts of one line, so that what is hashed is the lines of a row in one way only.
CREATE TABLE audit_log (
    id         bigint PRIMARY KEY,
    at         timestamptz NOT NULL,
    who        text NOT NULL CHECK (who !~ E'[\\r\\n]'),
    address    text NOT NULL CHECK (address !~ E'[\\r\\n]'),
    request_id text NOT NULL CHECK (request_id !~ E'[\\r\\n]'),
    action     text NOT NULL CHECK (action ~ '^[a-z_]+$'),
    data       text NOT NULL CHECK (data !~ E'[\\r\\n]'),
    previous   bytea NOT NULL,
    hash       bytea NOT NULL
);

-- One row: the last row of the log, and up to which transaction the events of orders are sealed. The
-- first hash is that of the journal's id. Whoever appends holds the row until the commit.
CREATE TABLE audit_head (
    id          bigint NOT NULL,
    hash        bytea NOT NULL,
    sealed_txid bigint NOT NULL DEFAULT 0,
    one         boolean PRIMARY KEY DEFAULT true CHECK (one)
);

INSERT INTO audit_head (id, hash) SELECT 0, sha256(convert_to(id::text, 'UTF8')) FROM journal;

CREATE FUNCTION audit_log_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_log is append-only';
END $$;

CREATE TRIGGER audit_log_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_final();

CREATE FUNCTION append_audit(who text, address text, request_id text, action text, data jsonb)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    head audit_head;
    written_at timestamptz;
    next_hash bytea;
BEGIN
    SELECT * INTO head FROM audit_head FOR UPDATE;
    written_at := clock_timestamp();
    next_hash := sha256(head.hash || convert_to(concat_ws(E'\n', head.id + 1,
        to_char(written_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        who, address, request_id, action, data::text), 'UTF8'));
    INSERT INTO audit_log VALUES
        (head.id + 1, written_at, who, address, request_id, action, data::text, head.hash, next_hash);
    UPDATE audit_head SET id = head.id + 1, hash = next_hash;
    RETURN head.id + 1;
END $$;

-- The number of events of orders in a range of transactions, and a hash of them with the owners and
-- the requests of their orders.
CREATE FUNCTION digest_order_events(first_txid bigint, end_txid bigint)
RETURNS TABLE (events bigint, digest text) LANGUAGE sql STABLE AS $$
    SELECT count(*), encode(sha256(convert_to(coalesce(string_agg(concat_ws(' ',
        e.txid, e.order_id, e.seq, e.status,
        to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), e.attempt,
        encode(o.request_hash, 'hex'), o.owner, e.data::text
    ), E'\n' ORDER BY e.txid, e.order_id, e.seq), ''), 'UTF8')), 'hex')
    FROM order_events e LEFT JOIN orders o ON o.id = e.order_id
    WHERE e.txid >= first_txid AND e.txid < end_txid
$$;

-- Seal the next events of orders, up to about as many as a limit; returns how many. Those of
-- transactions that still run come later. While another session does it, none.
CREATE FUNCTION seal_order_events(events_max integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    first_txid bigint;
    end_txid bigint := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
    next_txid bigint;
    sealed record;
BEGIN
    IF NOT pg_try_advisory_xact_lock(1868916787) THEN
        RETURN 0;
    END IF;
    SELECT sealed_txid INTO first_txid FROM audit_head;
    SELECT txid INTO next_txid FROM order_events WHERE txid >= first_txid AND txid < end_txid
        ORDER BY txid OFFSET events_max LIMIT 1;
    IF next_txid IS NOT NULL THEN  -- a transaction is sealed as a whole
        end_txid := CASE WHEN next_txid > (
            SELECT min(txid) FROM order_events WHERE txid >= first_txid
        ) THEN next_txid ELSE next_txid + 1 END;
    END IF;
    SELECT * INTO sealed FROM digest_order_events(first_txid, end_txid);
    IF sealed.events > 0 THEN
        PERFORM append_audit('engine', '', '', 'orders_sealed', jsonb_build_object(
            'fromTxid', first_txid, 'toTxid', end_txid,
            'events', sealed.events, 'sha256', sealed.digest));
        UPDATE audit_head SET sealed_txid = end_txid;
    END IF;
    RETURN sealed.events;
END $$;

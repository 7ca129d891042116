-- An idempotency key belongs to one request for ever. The key of one that stores orders is in the row
-- of an order, and that of one which stores nothing in replayed_keys: no index covers both, so that
-- the two kinds of request exclude each other by a lock of the key until the end of a transaction.
-- Two keys may share a lock, which costs a wait at most. Who stores orders waits for the lock; who
-- stores nothing does not, and tries again, so that there are no cycles of requests with many keys.
--
-- Both functions are volatile: what they read under the lock, they read as it is then, and not as it
-- was when the statement began.

-- Whether no other request, which stored nothing, has had this key; none can have it until the end of
-- the transaction.
CREATE OR REPLACE FUNCTION is_idempotency_key_free(for_owner text, for_key text, for_hash bytea)
RETURNS boolean LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended(for_owner || ' ' || for_key, 0));
    RETURN NOT EXISTS (
        SELECT FROM replayed_keys
        WHERE owner = for_owner AND idempotency_key = for_key AND request_hash <> for_hash
    );
END
$$;

-- Remembers the key of a request that stores nothing. Whether the key is that of this request;
-- unknown (null) while another transaction uses it.
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
        SELECT request_hash = for_hash FROM replayed_keys
        WHERE owner = for_owner AND idempotency_key = for_key
    );
END
$$;

-- Whether orders are executed: for all, by owner, by pair and by exchange. What has no row is active.
-- The subject of a pair are its tokens in the order of their names, such as SOL/USDC; that of all is
-- empty. While a state is REDUCING, orders that sell into its reference token are executed.
CREATE TABLE trading_states (
    scope     text NOT NULL CHECK (scope IN ('all', 'owner', 'pair', 'dex')),
    subject   text NOT NULL CHECK ((scope = 'all') = (subject = '')),
    state     text NOT NULL CHECK (state IN ('REDUCING', 'HALTED')),
    why       text NOT NULL CHECK (why <> ''),
    set_by    text NOT NULL,
    since     timestamptz NOT NULL DEFAULT now(),
    reference text,
    PRIMARY KEY (scope, subject),
    CHECK ((state = 'REDUCING') = (reference IS NOT NULL)),
    CHECK (state = 'HALTED' OR scope IN ('all', 'owner'))
);

-- The states in force; NULL if there are none.
CREATE FUNCTION read_trading_states() RETURNS trading_states[] LANGUAGE sql STABLE AS $$
    SELECT array_agg(t) FROM trading_states t
$$;

-- The same for a commit that stores signed transactions. The lock is shared by all of these until
-- they have committed: a state that is set while one of them runs waits for it. It is taken before
-- the table is read, and a volatile function reads what was committed until then.
CREATE FUNCTION fence_trading_states() RETURNS trading_states[] LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1868916786);
    RETURN (SELECT array_agg(t) FROM trading_states t);
END $$;

-- Whether states hold an order. Of one that is not routed yet, the exchange is not known.
CREATE FUNCTION is_order_held(
    states trading_states[], owner text, token_in text, token_out text, route jsonb
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    s trading_states;
BEGIN
    IF states IS NULL THEN
        RETURN false;
    END IF;
    FOREACH s IN ARRAY states LOOP
        IF (s.state = 'HALTED' OR token_out <> s.reference) AND (CASE s.scope
            WHEN 'all' THEN true
            WHEN 'owner' THEN s.subject = owner
            WHEN 'pair' THEN s.subject IN (token_in || '/' || token_out, token_out || '/' || token_in)
            ELSE route->>'dex' = s.subject OR route->'legs' @> jsonb_build_array(
                jsonb_build_object('dex', s.subject))
        END) THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END $$;

-- What halts trading by itself, by its reason: it does so once, and again only once it is armed. Only
-- what transactions from ``from_txid`` on have written counts.
CREATE TABLE breakers (
    reason    text PRIMARY KEY,
    is_armed  boolean NOT NULL DEFAULT true,
    from_txid bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint
);

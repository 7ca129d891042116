-- Since when nothing is traded because the journal is not known to be complete, once a worker has
-- noted it: it stays as it is if the server is restarted meanwhile. NULL while it is complete.
ALTER TABLE journal ADD COLUMN IF NOT EXISTS held_since timestamptz;

-- A standby has run for long when it is promoted: nothing was traded after the last commit that it
-- has replayed.
CREATE FUNCTION find_halt_begin(held_since timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        held_since, greatest(pg_postmaster_start_time(), pg_last_xact_replay_timestamp())
    )
$$;

CREATE OR REPLACE FUNCTION list_trading_states() RETURNS SETOF trading_states
LANGUAGE sql STABLE AS $$
    SELECT * FROM trading_states
    UNION ALL
    SELECT 'all', '', 'HALTED',
           coalesce(origin_note, 'PostgreSQL is another server, or was restarted or restored:'
               ' the wallets'' history is read before anything is signed'),
           'engine', find_halt_begin(held_since), NULL
    FROM journal WHERE server_started_at <> pg_postmaster_start_time()
$$;

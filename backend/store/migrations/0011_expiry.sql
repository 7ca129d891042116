-- How long an order is tried (gtc, gtd, ioc or fok), and orders that expire. Orders that were
-- accepted before have the default, which whatever version wrote them takes for granted.
ALTER TABLE orders ADD COLUMN time_in_force text NOT NULL DEFAULT 'gtc';

ALTER TABLE orders
    ADD CHECK (time_in_force IN ('gtc', 'gtd', 'ioc', 'fok')) NOT VALID,
    ADD CHECK (time_in_force <> 'gtd' OR expires_at IS NOT NULL) NOT VALID,
    ADD CHECK (time_in_force <> 'gtc' OR expires_at IS NULL) NOT VALID;

-- The open orders that have an expiry, by it. Of columns that change only when an order ends; not
-- of "open", so that no statement that reads this index can be planned with that of open orders.
-- Built in the transaction of the migration: no earlier version has stored an expiry.
CREATE INDEX orders_expiry ON orders (expires_at) WHERE closed_at IS NULL AND expires_at IS NOT NULL;

-- The dead man's switch of each owner: at ``trigger_at`` its open orders are cancelled, unless it
-- has set another time before.
CREATE TABLE cancel_timers (
    owner           text PRIMARY KEY,
    seconds         integer NOT NULL CHECK (seconds >= 0),  -- as its owner gave them; 0 is off
    trigger_at      timestamptz,                            -- NULL once it has come, and if off
    last_trigger_at timestamptz,                            -- the last time that has come
    -- Open orders that were accepted up to ``last_trigger_at`` are still being cancelled.
    is_cancelling   boolean NOT NULL DEFAULT false,
    CHECK (trigger_at IS NULL OR seconds > 0),
    CHECK (NOT is_cancelling OR last_trigger_at IS NOT NULL)
);

CREATE INDEX cancel_timers_due ON cancel_timers (trigger_at) WHERE trigger_at IS NOT NULL;
CREATE INDEX cancel_timers_cancelling ON cancel_timers (owner) WHERE is_cancelling;

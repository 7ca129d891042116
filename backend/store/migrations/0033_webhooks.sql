-- Addresses that owners have told of what becomes of their orders. A webhook has come so far in the feed
-- as (txid, order_id, seq) says: what is behind that has a row of webhook_deliveries, or is not wanted.
-- One process delivers it at a time, under a lease; whoever claims it raises the epoch, without which
-- nothing of it is written.
CREATE TABLE webhooks (
    id             uuid PRIMARY KEY,
    owner          text NOT NULL CHECK (owner <> ''),
    url            text NOT NULL,
    description    text NOT NULL DEFAULT '',
    event_types    text[] NOT NULL,  -- empty: all
    secret         bytea NOT NULL,
    earlier_secret bytea,            -- signs as well until a time
    earlier_until  timestamptz,
    state          text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused', 'disabled')),
    disabled_at    timestamptz,
    disabled_why   text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    revision       integer NOT NULL DEFAULT 1,  -- raised with what decides which events are wanted

    txid           bigint NOT NULL,
    order_id       uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    seq            integer NOT NULL DEFAULT 0,

    holder         uuid,
    epoch          bigint NOT NULL DEFAULT 0,
    lease_until    timestamptz,

    failures       integer NOT NULL DEFAULT 0,  -- rounds in a row in which nothing was delivered
    failing_since  timestamptz,
    next_at        timestamptz,                 -- no attempt before

    CHECK ((state = 'disabled') = (disabled_at IS NOT NULL)),
    CHECK ((earlier_secret IS NULL) = (earlier_until IS NULL))
) WITH (fillfactor = 50);

CREATE INDEX webhooks_owner ON webhooks (owner);

-- What is to be delivered, and the latest that was. Of an order the lowest seq is next.
CREATE TABLE webhook_deliveries (
    webhook_id      uuid NOT NULL,
    order_id        uuid NOT NULL,
    seq             integer NOT NULL,
    txid            bigint NOT NULL,
    type            text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    attempts        integer NOT NULL DEFAULT 0,
    next_at         timestamptz NOT NULL DEFAULT now(),
    first_failed_at timestamptz,
    last_at         timestamptz,
    last_status     integer,
    last_error      text,
    duration_ms     integer,
    delivered_at    timestamptz,
    PRIMARY KEY (webhook_id, order_id, seq)
) WITH (fillfactor = 50);

CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (webhook_id, order_id, seq)
    WHERE delivered_at IS NULL;
CREATE INDEX webhook_deliveries_feed ON webhook_deliveries (webhook_id, txid, order_id, seq);

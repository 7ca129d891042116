-- Idempotency keys of requests that stored nothing, because each of their orders repeats an earlier
-- one by its client order id. The key of any other request is that of an order.
CREATE TABLE replayed_keys (
    owner           text NOT NULL,
    idempotency_key text NOT NULL,
    request_hash    bytea NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner, idempotency_key)
);

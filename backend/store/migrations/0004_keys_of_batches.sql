-- Single orders and batches share the idempotency keys of their owner: the first order of a batch has
-- the batch's key, so that the unique index over orders covers both. Older batches get theirs here,
-- unless a single order has it already. One row for each batch with a key, found by an index.
UPDATE orders SET idempotency_key = named.idempotency_key
FROM (
    SELECT b.idempotency_key,
           (SELECT o.id FROM orders o WHERE o.batch_id = b.id ORDER BY o.id LIMIT 1) AS first_id
    FROM batches b
    WHERE b.idempotency_key IS NOT NULL
      AND NOT EXISTS (SELECT FROM orders o
                      WHERE o.owner = b.owner AND o.idempotency_key = b.idempotency_key)
) AS named
WHERE orders.id = named.first_id;

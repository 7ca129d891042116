-- What an order asks of its route, as JSON text without blanks; NULL for most orders, which ask
-- nothing. It does not change after the order was stored. As text and not as jsonb, because a claim
-- by the terms that a job tells compares it with that of the job.
ALTER TABLE orders ADD COLUMN route_constraints text;

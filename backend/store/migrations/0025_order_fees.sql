-- What an order says of the network fee of its transactions, as JSON text without blanks; NULL for
-- most orders, which leave it to the settings. As text and not as jsonb, because a claim by the
-- terms that a job tells compares it with that of the job.
ALTER TABLE orders ADD COLUMN fees text;

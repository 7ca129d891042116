-- Why an order was cancelled: a word for programs, as its last event has it. NULL for all others.
ALTER TABLE orders ADD COLUMN cancel_reason text;

-- What an order's transactions that landed have cost besides the network's fee: the part of that fee
-- that raises its priority, tips, and the rent of accounts that they opened and that stay. NULL while
-- no node has told it. ``costs_unknown`` is true if a transaction was reverted and no node has told
-- what it paid: the sums are then too small.
ALTER TABLE orders
    ADD COLUMN IF NOT EXISTS priority_fee_lamports bigint,
    ADD COLUMN IF NOT EXISTS tip_lamports bigint,
    ADD COLUMN IF NOT EXISTS rent_lamports bigint,
    ADD COLUMN IF NOT EXISTS costs_unknown boolean;

ALTER TABLE orders
    ADD CHECK (priority_fee_lamports >= 0 AND tip_lamports >= 0 AND rent_lamports >= 0) NOT VALID;

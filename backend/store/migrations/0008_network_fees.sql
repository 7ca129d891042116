-- What an order has cost in network fees: the fees of its transactions that landed, also of those
-- that were reverted. NULL while no node has told one. Rows are not checked for what they have
-- had so far, as no row has a fee yet.
ALTER TABLE orders ADD COLUMN network_fee_lamports bigint;

ALTER TABLE orders ADD CHECK (network_fee_lamports >= 0) NOT VALID;

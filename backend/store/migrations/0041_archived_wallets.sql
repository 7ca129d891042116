-- outside a transaction
-- What archived orders of a wallet did, when it was compared last before they were archived.

CREATE INDEX CONCURRENTLY IF NOT EXISTS archived_orders_wallet
    ON archived_orders (wallet, file_number) WHERE wallet IS NOT NULL;

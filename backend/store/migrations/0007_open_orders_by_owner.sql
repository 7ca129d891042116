-- Open orders by owner: workers claim waiting orders by turns of the owners, and each owner's number
-- of open orders has a bound. It takes the place of the index of open orders by id, so that an order
-- costs no more index entries than before.
--
-- Built in the transaction of the migration: open orders are few beside all, and the build reads
-- the table once.

CREATE INDEX orders_open_by_owner ON orders (owner, id) WHERE open;
DROP INDEX orders_open;

-- Which wallet pays for an order, and how much of it orders in flight have spoken for.

-- The address of the wallet that signed the order's transaction: later attempts are paid from it as
-- well. ``reserved_lamports`` is what that transaction may take of its SOL: the fee, the rent of
-- accounts that stay, and the amount where SOL is sold. NULL before an order is signed.
ALTER TABLE orders
    ADD COLUMN IF NOT EXISTS wallet text,
    ADD COLUMN IF NOT EXISTS reserved_lamports bigint;

-- The wallets that workers sign with, in the order of their setting. Orders that sell a share sell
-- from the first one.
CREATE TABLE wallets (
    address  text PRIMARY KEY,
    position smallint NOT NULL
);

-- What a process may spend of a token of a wallet without asking. Each generation divides what was
-- free at its start into equal parts; ``parts_left`` of them are not taken yet. A part of another
-- generation is void. A part of 0: every order is checked.
CREATE TABLE wallet_budgets (
    wallet     text NOT NULL,
    token      text NOT NULL,
    generation bigint NOT NULL,
    part       numeric NOT NULL CHECK (part >= 0),
    parts_left integer NOT NULL CHECK (parts_left >= 0),
    PRIMARY KEY (wallet, token)
);

-- Whether budgets are of the current generation. The lock is shared by all that spend within them,
-- until their commit: who holds it alone knows all that was spent. It is taken before the table is
-- read, and a volatile function reads what was committed until then.
CREATE FUNCTION wallet_budgets_hold(wallets text[], tokens text[], generations bigint[])
RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT DISTINCT w FROM unnest(wallets) w ORDER BY w LOOP
        PERFORM pg_advisory_xact_lock_shared(hashtextextended('spending of ' || name, 0));
    END LOOP;
    RETURN NOT EXISTS (
        SELECT FROM unnest(wallets, tokens, generations) AS i(wallet, token, generation)
        LEFT JOIN wallet_budgets b ON b.wallet = i.wallet AND b.token = i.token
        WHERE b.generation IS DISTINCT FROM i.generation
    );
END $$;

-- What each wallet held when it was last reconciled with the orders. ``horizon`` is a transaction
-- id: orders that ended before it are in the balance.
CREATE TABLE wallet_balances (
    wallet  text NOT NULL,
    token   text NOT NULL,
    balance numeric,
    slot    bigint NOT NULL,
    horizon bigint NOT NULL,
    read_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (wallet, token)
);

-- Changes of balances that no order explains: deposits, withdrawals, and whatever else.
CREATE TABLE wallet_differences (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    wallet  text NOT NULL,
    token   text NOT NULL,
    amount  numeric NOT NULL,
    slot    bigint NOT NULL
);

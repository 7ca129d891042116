-- How many orders of an owner are open at most: counted once, and raised by what was admitted since, as
-- nothing else opens orders of an owner with limits. Their rows are counted again where the bound does
-- not suffice, and where limits have changed since: counting takes a microsecond for each.
CREATE TABLE owner_open_orders (
    owner   text PRIMARY KEY,
    bound   numeric NOT NULL,
    version bigint NOT NULL
) WITH (fillfactor = 50);

-- Under the owner's lock. NULL if it is not known.
CREATE FUNCTION find_open_bound(of_owner text) RETURNS numeric LANGUAGE sql VOLATILE AS $$
    SELECT bound FROM owner_open_orders o JOIN order_limits_version v ON v.version = o.version
    WHERE o.owner = of_owner
$$;

-- Under the owner's lock. Until every process checks the owner's orders, the bound is not kept.
CREATE FUNCTION store_open_bound(of_owner text, new_bound numeric) RETURNS void
LANGUAGE sql VOLATILE AS $$
    INSERT INTO owner_open_orders (owner, bound, version)
    SELECT of_owner, new_bound, version FROM order_limits_version
    WHERE (SELECT max(since) FROM order_limits WHERE owner IN (of_owner, ''))
        < clock_timestamp() - interval '30 s'
    ON CONFLICT (owner) DO UPDATE SET bound = excluded.bound, version = excluded.version
$$;

-- What the orders of an owner that are to be executed now pledge of the reference token.
CREATE FUNCTION sum_pledged_amounts(of_owner text, reference text) RETURNS numeric
LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(amount_in), 0) FROM orders
    WHERE owner = of_owner AND open AND trigger_shard IS NULL
        AND status <> 'submitted' AND token_in = reference
$$;

-- Which new orders exceed a limit of their owners: a row of each, with what it exceeds, and one of each
-- that does not while its owner has a rate. Orders that repeat an earlier one count for nothing.
-- ``weights``: as how many open orders one counts. ``order_values``: NULL where the route decides. The
-- owners' locks are held to the end of the transaction, which must store what is admitted.
CREATE OR REPLACE FUNCTION admit_orders(
    ids uuid[], owners text[], client_order_ids text[], idempotency_keys text[],
    tokens_in text[], tokens_out text[], slippages integer[], order_values numeric[],
    waits boolean[], weights integer[], reference text, decimals integer
) RETURNS TABLE (
    order_id uuid, name text, bound numeric, value numeric, remaining numeric, token text
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    one text;
    limits jsonb;
    at timestamptz;
    rate_max numeric;
    open_max numeric;
    volume_max numeric;
    recent numeric;
    open_bound numeric;
    added numeric;
    volume numeric;
BEGIN
    FOR one IN SELECT o FROM unnest(owners) o GROUP BY o ORDER BY hashtext(o), o LOOP
        limits := find_order_limits(one);
        CONTINUE WHEN limits = '{}';
        PERFORM lock_owner_limits(one);
        at := clock_timestamp();
        rate_max := find_limit(limits, 'maxOrdersPerSecond');
        open_max := find_limit(limits, 'maxOpenOrders');
        volume_max := find_amount_limit(limits, 'maxDailyVolume', reference);
        IF rate_max IS NOT NULL THEN
            recent := count_recent_orders(one, at);
        END IF;
        IF open_max IS NOT NULL THEN
            open_bound := find_open_bound(one);
            SELECT sum(w) INTO added FROM unnest(owners, weights) u(o, w) WHERE o = one;
            IF (open_bound + added <= open_max) IS NOT TRUE THEN
                SELECT o.count INTO open_bound FROM read_open_orders(one, reference) o;
            END IF;
        END IF;
        IF volume_max IS NOT NULL THEN
            volume := sum_pledged_amounts(one, reference)
                + read_day_volume(one, (at AT TIME ZONE 'UTC')::date, reference, decimals);
        END IF;
        FOR i IN 1 .. cardinality(ids) LOOP
            CONTINUE WHEN owners[i] <> one OR EXISTS (
                SELECT FROM orders o WHERE o.owner = one AND o.client_order_id = client_order_ids[i]
            ) OR EXISTS (
                SELECT FROM orders o WHERE o.owner = one AND o.idempotency_key = idempotency_keys[i]);
            order_id := ids[i];
            SELECT * INTO name, bound, value, remaining, token FROM judge_order_terms(
                limits, tokens_in[i], tokens_out[i], slippages[i], order_values[i], reference);
            IF name IS NOT NULL THEN
                RETURN NEXT;
            ELSIF recent + 1 > rate_max THEN
                name := 'maxOrdersPerSecond';
                bound := rate_max;
                value := recent + 1;
                remaining := 0;
                RETURN NEXT;
            ELSIF open_max IS NOT NULL AND open_bound + weights[i] > open_max THEN
                name := 'maxOpenOrders';
                bound := open_max;
                value := open_bound + weights[i];
                remaining := greatest(open_max - open_bound, 0);
                RETURN NEXT;
            ELSIF volume_max IS NOT NULL AND NOT waits[i]
                    AND volume + order_values[i] > volume_max THEN
                name := 'maxDailyVolume';
                bound := volume_max;
                value := order_values[i];
                remaining := greatest(volume_max - volume, 0);
                RETURN NEXT;
            ELSE
                open_bound := open_bound + weights[i];
                volume := volume + CASE WHEN waits[i] THEN 0 ELSE coalesce(order_values[i], 0) END;
                IF rate_max IS NOT NULL THEN
                    recent := recent + 1;
                    bound := rate_max;
                    value := recent;
                    remaining := rate_max - recent;
                    RETURN NEXT;
                END IF;
            END IF;
        END LOOP;
        IF open_max IS NOT NULL THEN
            PERFORM store_open_bound(one, open_bound);
        END IF;
    END LOOP;
END $$;

-- What the orders of owners may be at most. A row has the limits of an owner, by name, that of '' those
-- of every owner that has none of its own of that name; null is no limit. Amounts are base units of the
-- token in "reference".
CREATE TABLE order_limits (
    owner  text PRIMARY KEY,
    limits jsonb NOT NULL CHECK (jsonb_typeof(limits) = 'object'),
    set_by text NOT NULL,
    since  timestamptz NOT NULL DEFAULT now()
);

-- One row: rises with every change, so that processes read the limits only when there are others.
CREATE TABLE order_limits_version (
    version bigint NOT NULL DEFAULT 0,
    one     boolean PRIMARY KEY DEFAULT true CHECK (one)
);

INSERT INTO order_limits_version DEFAULT VALUES;

-- What an owner has done on a day (UTC). ``volume``: what its orders are worth that were submitted and
-- have landed or may yet, NULL until it is counted. ``realized``: of its fills of the day; a loss is
-- counted from ``realized_from``. ``is_warned``: it was told that most of the loss has come.
CREATE TABLE owner_days (
    owner         text NOT NULL,
    day           date NOT NULL,
    volume        numeric,
    realized      numeric NOT NULL DEFAULT 0,
    realized_from numeric NOT NULL DEFAULT 0,
    is_warned     boolean NOT NULL DEFAULT false,
    has_stopped   boolean NOT NULL DEFAULT false,
    PRIMARY KEY (owner, day)
);

-- What an order was counted as when it was submitted, and in which day's volume.
ALTER TABLE orders
    ADD COLUMN counted_value numeric,
    ADD COLUMN counted_day date;

CREATE FUNCTION find_order_limits(of_owner text) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
    SELECT jsonb_strip_nulls(
        coalesce((SELECT limits FROM order_limits WHERE owner = ''), '{}')
        || coalesce((SELECT limits FROM order_limits WHERE owner = of_owner), '{}'))
$$;

-- Whoever counts for an owner waits for those who have counted before, to the end of their commits.
-- A process that is paused, or is gone without a word, between two statements of its transaction
-- loses its session: what it stored is undone, and the others go on.
CREATE FUNCTION lock_owner_limits(of_owner text) RETURNS void LANGUAGE sql VOLATILE AS $$
    SELECT set_config('idle_in_transaction_session_timeout', '2s', true);
    SELECT pg_advisory_xact_lock(1868916788, hashtext(of_owner))
$$;

-- A limit, NULL if there is none. One that is no number, or below 0, lets nothing pass.
CREATE FUNCTION find_limit(limits jsonb, name text) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN jsonb_typeof(limits->name) = 'number'
        THEN greatest((limits->>name)::numeric, -1) WHEN limits ? name THEN -1 END
$$;

-- An amount of the reference token: NULL if the limits are in another token, or have none.
CREATE FUNCTION find_amount_limit(limits jsonb, name text, reference text) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN limits->>'reference' = reference THEN find_limit(limits, name) END
$$;

-- The first limit that the terms of an order exceed. A value that is not known exceeds none.
CREATE FUNCTION judge_order_terms(
    limits jsonb, token_in text, token_out text, slippage_bps integer, order_value numeric, reference text,
    OUT name text, OUT bound numeric, OUT value numeric, OUT remaining numeric, OUT token text
) LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    FOREACH token IN ARRAY ARRAY[token_in, token_out] LOOP
        IF limits->'deniedMints' ? token THEN
            name := 'deniedMints';
            RETURN;
        ELSIF limits ? 'allowedMints' AND NOT limits->'allowedMints' ? token THEN
            name := 'allowedMints';
            RETURN;
        END IF;
    END LOOP;
    token := NULL;
    bound := find_limit(limits, 'maxSlippageBps');
    IF slippage_bps > bound THEN
        name := 'maxSlippageBps';
        value := slippage_bps;
    ELSE
        bound := find_amount_limit(limits, 'maxOrderValue', reference);
        IF order_value > bound AND order_value < 'NaN' THEN
            name := 'maxOrderValue';
            value := order_value;
        END IF;
    END IF;
    remaining := bound;
END $$;

-- What the orders of an owner are worth that were submitted on a day and have landed, or may yet.
-- Those that were not counted at that time are by their amounts and routes.
CREATE FUNCTION sum_day_volume(of_owner text, of_day date, reference text, decimals integer)
RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(coalesce(counted_value, CASE
        WHEN token_in = reference THEN amount_in
        WHEN token_out = reference
            THEN coalesce(amount_out, (route->>'minAmountOut')::numeric * 10::numeric ^ decimals)
        ELSE 10::numeric ^ decimals * coalesce(
            (SELECT sum((leg->>'amountIn')::numeric) FROM jsonb_array_elements(route->'legs') leg
             WHERE leg->>'tokenIn' = reference),
            CASE WHEN route->'value'->>'token' = reference
                 THEN (route->'value'->>'amount')::numeric END)
    END, 0)), 0)
    FROM (
        (SELECT * FROM orders WHERE owner = of_owner
             AND closed_as COLLATE "C" >= 'confirmed ' AND closed_as COLLATE "C" < 'confirmed!'
             AND closed_at >= of_day::timestamp AT TIME ZONE 'UTC')
        UNION ALL
        (SELECT * FROM orders WHERE owner = of_owner AND open AND trigger_shard IS NULL
             AND status = 'submitted')
    ) o
    WHERE type <> 'twap' AND (counted_day IS NULL OR counted_day = of_day)
$$;

CREATE FUNCTION read_day_volume(of_owner text, of_day date, reference text, decimals integer)
RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        (SELECT volume FROM owner_days WHERE owner = of_owner AND day = of_day),
        sum_day_volume(of_owner, of_day, reference, decimals))
$$;

-- How many of an owner's orders are open, and what those that are to be executed now pledge of the
-- reference token. A slice is its order's; an entry counts as the orders of its bracket.
CREATE FUNCTION read_open_orders(of_owner text, reference text, OUT count bigint, OUT pledged numeric)
LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(CASE
            WHEN parent_id IS NOT NULL AND type IN ('market', 'limit') THEN 0
            WHEN bracket ? 'takeProfit' AND bracket ? 'stop' THEN 2 ELSE 1 END), 0),
        coalesce(sum(amount_in) FILTER (
            WHERE trigger_shard IS NULL AND status <> 'submitted' AND token_in = reference), 0)
    FROM (
        (SELECT * FROM orders WHERE owner = of_owner AND open AND trigger_shard IS NULL)
        UNION ALL
        (SELECT * FROM orders WHERE owner = of_owner AND trigger_shard IS NOT NULL)
    ) o
$$;

CREATE FUNCTION count_recent_orders(of_owner text, at timestamptz) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM orders
    WHERE owner = of_owner AND created_at > at - interval '1 s' AND created_at <= at
        AND parent_id IS NULL
$$;

-- Which new orders exceed a limit of their owners: a row of each, with what it exceeds, and one of each
-- that does not while its owner has a rate. Orders that repeat an earlier one count for nothing.
-- ``weights``: as how many open orders one counts. ``order_values``: NULL where the route decides. The
-- owners' locks are held to the end of the transaction, which must store what is admitted.
CREATE FUNCTION admit_orders(
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
    open_count numeric;
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
        IF open_max IS NOT NULL OR volume_max IS NOT NULL THEN
            SELECT o.count, o.pledged + CASE WHEN volume_max IS NOT NULL THEN read_day_volume(
                one, (at AT TIME ZONE 'UTC')::date, reference, decimals) END AS volume
            INTO open_count, volume FROM read_open_orders(one, reference) o;
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
            ELSIF open_max IS NOT NULL AND open_count + weights[i] > open_max THEN
                name := 'maxOpenOrders';
                bound := open_max;
                value := open_count + weights[i];
                remaining := greatest(open_max - open_count, 0);
                RETURN NEXT;
            ELSIF volume_max IS NOT NULL AND NOT waits[i]
                    AND volume + order_values[i] > volume_max THEN
                name := 'maxDailyVolume';
                bound := volume_max;
                value := order_values[i];
                remaining := greatest(volume_max - volume, 0);
                RETURN NEXT;
            ELSE
                open_count := open_count + weights[i];
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
    END LOOP;
END $$;

-- Which signed transactions exceed a limit of the owners of their orders, and what all of them change of
-- the volumes of days. ``released`` have not landed, and are taken back from what they were counted in.
-- NULL is what is not known of a route: it exceeds every limit on it.
CREATE FUNCTION admit_submissions(
    ids uuid[], epochs integer[], order_values numeric[], impacts numeric[], distances numeric[],
    reference text, decimals integer, released uuid[], released_epochs integer[]
) RETURNS TABLE (
    order_id uuid, epoch integer, owner text, day date, change numeric,
    name text, bound numeric, value numeric, remaining numeric, token text
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    one text;
    limits jsonb;
    today date;
    volume_max numeric;
    used numeric;
    is_final boolean;
    was record;
BEGIN
    FOR one IN SELECT o.owner FROM orders o WHERE o.id = ANY(ids) OR o.id = ANY(released)
               GROUP BY o.owner ORDER BY hashtext(o.owner), o.owner LOOP
        limits := find_order_limits(one);
        volume_max := find_limit(limits, 'maxDailyVolume');
        IF volume_max IS NOT NULL OR cardinality(released) > 0 THEN
            PERFORM lock_owner_limits(one);
        END IF;
        today := (clock_timestamp() AT TIME ZONE 'UTC')::date;
        owner := one;
        name := NULL;
        FOR was IN SELECT o.id, r.epoch, o.counted_day, o.counted_value
                FROM unnest(released, released_epochs) r(id, epoch) JOIN orders o ON o.id = r.id
                WHERE o.owner = one AND o.counted_value IS NOT NULL LOOP
            order_id := was.id;
            epoch := was.epoch;
            day := was.counted_day;
            change := -was.counted_value;
            RETURN NEXT;
        END LOOP;
        CONTINUE WHEN limits = '{}';
        IF volume_max IS NOT NULL THEN
            used := read_day_volume(one, today, reference, decimals);
            -- Until every process counts what it submits, it is summed up each time.
            SELECT max(l.since) < clock_timestamp() - interval '6 s' INTO is_final
            FROM order_limits l WHERE l.owner IN (one, '');
            IF is_final THEN
                INSERT INTO owner_days AS d (owner, day, volume) VALUES (one, today, used)
                ON CONFLICT ON CONSTRAINT owner_days_pkey
                DO UPDATE SET volume = excluded.volume WHERE d.volume IS NULL;
            END IF;
        END IF;
        FOR i IN 1 .. cardinality(ids) LOOP
            SELECT o.token_in, o.token_out, o.slippage_bps, o.counted_day, o.counted_value
            INTO was FROM orders o WHERE o.id = ids[i] AND o.owner = one;
            CONTINUE WHEN NOT FOUND;
            order_id := ids[i];
            epoch := epochs[i];
            day := today;
            change := NULL;
            SELECT * INTO name, bound, value, remaining, token FROM judge_order_terms(
                limits, was.token_in, was.token_out, was.slippage_bps, order_values[i], reference);
            IF name IS NULL THEN
                SELECT * INTO name, bound, value, remaining FROM judge_route(
                    limits, order_values[i], impacts[i], distances[i], reference);
            END IF;
            IF name IS NULL AND volume_max IS NOT NULL THEN
                change := order_values[i] - CASE
                    WHEN was.counted_day = today THEN was.counted_value ELSE 0 END;
                IF used + change > volume_max THEN
                    name := 'maxDailyVolume';
                    bound := volume_max;
                    value := order_values[i];
                    remaining := greatest(volume_max - used, 0);
                    change := NULL;
                ELSE
                    used := used + change;
                    value := order_values[i];
                END IF;
            END IF;
            IF name IS NOT NULL OR change IS NOT NULL THEN
                RETURN NEXT;
            END IF;
        END LOOP;
    END LOOP;
END $$;

-- The first limit that a route exceeds; one on what is not known of it, with no value: that is NULL,
-- NaN, and what no swap can be.
CREATE FUNCTION judge_route(
    limits jsonb, order_value numeric, impact numeric, distance numeric, reference text,
    OUT name text, OUT bound numeric, OUT value numeric, OUT remaining numeric
) LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF (order_value > 0 AND order_value < 'NaN' AND limits->>'reference' = reference) IS NOT TRUE
            AND (limits ? 'maxOrderValue' OR limits ? 'maxDailyVolume') THEN
        name := CASE WHEN limits ? 'maxOrderValue' THEN 'maxOrderValue' ELSE 'maxDailyVolume' END;
        bound := find_limit(limits, name);
        RETURN;
    END IF;
    bound := find_limit(limits, 'maxPriceImpactBps');
    IF (impact BETWEEN 0 AND bound) IS NOT TRUE AND bound IS NOT NULL THEN
        name := 'maxPriceImpactBps';
        value := CASE WHEN impact >= 0 THEN nullif(impact, 'NaN') END;
    ELSE
        bound := find_limit(limits, 'maxReferenceDistanceBps');
        IF (distance <= bound) IS NOT TRUE AND bound IS NOT NULL THEN
            name := 'maxReferenceDistanceBps';
            value := nullif(distance, 'NaN');
        END IF;
    END IF;
    remaining := bound;
END $$;

CREATE FUNCTION count_day_volume(of_owner text, of_day date, change numeric) RETURNS void
LANGUAGE sql VOLATILE AS $$
    UPDATE owner_days SET volume = volume + change WHERE owner = of_owner AND day = of_day
$$;

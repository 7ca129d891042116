"""The leases of orders in their rows: claims, renewals, releases, and what is overdue.

A claim is one compare-and-set that takes the lease and increments the order's epoch. An order whose
expiry has passed, or that a trading state holds, is not claimed, unless it is submitted: then the
chain decides. One that waits for a price is not claimed either. All times are those of the
database's clock. A time further ahead of it than ``LeasePolicy.ahead_max`` is none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from operator import itemgetter
from uuid import UUID

import asyncpg

from backend.domain.errors import OUT_OF_COMPUTE
from backend.domain.lifecycle import Cause, Status, advance
from backend.domain.orders import LeasedOrder
from backend.domain.tokens import TokenRegistry
from backend.runtime.coalescer import Coalescer
from backend.runtime.commit_notifications import EVENTS_MAX, Commit, CommitObserver
from backend.store.committed_events import build_claim_event
from backend.store.database import FIRST_ID, DatabasePool, fetch_repeating
from backend.store.group_commit import group_commits
from backend.store.journal import LeasePolicy
from backend.store.launches.tokens import parse_with_tokens
from backend.store.leases.leased_orders import parse_leased_order
from backend.store.leases.outage_waits import NO_WAITS, OutageWaited
from backend.store.trading.held_orders import IS_HELD, release_held

_CLAIM_STEP = advance(Status.PENDING, 1, Cause.CLAIMED)

# Written as what excludes an order: PostgreSQL takes a range for rare before it knows the data, and
# so reads the index in its order up to the limit of a claim, instead of sorting all that waits.
_IS_CLAIMABLE = f"""
    trigger_shard IS NULL
    AND (lease_until >= now() AND lease_until <= now() + {{ahead}}::interval) IS NOT TRUE
    AND (next_attempt_at > now() AND next_attempt_at <= now() + {{ahead}}::interval) IS NOT TRUE
    AND (expires_at <= now() AND status <> 'submitted') IS NOT TRUE
    AND (status <> 'submitted' AND {IS_HELD}) IS NOT TRUE
"""

_CLAIM_FREE = f"""
, claimed AS (
    UPDATE orders o SET
        epoch = o.epoch + 1,
        lease_until = now() + $3::interval,
        next_attempt_at = NULL,
        status = CASE free.status WHEN 'pending' THEN $2::text::order_status ELSE o.status END,
        seq = CASE free.status WHEN 'pending' THEN o.seq + 1 ELSE o.seq END,
        updated_at = (SELECT clock_timestamp())
    FROM free WHERE o.id = free.id
    RETURNING o.id, o.type::text, o.token_in, o.token_out, o.amount_in, o.min_amount_out,
              o.slippage_bps, o.max_price_impact_bps, o.condition, o.status::text, o.seq,
              o.attempts, o.epoch, o.dex, o.tx_hash, o.signed_tx, o.last_valid_height, o.owner,
              o.batch_id, o.time_in_force, o.expires_at IS NOT NULL AS can_expire,
              o.oco_group, o.bracket, o.route_constraints, o.fees, o.wallet,
              coalesce(starts_with(o.last_error, '{OUT_OF_COMPUTE}:'), false) AS lacks_units,
              extract(epoch FROM clock_timestamp() - free.updated_at)::float8 AS status_s,
              clock_timestamp() AS at, free.status = 'pending' AS is_first, extract(
                  epoch FROM now() - least(o.waiting_since, now()))::float8 AS waited_s,
              CASE o.status WHEN 'submitted' THEN o.route->>'minAmountOut' END AS route_min_out
), logged AS (
    INSERT INTO order_events (order_id, seq, status, at, attempt, data)
    SELECT id, seq, status::order_status, at, attempts, '{{}}'
    FROM claimed WHERE is_first
)
SELECT *, pg_current_xact_id()::text::bigint AS txid FROM claimed
"""  # noqa: S608 - constants only

# Orders are found by their ids, for which the limits and "IS NOT FALSE" are, as in the journal:
# else a plan from when there were few orders would read them all for each claim.
_CLAIM = f""" -- claim
WITH free AS (
    SELECT o.id, o.status, o.updated_at
    FROM (SELECT * FROM unnest($1::uuid[]) AS i(id) LIMIT cardinality($1::uuid[])) i
    JOIN orders o ON o.id = i.id AND o.open IS NOT FALSE AND {_IS_CLAIMABLE.format(ahead="$4")}
    FOR UPDATE OF o SKIP LOCKED
){_CLAIM_FREE}"""  # noqa: S608 - constants only

# One range of the index of open orders for each owner: its cost depends on no owner's backlog.
_CLAIM_WAITING = f""" -- claim waiting
WITH free AS (
    SELECT waiting.id, waiting.status, waiting.updated_at
    FROM (
        SELECT * FROM unnest($1::text[], $4::int[], $5::uuid[]) AS i(owner, places, since)
        LIMIT cardinality($1::text[])
    ) i CROSS JOIN LATERAL (
        SELECT id, status, updated_at FROM orders
        WHERE owner = i.owner AND id >= i.since AND open AND {_IS_CLAIMABLE.format(ahead="$6")}
        ORDER BY id LIMIT i.places
        FOR UPDATE SKIP LOCKED
    ) waiting
){_CLAIM_FREE}"""  # noqa: S608 - constants only

# The limit and "IS NOT FALSE" for the reasons given in the journal.
_RENEW = """ -- renew
WITH held AS (
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::float8[], $4::text[])
        AS i(id, epoch, waited_s, outage)
    LIMIT cardinality($1::uuid[])
), renewed AS (
    UPDATE orders o SET
        lease_until = now() + $5::interval,
        outage_code = coalesce(held.outage, o.outage_code),
        waiting_since = coalesce(
            CASE WHEN o.waiting_since <= now() THEN o.waiting_since END,
            now() - make_interval(secs => held.waited_s)
        )
    FROM held
    WHERE o.id = held.id AND o.epoch = held.epoch AND o.open IS NOT FALSE
        AND o.lease_until IS NOT NULL
)
SELECT o.id FROM held JOIN orders o ON o.id = held.id AND o.epoch = held.epoch
"""

_RELEASE = """ -- release
UPDATE orders o SET
    lease_until = NULL,
    kick_at = now(),
    outage_code = coalesce(i.outage, o.outage_code),
    waiting_since = coalesce(
        CASE WHEN o.waiting_since <= now() THEN o.waiting_since END,
        now() - make_interval(secs => i.waited_s)
    )
FROM (
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::float8[], $4::text[])
        AS i(id, epoch, waited_s, outage)
    LIMIT cardinality($1::uuid[])
) i
WHERE o.id = i.id AND o.epoch = i.epoch AND o.open IS NOT FALSE
"""

# One step in the index for each owner, and the first overdue order of each: ranges as above.
_FIND_OVERDUE_OWNERS = f""" -- find overdue owners
WITH RECURSIVE owners AS (
    (SELECT owner FROM orders WHERE open AND trigger_shard IS NULL
     ORDER BY owner LIMIT 1)
    UNION ALL
    SELECT (SELECT o.owner FROM orders o
            WHERE o.open AND o.trigger_shard IS NULL AND o.owner > known.owner
            ORDER BY o.owner LIMIT 1)
    FROM owners known WHERE known.owner IS NOT NULL
)
SELECT owners.owner FROM owners CROSS JOIN LATERAL (
    SELECT FROM orders o
    WHERE o.owner = owners.owner AND o.open AND o.trigger_shard IS NULL
      AND (o.kick_at > now() AND o.kick_at <= now() + $1::interval) IS NOT TRUE
      AND (o.lease_until >= now() AND o.lease_until <= now() + $1::interval) IS NOT TRUE
      AND (o.status <> 'submitted' AND {IS_HELD}) IS NOT TRUE
    ORDER BY o.id LIMIT 1
) overdue
"""  # noqa: S608 - constants only


class LeaseStore:
    """Claims, renews and releases leases; ``run`` must be running for ``claim``."""

    def __init__(
        self,
        pool: DatabasePool,
        *,
        policy: LeasePolicy,
        tokens: TokenRegistry,
        on_commit: CommitObserver,
    ) -> None:
        self._pool = pool
        self._policy = policy
        self._tokens = tokens
        self._on_commit = on_commit
        self._claims: Coalescer[UUID, LeasedOrder | None] = group_commits(
            self._claim_batch, "claim"
        )
        self.run = self._claims.run
        self._positions: dict[str, UUID] = {}
        """Up to which id each owner's waiting orders were claimed since the last sweep: what comes
        before are mostly orders that are executed, and skipped without reading them."""

    async def claim(self, order_id: UUID) -> LeasedOrder | None:
        """Claim an order if it is open, due and not leased; a pending order starts routing.

        Returns ``None`` if the order cannot be claimed. Raises ``DATABASE_ERRORS``.
        """
        return await self._claims.submit(order_id)

    async def _claim_batch(self, ids: Sequence[UUID]) -> list[LeasedOrder | None]:
        rows = await fetch_repeating(
            self._pool,
            _CLAIM,
            list(set(ids)),
            _CLAIM_STEP.status.value,
            self._policy.duration,
            self._policy.ahead_max,
        )
        self._notify(rows)
        claimed = {order.id: order for order in await self._parse(rows)}
        # A batch may contain two jobs of one order: only one of them gets it.
        return [claimed.pop(order_id, None) for order_id in ids]

    async def renew(
        self, orders: Sequence[LeasedOrder], waits: Mapping[UUID, OutageWaited] = NO_WAITS
    ) -> set[UUID]:
        """Extend the leases of orders, and return the ids of those that no other worker claimed.

        Among them are orders that have just ended, or wait for their next attempt, by a transition
        of this worker that was stored and of which it has not heard yet.
        ``waits`` are those of orders that wait for the end of an outage.
        """
        rows = await fetch_repeating(
            self._pool, _RENEW, *_to_columns(orders, waits), self._policy.duration
        )
        return {row["id"] for row in rows}

    async def release(
        self, orders: Sequence[LeasedOrder], waits: Mapping[UUID, OutageWaited] = NO_WAITS
    ) -> None:
        """Release the leases of orders, so that another worker can claim them at once."""
        await fetch_repeating(self._pool, _RELEASE, *_to_columns(orders, waits))

    async def release_held(self, order: LeasedOrder) -> None:
        """Release the lease of an order that a trading state holds."""
        await release_held(self._pool, order)

    async def claim_waiting(self, places: Mapping[str, int]) -> list[tuple[str, LeasedOrder]]:
        """Claim up to so many of the oldest claimable orders of each owner.

        Returns them with their owners; an owner with fewer has no more. Raises ``DATABASE_ERRORS``.
        """
        claimed = await self._claim_from_positions(places)
        counts = Counter(owner for owner, _ in claimed)
        missing = {
            owner: wanted - counts[owner]
            for owner, wanted in places.items()
            if counts[owner] < wanted and self._positions.pop(owner, None) is not None
        }
        return claimed + (await self._claim_from_positions(missing) if missing else [])

    async def _claim_from_positions(
        self, places: Mapping[str, int]
    ) -> list[tuple[str, LeasedOrder]]:
        rows = await fetch_repeating(
            self._pool,
            _CLAIM_WAITING,
            list(places),
            _CLAIM_STEP.status.value,
            self._policy.duration,
            list(places.values()),
            [self._positions.get(owner, FIRST_ID) for owner in places],
            self._policy.ahead_max,
        )
        self._notify(rows)
        for row in rows:
            position = self._positions.get(row["owner"], FIRST_ID)
            self._positions[row["owner"]] = max(position, row["id"])
        ordered = sorted(rows, key=itemgetter("id"))
        orders = await self._parse(ordered)
        return [(row["owner"], order) for row, order in zip(ordered, orders, strict=True)]

    async def _parse(self, rows: Sequence[asyncpg.Record]) -> list[LeasedOrder]:
        parse = partial(parse_leased_order, tokens=self._tokens)
        return await parse_with_tokens(self._pool, self._tokens, rows, parse)

    def _notify(self, claimed: Sequence[asyncpg.Record]) -> None:
        if not claimed:
            return
        events = None
        if len(claimed) <= EVENTS_MAX:
            events = [build_claim_event(row) for row in claimed if row["is_first"]]
        self._on_commit(Commit(claimed[0]["txid"], events))

    async def find_overdue_owners(self) -> list[str]:
        """The owners with an order that no worker executes: open, not leased, its job overdue.

        The next claim of waiting orders begins at each owner's oldest again.
        """
        self._positions.clear()
        rows = await fetch_repeating(self._pool, _FIND_OVERDUE_OWNERS, self._policy.ahead_max)
        return [row["owner"] for row in rows]


def _to_columns(
    orders: Sequence[LeasedOrder], waits: Mapping[UUID, OutageWaited]
) -> tuple[list[UUID], list[int], list[float | None], list[str | None]]:
    ids = [order.id for order in orders]
    found = [waits.get(order_id) for order_id in ids]
    seconds = [None if each is None else each.seconds for each in found]
    codes = [None if each is None else each.code for each in found]
    return ids, [order.epoch for order in orders], seconds, codes

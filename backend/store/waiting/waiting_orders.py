"""The waiting orders as their watcher reads them, and their release once the market meets them.

A release is one compare-and-set on the ``seq`` of an order that waits: it starts routing, without a
lease, and whichever worker claims it first executes it. The database's clock decides whether its
expiry has passed and whether its cool-down has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from backend.domain.conditions import Condition, ConditionState, get_awaited
from backend.domain.lifecycle import Cause, Status, advance
from backend.domain.orders import OrderTerms
from backend.domain.prices import PriceRatio
from backend.domain.tokens import TokenRegistry
from backend.runtime.commit_notifications import CommitObserver
from backend.store.committed_events import build_commit
from backend.store.database import FIRST_ID, DatabasePool, fetch_repeating
from backend.store.feed import FeedPosition
from backend.store.groups.release_choice import CHOICE, NO_CHOICE
from backend.store.launches.tokens import parse_with_tokens
from backend.store.leases.leased_orders import parse_terms
from backend.store.waiting.condition_rows import decode_ratio, encode_ratio

_RELEASED: Final = advance(Status.WAITING, 1, Cause.MET).status

_COLUMNS: Final = """
id, owner, type::text, token_in, token_out, amount_in::text, min_amount_out::text, slippage_bps,
max_price_impact_bps, condition, is_triggered, high_water, high_water_slot, seq, expires_at,
oco_group, route_constraints, fees,
CASE WHEN next_attempt_at > now() AND next_attempt_at <= now() + $1::interval
    THEN extract(epoch FROM next_attempt_at - now())::float8 ELSE 0 END AS cool_down_s
"""
_LOAD_SHARD: Final = f""" -- load shard
SELECT {_COLUMNS} FROM orders WHERE trigger_shard = $2 AND id > $3 ORDER BY id LIMIT $4
"""  # noqa: S608 - constants only

# LIMIT 1 forces an index scan for each order, even when the statistics are wrong.
_LOAD: Final = f""" -- load waiting
SELECT o.* FROM unnest($2::uuid[]) AS i(id) CROSS JOIN LATERAL (
    SELECT {_COLUMNS} FROM orders WHERE id = i.id AND status = 'waiting' LIMIT 1
) o
"""  # noqa: S608 - constants only
_LIST_IDS: Final = """ -- list waiting
SELECT id FROM orders WHERE trigger_shard = ANY($1::smallint[])
"""

# The index of events that are ``waiting``, up to the oldest transaction that still runs.
_READ_NEWS: Final = """ -- read news of waiting orders
SELECT head, e.order_id, e.seq
FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS head) h
LEFT JOIN order_events e ON e.status = 'waiting' AND e.txid >= $1 AND e.txid < head
"""

# The limit is the number of rows, and "IS NOT FALSE" matches no index on purpose, for the reasons
# given in the journal: PostgreSQL finds each order by its id.
RELEASE_FORM: Final = """ -- release waiting{note}
WITH input AS (
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::jsonb[], $7::text[]{amount_types}{group_type})
        {ordinality}AS i(id, seq, data, high_water{amount_columns}{group_columns})
    LIMIT cardinality($1::uuid[])
), written AS MATERIALIZED (
    SELECT clock_timestamp() AS at
), {locks}released AS (
    UPDATE orders o SET
        status = $4::text::order_status,
        seq = o.seq + 1,{new_amounts}
        trigger_shard = NULL,
        is_triggered = o.type <> 'limit',
        high_water = coalesce(i.high_water, o.high_water),
        next_attempt_at = NULL,
        kick_at = now() + $5::interval,
        updated_at = (SELECT at FROM written)
    FROM {source} i
    WHERE o.id = i.id AND o.seq = i.seq AND (o.status = 'waiting') IS NOT FALSE
        AND (o.expires_at <= now()) IS NOT TRUE
        AND (o.next_attempt_at > now() AND o.next_attempt_at <= now() + $6::interval) IS NOT TRUE
        AND is_order_held(
            (SELECT read_trading_states()), o.owner, o.token_in, o.token_out, NULL) IS NOT TRUE
    RETURNING o.id, o.status::text, o.seq, o.attempts, o.owner, o.batch_id, o.dex, i.data
), logged AS (
    INSERT INTO order_events (order_id, seq, status, at, attempt, data)
    SELECT id, seq, $4::text::order_status, (SELECT at FROM written), attempts, data FROM released
)
SELECT *, (SELECT at FROM written) AS at, pg_current_xact_id()::text::bigint AS txid FROM released
"""
_NO_AMOUNTS: Final = dict.fromkeys(("amount_types", "amount_columns", "new_amounts"), "")
AMOUNTS: Final = {
    "amount_types": ", $9::numeric[], $10::numeric[]",
    "amount_columns": ", amount_in, min_amount_out",
    "new_amounts": """
        amount_in = i.amount_in, min_amount_out = i.min_amount_out, last_error = NULL,""",
}
"""The parts of the statement that also decides the amounts, as ``$9`` and ``$10``."""
_RELEASE: Final = RELEASE_FORM.format(**NO_CHOICE, **_NO_AMOUNTS)
_RELEASE_GROUPED: Final = RELEASE_FORM.format(**CHOICE, **_NO_AMOUNTS)

# Ratios are compared by their cross products, which numerics hold exactly.
_RAISE_HIGH_WATERS: Final = """ -- raise high waters
UPDATE orders o SET high_water = i.high_water, high_water_slot = i.slot
FROM (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS i(id, high_water, slot)
    LIMIT cardinality($1::uuid[])
) i
WHERE o.id = i.id AND (o.status = 'waiting') IS NOT FALSE AND (
    o.high_water IS NULL
    OR split_part(i.high_water, '/', 1)::numeric * split_part(o.high_water, '/', 2)::numeric
        > split_part(o.high_water, '/', 1)::numeric * split_part(i.high_water, '/', 2)::numeric
)
"""


# Of a row that waits, which is not in an index of its own reason: the update leaves all indexes.
_NOTE: Final = """ -- note waiting
UPDATE orders o SET last_error = i.reason
FROM (
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[]) AS i(id, seq, reason)
    LIMIT cardinality($1::uuid[])
) i
WHERE o.id = i.id AND o.seq = i.seq AND (o.status = 'waiting') IS NOT FALSE
    AND o.last_error IS DISTINCT FROM i.reason
"""


class WaitingNote(NamedTuple):
    """Why an order waits still, as of the row with this ``seq``."""

    id: UUID
    seq: int
    reason: str


class WaitingRecord(NamedTuple):
    """An order that waits.

    ``condition`` is what it waits for now: once its trigger was met, the limit that it became. The
    condition that it was accepted with is that of its terms. It is not released before the
    ``cool_down_s`` seconds from its read have passed. The mark of its state holds up to the market
    of ``high_water_slot``.
    """

    id: UUID
    owner: str
    terms: OrderTerms
    condition: Condition
    state: ConditionState
    is_triggered: bool
    seq: int
    expires_at: datetime | None
    cool_down_s: float
    high_water_slot: int | None
    oco_group: UUID | None = None


class MetTrigger(NamedTuple):
    """An order whose condition is met, as of the row with this ``seq``; ``data`` is JSON text.

    ``high_water`` is the mark of a trailing stop by which it is met. Of two orders of an
    ``oco_group`` that are met the first is released.
    """

    id: UUID
    seq: int
    owner: str
    data: str
    high_water: PriceRatio | None = None
    oco_group: UUID | None = None


class RaisedMark(NamedTuple):
    """The high-water mark of an order, as of the market of a slot."""

    id: UUID
    high_water: PriceRatio
    slot: int


class WaitingOrders:
    """Reads and releases waiting orders. Every method raises ``DATABASE_ERRORS``.

    ``rekick_after`` is the time after which a released order whose job nobody has executed is
    claimed from its row, and ``ahead_max`` how far ahead a time may be that is taken for one.
    ``on_commit`` is called with each commit that released orders.
    """

    def __init__(
        self,
        pool: DatabasePool,
        *,
        tokens: TokenRegistry,
        rekick_after: timedelta,
        ahead_max: timedelta,
        on_commit: CommitObserver,
    ) -> None:
        self._pool = pool
        self._tokens = tokens
        self._rekick_after = rekick_after
        self._ahead_max = ahead_max
        self._on_commit = on_commit

    async def load_shard(
        self, shard: int, *, after: UUID | None = None, limit: int
    ) -> list[WaitingRecord]:
        """Up to ``limit`` orders of a shard by id, only those ``after`` an id."""
        rows = await fetch_repeating(
            self._pool, _LOAD_SHARD, self._ahead_max, shard, after or FIRST_ID, limit
        )
        return await self._parse_rows(rows)

    async def load(self, order_ids: Sequence[UUID]) -> list[WaitingRecord]:
        """Those of some orders that wait now."""
        rows = await fetch_repeating(self._pool, _LOAD, self._ahead_max, order_ids)
        return await self._parse_rows(rows)

    async def list_ids(self, shards: Sequence[int]) -> set[UUID]:
        """The ids of all orders that wait in some shards."""
        return {row["id"] for row in await fetch_repeating(self._pool, _LIST_IDS, shards)}

    async def read_news(self, position: FeedPosition) -> tuple[FeedPosition, dict[UUID, int]]:
        """The orders that began to wait or were amended after a position, with the newest ``seq``.

        With them comes the position after these. It is behind the oldest transaction that still
        runs, so that no event appears before it later. Some of the orders may wait no more.
        """
        rows = await fetch_repeating(self._pool, _READ_NEWS, position.txid)
        news: dict[UUID, int] = {}
        for row in rows:
            if (order_id := row["order_id"]) is not None:
                news[order_id] = max(row["seq"], news.get(order_id, 0))
        return max(position, FeedPosition(rows[0]["head"])), news

    async def release(self, met: Sequence[MetTrigger]) -> set[UUID]:
        """Have orders executed whose conditions are met; returns the ids of those released.

        The others wait no more, were changed since, have expired, or the other order of their group
        is executed. Jobs have to be sent for those released. If a commit is in doubt, those that an
        earlier try released are not among them: the sweep finds them.
        """
        if not met:
            return set()
        ids, seqs, _, data, marks, groups = (list(column) for column in zip(*met, strict=True))
        is_grouped = any(group is not None for group in groups)
        rows = await fetch_repeating(
            self._pool,
            _RELEASE_GROUPED if is_grouped else _RELEASE,
            ids,
            seqs,
            data,
            _RELEASED.value,
            self._rekick_after,
            self._ahead_max,
            [None if mark is None else encode_ratio(mark) for mark in marks],
            *((groups,) if is_grouped else ()),
        )
        if rows:
            self._on_commit(build_commit(rows))
        return {row["id"] for row in rows}

    async def note(self, notes: Sequence[WaitingNote]) -> None:
        """Store why orders wait still, for their owners to read: no step of theirs."""
        if notes:
            ids, seqs, reasons = (list(column) for column in zip(*notes, strict=True))
            await fetch_repeating(self._pool, _NOTE, ids, seqs, reasons)

    async def raise_high_waters(self, raised: Sequence[RaisedMark]) -> None:
        """Store the highest prices that trailing stops have followed, where they are higher."""
        if raised:
            ids, prices, slots = (list(column) for column in zip(*raised, strict=True))
            ratios = [encode_ratio(price) for price in prices]
            await fetch_repeating(self._pool, _RAISE_HIGH_WATERS, ids, ratios, slots)

    async def _parse_rows(self, rows: Sequence[asyncpg.Record]) -> list[WaitingRecord]:
        return await parse_with_tokens(self._pool, self._tokens, rows, self._parse)

    def _parse(self, row: asyncpg.Record) -> WaitingRecord:
        terms, high_water = parse_terms(row, self._tokens), row["high_water"]
        assert terms.condition is not None, "what waits has a condition"
        return WaitingRecord(
            id=row["id"],
            owner=row["owner"],
            terms=terms,
            condition=get_awaited(terms.condition, is_triggered=row["is_triggered"]),
            state=ConditionState(None if high_water is None else decode_ratio(high_water)),
            is_triggered=row["is_triggered"],
            seq=row["seq"],
            expires_at=row["expires_at"],
            cool_down_s=row["cool_down_s"],
            high_water_slot=row["high_water_slot"],
            oco_group=row["oco_group"],
        )

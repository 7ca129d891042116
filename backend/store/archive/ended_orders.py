"""Which ended orders may be archived, in the order in which they were accepted.

The walk follows the first events of orders by the index of their transactions, so that it reads
what is old and nothing else. Orders that belong together (the slices of a TWAP, an entry and its
bracket, an OCO) are archived together, once all of them may be. What somebody has still to read
stays: see ``_READ_BOUNDS``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from backend.store.archive.index_plans import open_by_index
from backend.store.database import DatabasePool
from backend.store.errors import translate_errors

PAGE_EVENTS: Final = 10_000
FIRST_TXID: Final = -(2**63)
_NIL: Final = UUID(int=0)

# An order that has an event at a bound, or behind it, is not archived. Who has not moved for days
# does not read any more.
_READ_BOUNDS: Final = """ -- read bounds of the archive
SELECT txid, reader FROM (
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS txid,
           'a transaction that is open' AS reader
    UNION ALL SELECT txid, 'the webhook ' || id FROM webhooks WHERE state <> 'disabled'
    UNION ALL
    SELECT d.txid, 'a delivery of the webhook ' || w.id
    FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id
    WHERE d.delivered_at IS NULL AND w.state <> 'disabled'
    UNION ALL
    SELECT txid, 'the notices to operators' FROM notice_positions
    WHERE lease_until > now() - interval '1 d'
    UNION ALL
    SELECT max(b.horizon), 'the reconciliation of the wallet ' || b.wallet
    FROM wallet_balances b JOIN wallets w ON w.address = b.wallet
    GROUP BY b.wallet HAVING max(b.read_at) > now() - interval '7 d'
    UNION ALL
    SELECT sealed_txid, 'the seals of the audit log' FROM audit_head WHERE sealed_txid > 0
) bounds WHERE txid IS NOT NULL ORDER BY txid LIMIT 1
"""
_READ_CUTOFF: Final = "SELECT now() - $1::interval AS at"
_WALK: Final = """ -- walk ended orders
SELECT txid, order_id, seq, at FROM order_events
WHERE txid >= $1 AND (txid, order_id, seq) > ($1, $2, $3) AND txid < $4
ORDER BY txid, order_id, seq LIMIT $5
"""
_READ_BEHIND: Final = """ -- read behind the bound of the archive
SELECT at < $2 AS is_old FROM order_events WHERE txid >= $1 ORDER BY txid LIMIT 1
"""
_IS_READY: Final = """
NOT o.open AND coalesce(o.closed_at, o.updated_at) < $2 AND o.amount_pending IS NOT TRUE
AND o.slices_cancelling IS NOT TRUE AND (
    SELECT e.txid FROM order_events e WHERE e.order_id = o.id ORDER BY e.seq DESC LIMIT 1
) < $3
"""
_IS_ALONE: Final = """
o.parent_id IS NULL AND o.oco_group IS NULL AND o.bracket IS NULL AND o.type <> 'twap'
"""
_FIND_READY: Final = f""" -- find orders to archive
WITH RECURSIVE page AS MATERIALIZED (
    SELECT i.n, o.id, o.oco_group, {_IS_ALONE} AS is_alone, {_IS_READY} AS is_ready
    FROM unnest($1::uuid[]) WITH ORDINALITY AS i(id, n) JOIN orders o ON o.id = i.id
    WHERE o.parent_id IS NULL OR NOT EXISTS (SELECT FROM orders p WHERE p.id = o.parent_id)
), family(n, root, id) AS (
    SELECT n, id, id FROM page p
    WHERE NOT is_alone AND is_ready AND (oco_group IS NULL OR NOT EXISTS (
        SELECT FROM orders g WHERE g.oco_group = p.oco_group AND g.id < p.id))
    UNION
    SELECT f.n, f.root, m.id
    FROM family f JOIN orders o ON o.id = f.id CROSS JOIN LATERAL (
        SELECT c.id FROM orders c WHERE c.parent_id = f.id
        UNION ALL
        SELECT g.id FROM orders g WHERE g.oco_group = o.oco_group
    ) m
)
SELECT n, ARRAY[id] AS ids FROM page WHERE is_alone AND is_ready
UNION ALL
SELECT f.n, array_agg(o.id ORDER BY o.id <> f.root, o.id)
FROM family f JOIN orders o ON o.id = f.id
GROUP BY f.n, f.root HAVING bool_and({_IS_READY})
ORDER BY n
"""  # noqa: S608 - constants only

_COUNT: Final = """ -- count ended orders
SELECT count(*) AS orders, count(*) FILTER (WHERE at < now() - $1::interval) AS old_orders,
       min(at) AS first_at, now() - $1::interval AS cutoff
FROM (SELECT coalesce(closed_at, updated_at) AS at FROM orders WHERE NOT open) ended
"""


class EndedCounts(NamedTuple):
    """How many orders of the database have ended, and how many of them are old enough."""

    orders: int
    old_orders: int
    first_at: datetime | None
    """When the first of them ended; None without one."""
    cutoff: datetime
    """What has ended before is old enough."""


class ArchiveBound(NamedTuple):
    """The transaction at which the archive ends, and who has read up to there only."""

    txid: int
    reader: str


class EndedOrders:
    """Finds what may be archived. Its methods raise ``Transient``."""

    def __init__(self, pool: DatabasePool, older_than: timedelta) -> None:
        self._pool = pool
        self._older_than = older_than
        self.bound: ArchiveBound | None = None
        """Where the last walk has met what is old enough, and somebody has still to read."""

    async def count(self) -> EndedCounts:
        """Count what has ended, by a read of all orders: to say why none is archived."""
        [row] = await self._pool.read(_COUNT, self._older_than)
        return EndedCounts(**row)

    async def walk(self) -> AsyncIterator[list[list[UUID]]]:
        """Families of orders by pages: lists of ids, those that others came to be of first."""
        [row] = await self._pool.read(_READ_CUTOFF, self._older_than)
        cutoff: datetime = row["at"]
        [row] = await self._pool.read(_READ_BOUNDS)
        bound = ArchiveBound(row["txid"], row["reader"])
        position = FIRST_TXID, _NIL, 0
        while True:
            rows = await self._pool.read(_WALK, *position, bound.txid, PAGE_EVENTS)
            ids = [row["order_id"] for row in rows if row["seq"] == 1 and row["at"] < cutoff]
            if ids:
                yield await self._find_ready(ids, cutoff, bound.txid)
            if any(row["seq"] == 1 and row["at"] >= cutoff for row in rows):
                return
            if len(rows) < PAGE_EVENTS:
                behind = await self._pool.read(_READ_BEHIND, bound.txid, cutoff)
                self.bound = bound if behind and behind[0]["is_old"] else None
                return
            last = rows[-1]
            position = last["txid"], last["order_id"], last["seq"]

    async def _find_ready(
        self, ids: Sequence[UUID], cutoff: datetime, bound_txid: int
    ) -> list[list[UUID]]:
        async def find() -> list[list[UUID]]:
            async with open_by_index(self._pool) as connection:
                rows = await connection.fetch(_FIND_READY, ids, cutoff, bound_txid)
            return [row["ids"] for row in rows]

        return await translate_errors(find)

"""Numbers of orders: of each owner in each status, and the open ones of each owner.

For the first, all orders are counted once; afterwards only the events since the previous read are
read. Each event has the new status of its order, and the event before it has the old one. Orders
that were archived since are no longer counted. If events went with them that were not read, all are
counted again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import asyncpg

from backend.domain.errors import Transient
from backend.domain.lifecycle import Status
from backend.store.database import DatabasePool
from backend.store.feed import FeedPosition

COUNT_TIMEOUT_S = 60
"""Timeout of the count of all orders, which runs once."""

POLL_S: Final = 1.0
BACKLOG_MIN: Final = 1_000
"""So many orders that no worker has claimed are a backlog: more than a worker takes in advance."""

# What waits for a price is counted from its index alone.
_COUNT_BY_OWNER: Final = """
SELECT owner, sum(open)::bigint AS open, sum(pending)::bigint AS pending FROM (
    SELECT owner, count(*) AS open, count(*) FILTER (WHERE status = 'pending') AS pending
    FROM orders WHERE open AND trigger_shard IS NULL GROUP BY owner
    UNION ALL
    SELECT owner, count(*), 0 FROM orders WHERE trigger_shard IS NOT NULL GROUP BY owner
) counted GROUP BY owner
"""

# A statement sees one snapshot: its orders, minus the effect of its events beyond the position.
_COUNT_ALL = """
WITH head AS MATERIALIZED (
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS txid
), later AS (
    SELECT o.owner, e.status AS is_now, p.status AS was FROM order_events e
    CROSS JOIN LATERAL (SELECT owner FROM orders WHERE id = e.order_id LIMIT 1) o
    LEFT JOIN LATERAL (SELECT status FROM order_events
                       WHERE order_id = e.order_id AND seq = e.seq - 1 LIMIT 1) p ON true
    WHERE e.txid >= (SELECT txid FROM head)
)
SELECT (SELECT txid FROM head), owner, status::text AS is_now, NULL AS was, count(*) AS n
FROM orders GROUP BY owner, status
UNION ALL
SELECT (SELECT txid FROM head), owner, was::text, is_now::text, count(*)
FROM later GROUP BY owner, was, is_now
UNION ALL
SELECT (SELECT txid FROM head), owner, status::text, NULL, sum(orders)
FROM archive_removals WHERE txid >= (SELECT txid FROM head) GROUP BY owner, status
UNION ALL
SELECT (SELECT txid FROM head), NULL, NULL, NULL, 0
"""

_COUNT_CHANGES_SINCE = """
WITH head AS MATERIALIZED (
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS txid
)
SELECT (SELECT txid FROM head), o.owner, e.status::text AS is_now, p.status::text AS was,
       count(*) AS n
FROM order_events e
CROSS JOIN LATERAL (SELECT owner FROM orders WHERE id = e.order_id LIMIT 1) o
LEFT JOIN LATERAL (SELECT status FROM order_events
                   WHERE order_id = e.order_id AND seq = e.seq - 1 LIMIT 1) p ON true
WHERE e.txid >= $1 AND e.txid < (SELECT txid FROM head)
GROUP BY o.owner, e.status, p.status
UNION ALL
SELECT (SELECT txid FROM head), owner, NULL, status::text, sum(orders)
FROM archive_removals WHERE txid >= $1 AND txid < (SELECT txid FROM head) GROUP BY owner, status
UNION ALL
SELECT (SELECT txid FROM head), NULL, NULL, NULL, count(*) FROM archive_files WHERE last_txid >= $1
"""
"""The row without an owner has how many files were archived with events that were not counted."""


class StatusCounts:
    """Maintains the number of each owner's orders in each status."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool
        self._counts: dict[str, Counter[Status]] = {}
        self._position: FeedPosition | None = None
        self._lock = asyncio.Lock()

    async def refresh(self) -> FeedPosition:
        """Count what has changed; returns the feed position at which the counts hold now.

        Raises ``Transient`` while PostgreSQL is unavailable.
        """
        async with self._lock:
            counted = self._counts
            rows = await self._read_changes()
            if rows is None:
                rows = await self._pool.read(_COUNT_ALL, timeout=COUNT_TIMEOUT_S)
                counted = self._counts = {}
            for row in rows:
                if row["n"]:
                    counts = counted.setdefault(row["owner"], Counter())
                    if row["is_now"] is not None:
                        counts[Status(row["is_now"])] += row["n"]
                    if row["was"] is not None:
                        counts[Status(row["was"])] -= row["n"]
            self._position = FeedPosition(rows[0]["txid"])
            return self._position

    async def _read_changes(self) -> Sequence[asyncpg.Record] | None:
        """What has changed; ``None`` if all has to be counted, as at first."""
        if self._position is None:
            return None
        rows = await self._pool.read(_COUNT_CHANGES_SINCE, self._position.txid)
        return None if any(row["owner"] is None and row["n"] for row in rows) else rows

    def get(self, owner: str) -> dict[Status, int]:
        """The number of an owner's orders in each status, at the position of the last refresh."""
        counts = self._counts.get(owner, Counter())
        return {status: counts[status] for status in Status}


class OpenOrderCounts:
    """The open orders of each owner; ``run`` must be running.

    The numbers are those of the last poll and what this process has stored since: other processes
    may have stored more within that time.
    """

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool
        self._open: Counter[str] = Counter()
        self._total = 0
        self._pending: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """The open orders of all owners."""
        return self._total

    def count(self, owner: str) -> int:
        """The open orders of one owner."""
        return self._open[owner]

    def has_backlog(self, owner: str) -> bool:
        """Whether many orders of the owner waited for a worker at the last poll."""
        return self._pending[owner] >= BACKLOG_MIN

    def add_stored(self, owner: str, orders: int) -> None:
        """Add stored orders, until the next poll includes them."""
        self._open[owner] += orders
        self._total += orders

    async def run(self) -> None:
        """Keep the numbers current until cancelled."""
        while True:
            with suppress(Transient):  # logged by the store
                await self.poll()
            await asyncio.sleep(POLL_S)

    async def poll(self) -> None:
        """Read the numbers. Raises ``Transient`` while PostgreSQL is unavailable."""
        rows = await self._pool.read(_COUNT_BY_OWNER)
        self._open = Counter({row["owner"]: row["open"] for row in rows})
        self._pending = Counter({row["owner"]: row["pending"] for row in rows})
        self._total = self._open.total()

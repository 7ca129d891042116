"""The number of each owner's orders in each status, at a position in the feed.

All orders are counted once; afterwards only the events since the previous read are read. Each
event has the new status of its order, and the event before it has the old one.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from backend.domain.lifecycle import Status
from backend.store.database import DatabasePool
from backend.store.feed import FeedPosition

COUNT_TIMEOUT_S = 60
"""Timeout of the count of all orders, which runs once."""

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
SELECT (SELECT txid FROM head), NULL, NULL, NULL, 0
"""


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
            if self._position is None:
                rows = await self._pool.read(_COUNT_ALL, timeout=COUNT_TIMEOUT_S)
            else:
                rows = await self._pool.read(_COUNT_CHANGES_SINCE, self._position.txid)
            for row in rows:
                if row["n"]:
                    counts = self._counts.setdefault(row["owner"], Counter())
                    if row["is_now"] is not None:
                        counts[Status(row["is_now"])] += row["n"]
                    if row["was"] is not None:
                        counts[Status(row["was"])] -= row["n"]
            self._position = FeedPosition(rows[0]["txid"])
            return self._position

    def get(self, owner: str) -> dict[Status, int]:
        """The number of an owner's orders in each status, at the position of the last refresh."""
        counts = self._counts.get(owner, Counter())
        return {status: counts[status] for status in Status}

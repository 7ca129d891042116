"""How many orders have each status, as of a place in the feed, however many orders there are.

They are counted once; from then on only the events since the last look are read. Each tells what
its order has become, and the event before it what it was until then.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import asyncpg

from backend.domain.lifecycle import Status
from backend.store.database import COMMAND_TIMEOUT_S, GONE, Pool
from backend.store.feed import Position
from backend.store.intake import unavailable

COUNT_S = 60
"""How long counting all orders may take; it is done once."""

# A statement sees one snapshot: its orders, without what its events beyond the place did to them.
_ALL = """
WITH head AS MATERIALIZED (
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS txid
), later AS (
    SELECT e.status AS is_now, p.status AS was FROM order_events e
    LEFT JOIN LATERAL (SELECT status FROM order_events
                       WHERE order_id = e.order_id AND seq = e.seq - 1 LIMIT 1) p ON true
    WHERE e.txid >= (SELECT txid FROM head)
)
SELECT (SELECT txid FROM head), status AS is_now, NULL AS was, count(*) AS n
FROM orders GROUP BY status
UNION ALL
SELECT (SELECT txid FROM head), was, is_now, count(*) FROM later GROUP BY was, is_now
UNION ALL
SELECT (SELECT txid FROM head), NULL, NULL, 0
"""

_SINCE = """
WITH head AS MATERIALIZED (
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS txid
)
SELECT (SELECT txid FROM head), e.status AS is_now, p.status AS was, count(*) AS n
FROM order_events e
LEFT JOIN LATERAL (SELECT status FROM order_events
                   WHERE order_id = e.order_id AND seq = e.seq - 1 LIMIT 1) p ON true
WHERE e.txid >= $1 AND e.txid < (SELECT txid FROM head)
GROUP BY e.status, p.status
UNION ALL
SELECT (SELECT txid FROM head), NULL, NULL, 0
"""


class Counts:
    """Counts orders, all owners together."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._counts: Counter[Status] = Counter()
        self._as_of: Position | None = None
        self._turn = asyncio.Lock()

    async def read(self) -> tuple[dict[Status, int], Position]:
        """The number of orders of each status, and the place in the feed at which it is true.

        Raises ``Transient`` while PostgreSQL is away.
        """
        async with self._turn:
            if self._as_of is None:
                rows = await self._fetch(_ALL, timeout_s=COUNT_S)
            else:
                rows = await self._fetch(_SINCE, self._as_of.txid)
            for row in rows:
                if row["is_now"] is not None:
                    self._counts[Status(row["is_now"])] += row["n"]
                if row["was"] is not None:
                    self._counts[Status(row["was"])] -= row["n"]
            self._as_of = Position(rows[0]["txid"])
            return {status: self._counts[status] for status in Status}, self._as_of

    async def _fetch(
        self, query: str, *args: object, timeout_s: float = COMMAND_TIMEOUT_S
    ) -> Sequence[asyncpg.Record]:
        try:
            return await self._pool.fetch(query, *args, timeout=timeout_s)
        except GONE as error:
            raise unavailable() from error

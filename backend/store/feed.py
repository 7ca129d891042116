"""The feed: all events of all orders in one total order, read from the journal itself.

Events are read in the order of the transactions that wrote them, and only up to the oldest
transaction that still runs: below it nothing can appear late. So a reader that continues from its
last position misses no event and sees none twice, across any restart. A reader of one order sees
its ``seq`` without a gap, because an order's next transition starts after the commit of the
previous one.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID, uuid5

import asyncpg

from backend.domain.lifecycle import Status
from backend.domain.orders import OrderEvent
from backend.domain.quotes import Dex
from backend.store.database import DatabasePool
from backend.store.start_errors import explain_start_errors

_NIL_ID = UUID(int=0)

# LIMIT 1 forces an index scan for each order, even when the statistics are wrong.
_READ_EVENTS = """ -- read feed
SELECT * FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS head) h
LEFT JOIN LATERAL (
    SELECT order_id, seq, status::text, at, attempt, data, txid FROM order_events
    WHERE txid >= $1 AND (txid, order_id, seq) > ($1, $2, $3) AND txid < head
    ORDER BY txid, order_id, seq
    LIMIT $4
) e ON true
LEFT JOIN LATERAL (SELECT owner, batch_id, dex FROM orders WHERE id = e.order_id LIMIT 1) o ON true
ORDER BY txid, order_id, seq
"""

_READ_ORDER_EVENTS = """ -- read order events
SELECT e.order_id, e.seq, e.status::text, e.at, e.attempt, e.data, e.txid,
       o.owner, o.batch_id, o.dex
FROM (
    SELECT * FROM unnest($1::uuid[], $2::int[]) AS i(order_id, seq) LIMIT cardinality($1::uuid[])
) i
JOIN order_events e ON e.order_id = i.order_id AND e.seq > i.seq
JOIN orders o ON o.id = i.order_id
ORDER BY e.order_id, e.seq
"""

_READ_JOURNAL_ID = "SELECT id, oid FROM journal, pg_database WHERE datname = current_database()"

_READ_CURSOR_KEY = "SELECT cursor_key FROM journal"

_READ_HEAD = """ -- read feed head
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS txid
"""


class FeedPosition(NamedTuple):
    """A position in the feed: just after an event, or before all events of a transaction."""

    txid: int
    order_id: UUID = _NIL_ID
    seq: int = 0

    def __str__(self) -> str:
        """The position as text, which ``parse`` reads; it is not for clients."""
        return f"{self.txid}-{self.order_id.hex}-{self.seq}" if self.seq else str(self.txid)

    @classmethod
    def parse(cls, text: str) -> FeedPosition:
        """Parse a position from its text. Raises ``ValueError``."""
        if not text.isascii() or len(text) > 80:
            raise ValueError("not a position")
        match text.split("-"):
            case [txid]:
                position = cls(int(txid))
            case [txid, order_id, seq]:
                position = cls(int(txid), UUID(hex=order_id), int(seq))
            case _:
                raise ValueError("not a position")
        if not (0 <= position.txid < 2**63 and 0 <= position.seq < 2**31):
            raise ValueError("not a position")
        return position


class Feed:
    """Reads events from the journal. Raises ``Transient`` while PostgreSQL is unavailable."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool

    async def read_journal_id(self) -> UUID:
        """The id of this journal: positions of another journal are invalid here.

        A copy of a database has a different id than its original. Raises ``Rejected`` or
        ``Transient``, for the person who starts this process.
        """
        with explain_start_errors(self._pool.address):
            row = await self._pool.fetchrow(_READ_JOURNAL_ID)
        assert row is not None
        return uuid5(row["id"], str(row["oid"]))

    async def read_cursor_key(self) -> bytes:
        """The secret that the cursors of this journal are sealed with. Raises as the journal id."""
        with explain_start_errors(self._pool.address):
            row = await self._pool.fetchrow(_READ_CURSOR_KEY)
        assert row is not None
        return bytes(row["cursor_key"])

    async def read_head(self) -> FeedPosition:
        """The position after all events that can be read now."""
        rows = await self._pool.read(_READ_HEAD)
        return FeedPosition(rows[0]["txid"])

    async def read_events(
        self, after: FeedPosition, limit: int
    ) -> tuple[list[OrderEvent], FeedPosition]:
        """Up to ``limit`` events after a position, and the position after them.

        If there are fewer, that is the position after everything that can be read now.
        """
        rows = await self._pool.read(_READ_EVENTS, after.txid, after.order_id, after.seq, limit)
        events = [parse_event(row) for row in rows if row["order_id"] is not None]
        if len(events) < limit:
            return events, max(after, FeedPosition(rows[0]["head"]))
        last = events[-1]
        return events, FeedPosition(last.txid, last.order_id, last.seq)

    async def read_order_events(self, order_id: UUID, after: int) -> list[OrderEvent]:
        """The events of one order with a ``seq`` above ``after``, in order."""
        return await self.read_newest_events([(order_id, after)])

    async def read_newest_events(self, seen: Collection[tuple[UUID, int]]) -> list[OrderEvent]:
        """The events of some orders with a ``seq`` above that of each order, in order.

        Unlike ``read_events`` it waits for no other transaction: an order's own events are
        committed in the order of their ``seq``.
        """
        ids, seqs = [each[0] for each in seen], [each[1] for each in seen]
        return [parse_event(row) for row in await self._pool.read(_READ_ORDER_EVENTS, ids, seqs)]


def parse_event(row: asyncpg.Record) -> OrderEvent:
    """The event of a row that has all its columns."""
    return OrderEvent(
        order_id=row["order_id"],
        seq=row["seq"],
        status=Status(row["status"]),
        at=row["at"],
        attempt=row["attempt"],
        data=row["data"],
        txid=row["txid"],
        owner=row["owner"],
        batch_id=row["batch_id"],
        dex=None if row["dex"] is None else Dex(row["dex"]),
    )

"""The feed: every transition of every order, in one order, read from the journal itself.

Events are read in the order of the transactions that wrote them, and only up to the oldest
transaction that still runs: below that nothing can appear late. So a reader that goes on from
its last position misses nothing and sees nothing twice, whatever was restarted in between, and
a reader of one order sees its ``seq`` without a gap, because an order's next transition starts
after the last one is committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID, uuid5

import asyncpg

from backend.domain.lifecycle import Status
from backend.domain.orders import Event
from backend.domain.quotes import Dex
from backend.store.database import GONE, Pool
from backend.store.intake import unavailable

_NIL = UUID(int=0)

# LIMIT 1 keeps the look-up of each order an index scan, however wrong the statistics are.
_READ = """
SELECT * FROM (
    SELECT order_id, seq, status, at, attempt, data, txid FROM order_events
    WHERE txid >= $1 AND (txid, order_id, seq) > ($1, $2, $3)
      AND txid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
    ORDER BY txid, order_id, seq
    LIMIT $4
) e CROSS JOIN LATERAL (SELECT owner, batch_id, dex FROM orders WHERE id = e.order_id LIMIT 1) o
ORDER BY txid, order_id, seq
"""

_OF_ORDER = """
SELECT e.*, o.owner, o.batch_id, o.dex FROM order_events e JOIN orders o ON o.id = e.order_id
WHERE e.order_id = $1 AND e.seq > $2 ORDER BY e.seq
"""

_NAME = "SELECT id, oid FROM journal, pg_database WHERE datname = current_database()"

_HEAD = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS txid"


class Position(NamedTuple):
    """A place in the feed: just after this event, or before all of its transaction."""

    txid: int
    order_id: UUID = _NIL
    seq: int = 0

    def __str__(self) -> str:
        """The place as text, for a cursor."""
        return f"{self.txid}-{self.order_id.hex}-{self.seq}" if self.seq else str(self.txid)

    @classmethod
    def parse(cls, text: str) -> Position:
        """The place from its text; ``ValueError`` if it is not one."""
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
    """Reads events from the journal. Reads raise ``Transient`` while PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def journal_id(self) -> UUID:
        """The name of this journal: positions of another one mean nothing here.

        A copy of a database has another name than its original.
        """
        row = await self._pool.fetchrow(_NAME)
        assert row is not None
        return uuid5(row["id"], str(row["oid"]))

    async def head(self) -> Position:
        """The place behind everything that can be read now."""
        rows = await self._fetch(_HEAD)
        return Position(rows[0]["txid"])

    async def read(self, after: Position, limit: int) -> tuple[list[Event], Position]:
        """Up to ``limit`` events after a place, and the place behind the last of them."""
        rows = await self._fetch(_READ, after.txid, after.order_id, after.seq, limit)
        if not rows:
            return [], after
        last = rows[-1]
        return [_event(row) for row in rows], Position(last["txid"], last["order_id"], last["seq"])

    async def of_order(self, order_id: UUID, after: int) -> list[Event]:
        """The transitions of one order after ``after`` (a seq), in order."""
        rows = await self._fetch(_OF_ORDER, order_id, after)
        return [_event(row) for row in rows]

    async def _fetch(self, query: str, *args: object) -> Sequence[asyncpg.Record]:
        try:
            return await self._pool.fetch(query, *args)
        except GONE as error:
            raise unavailable() from error


def _event(row: asyncpg.Record) -> Event:
    return Event(
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

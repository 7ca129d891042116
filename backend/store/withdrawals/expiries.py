"""Expiries: one statement ends open orders whose time has passed, unless they are submitted.

It is the compare-and-set of a cancellation, by the database's clock: it raises the epoch, so that a
worker that executes such an order at that moment has lost its lease. A submitted order may still
land; if it turns out that it never can, and it is to be routed again, it expires then.
"""

from __future__ import annotations

from typing import Final

import orjson

from backend.domain.lifecycle import CANCELLABLE_STATUSES, Status
from backend.runtime import observe
from backend.runtime.commit_notifications import Commit, CommitObserver
from backend.store.database import DatabasePool, fetch_repeating
from backend.store.withdrawals.withdrawn_rows import set_withdrawn

EXPIRED_CODE: Final = "expired"
EXPIRED_DATA: Final = {
    "code": EXPIRED_CODE,
    "reason": "its expiry passed before it was submitted; nothing was sent that can still land",
}
"""The data of the event of an order that has expired."""
ROWS_MAX: Final = 500

_EXPIRABLE: Final = sorted(status.value for status in CANCELLABLE_STATUSES)
_EVENT_DATA: Final = orjson.dumps(EXPIRED_DATA).decode()

# Found by the index of open orders with an expiry. Whoever is about to change such a row goes
# first, and so does who has changed it since this statement began, for the reason that is given for
# cancellations: the next call finds what is left.
_EXPIRE_ORDERS: Final = f"""
WITH due AS MATERIALIZED (
    SELECT id, seq FROM orders
    WHERE closed_at IS NULL AND expires_at <= now() AND status::text = ANY($1::text[])
        AND (SELECT is_journal_complete())
    ORDER BY expires_at LIMIT $3
), locked AS (
    SELECT o.id FROM due JOIN orders o ON o.id = due.id AND o.seq = due.seq
    FOR UPDATE OF o SKIP LOCKED
), written AS MATERIALIZED (
    SELECT clock_timestamp() AS at
), expired AS (
    UPDATE orders o SET {set_withdrawn(Status.EXPIRED)}
    FROM locked WHERE o.id = locked.id
    RETURNING o.id, o.seq, o.attempts
), logged AS (
    INSERT INTO order_events (order_id, seq, status, at, attempt, data)
    SELECT id, seq, 'expired', clock_timestamp(), attempts, $2::jsonb FROM expired
)
SELECT id, pg_current_xact_id()::text::bigint AS txid FROM expired
"""  # noqa: S608 - constants only


class Expiries:
    """Ends orders whose expiry has passed.

    ``on_commit`` is called with each commit that ended an order.
    """

    def __init__(self, pool: DatabasePool, *, on_commit: CommitObserver) -> None:
        self._pool = pool
        self._on_commit = on_commit

    async def expire_due(self) -> int:
        """End up to ``ROWS_MAX`` orders; returns how many. Raises ``DATABASE_ERRORS``."""
        rows = await fetch_repeating(self._pool, _EXPIRE_ORDERS, _EXPIRABLE, _EVENT_DATA, ROWS_MAX)
        if rows:
            self._on_commit(Commit(rows[0]["txid"], None))
        for _ in rows:
            observe.order_ended(Status.EXPIRED, "", EXPIRED_CODE)
        return len(rows)

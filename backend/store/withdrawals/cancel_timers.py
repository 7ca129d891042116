"""Cancel timers: a dead man's switch for each owner, in one row.

At its time, unless the owner has set another one before, all its orders that are open and were
accepted up to then are cancelled, once. By the database's clock.

The row says that they are being cancelled until none of them is open any more. So whichever
process does it can be lost, and another one goes on; and an order that is submitted at that time,
cannot land and is to be routed again, is cancelled then. Setting the timer anew takes nothing of
that back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from backend.domain.lifecycle import CANCELLABLE_STATUSES
from backend.store.database import FIRST_ID, DatabasePool, fetch_repeating
from backend.store.errors import translate_errors
from backend.store.withdrawals.cancellations import Cancellations, CancelReason

SECONDS_MAX: Final = 86_400
"""The longest time of a timer: a day."""
PAGE_ORDERS: Final = 500

_CANCELLABLE: Final = sorted(status.value for status in CANCELLABLE_STATUSES)
_COLUMNS: Final = """
t.seconds,
CASE WHEN t.trigger_at > now() THEN t.trigger_at END AS trigger_at,
CASE WHEN t.trigger_at <= now() THEN t.trigger_at ELSE t.last_trigger_at END AS last_trigger_at,
t.is_cancelling OR coalesce(t.trigger_at <= now(), false) AS is_cancelling
"""

# A time that has come stays: it is moved to where it is carried out.
_SET: Final = f"""
INSERT INTO cancel_timers AS t (owner, seconds, trigger_at)
VALUES ($1, $2::int, CASE WHEN $2::int > 0 THEN now() + make_interval(secs => $2::int) END)
ON CONFLICT (owner) DO UPDATE SET
    seconds = excluded.seconds,
    trigger_at = excluded.trigger_at,
    last_trigger_at = CASE WHEN t.trigger_at <= now() THEN t.trigger_at ELSE t.last_trigger_at END,
    is_cancelling = t.is_cancelling OR coalesce(t.trigger_at <= now(), false)
RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_GET: Final = f"SELECT {_COLUMNS} FROM cancel_timers t WHERE t.owner = $1"  # noqa: S608 - constants
_TRIGGER_DUE: Final = """
UPDATE cancel_timers
SET last_trigger_at = trigger_at, trigger_at = NULL, is_cancelling = true
WHERE trigger_at <= now()
"""
_FIND_CANCELLING: Final = """
SELECT owner, last_trigger_at FROM cancel_timers WHERE is_cancelling ORDER BY owner
"""
_FIND_ORDERS: Final = """
(SELECT id FROM orders
 WHERE owner = $1 AND open AND trigger_shard IS NULL
   AND created_at <= $2 AND status::text = ANY($3::text[]) AND id > $4
 ORDER BY id LIMIT $5)
UNION ALL
(SELECT id FROM orders
 WHERE owner = $1 AND trigger_shard IS NOT NULL AND created_at <= $2 AND id > $4
 ORDER BY id LIMIT $5)
ORDER BY id LIMIT $5
"""
_FINISH: Final = """
UPDATE cancel_timers SET is_cancelling = false
WHERE owner = $1 AND is_cancelling AND last_trigger_at = $2
  AND NOT EXISTS (SELECT FROM orders
                  WHERE owner = $1 AND open AND trigger_shard IS NULL AND created_at <= $2)
  AND NOT EXISTS (SELECT FROM orders
                  WHERE owner = $1 AND trigger_shard IS NOT NULL AND created_at <= $2)
"""


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """The timer of an owner. ``seconds`` is 0 for one that is off.

    ``trigger_at`` is when it cancels, and ``last_trigger_at`` when it last did; ``is_cancelling``
    tells that orders up to then are still open.
    """

    seconds: int = 0
    trigger_at: datetime | None = None
    last_trigger_at: datetime | None = None
    is_cancelling: bool = False


class CancelTimers:
    """Sets the timers, and carries out those whose time has come."""

    def __init__(self, pool: DatabasePool, cancellations: Cancellations) -> None:
        self._pool = pool
        self._cancellations = cancellations

    async def set(self, owner: str, seconds: int) -> CancelTimer:
        """Have all open orders of an owner cancelled in some seconds, or never: 0.

        Replaces the time that was set before, if it has not come. Raises ``Transient`` if
        PostgreSQL is unavailable; in that case it may be set.
        """

        async def write() -> Sequence[asyncpg.Record]:
            async with self._pool.acquire() as connection:
                return await connection.fetch(_SET, owner, seconds)

        [row] = await translate_errors(write)
        return CancelTimer(**row)

    async def get(self, owner: str) -> CancelTimer:
        """The timer of an owner. Raises ``Transient`` if PostgreSQL is unavailable."""
        rows = await self._pool.read(_GET, owner)
        return CancelTimer(**rows[0]) if rows else CancelTimer()

    async def cancel_due(self) -> int:
        """Cancel what the timers whose time has come cancel; returns how many orders.

        Raises ``DATABASE_ERRORS`` or ``Transient``; the next call goes on then.
        """
        await fetch_repeating(self._pool, _TRIGGER_DUE)
        cancelled = 0
        for row in await fetch_repeating(self._pool, _FIND_CANCELLING):
            cancelled += await self._cancel_until(row["owner"], row["last_trigger_at"])
            await fetch_repeating(self._pool, _FINISH, row["owner"], row["last_trigger_at"])
        return cancelled

    async def _cancel_until(self, owner: str, trigger_at: datetime) -> int:
        cancelled, after = 0, FIRST_ID
        while True:
            rows = await fetch_repeating(
                self._pool, _FIND_ORDERS, owner, trigger_at, _CANCELLABLE, after, PAGE_ORDERS
            )
            ids = [row["id"] for row in rows]
            if not ids:
                return cancelled
            reason = CancelReason.TIMER_TRIGGERED
            cancelled += len(await self._cancellations.cancel_many(owner, ids, reason))
            after = ids[-1]

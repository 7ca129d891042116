"""Daily losses: what the fills of an owner's day have realized, and what follows from a limit.

A loss is counted from ``realized_from``: that is 0 at the beginning of a day, and what was realized
by then once trading was stopped, so that a person who resumes it does so for the whole limit again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final, NamedTuple

from backend.domain.trading.states import Scope, Target, TradingState
from backend.store.audit_log.entries import Actor, append_entry
from backend.store.database import DatabasePool, fetch_repeating
from backend.store.errors import translate_errors
from backend.store.trading.changes import StateChange, await_fence, store_state

LOSS_LIMIT: Final = Actor("the loss limit")

_READ_DAY: Final = "SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date AS day"
_READ_OWNERS: Final = """ -- read owners with fills
WITH RECURSIVE owners AS (
    (SELECT owner FROM orders WHERE closed_as IS NOT NULL ORDER BY owner LIMIT 1)
    UNION ALL
    SELECT (SELECT o.owner FROM orders o
            WHERE closed_as IS NOT NULL AND o.owner > known.owner ORDER BY o.owner LIMIT 1)
    FROM owners known WHERE known.owner IS NOT NULL
)
SELECT owner FROM owners WHERE owner IS NOT NULL
"""
_STORE: Final = """ -- store what was realized
INSERT INTO owner_days AS d (owner, day, realized) VALUES ($1, $2, $3::numeric)
ON CONFLICT (owner, day) DO UPDATE SET
    realized = excluded.realized,
    realized_from = CASE WHEN d.has_stopped AND $4 THEN excluded.realized ELSE d.realized_from END
RETURNING (realized_from - realized)::text AS loss, is_warned
"""
_WARN: Final = """
UPDATE owner_days SET is_warned = true WHERE owner = $1 AND day = $2 AND NOT is_warned
RETURNING owner
"""
_STOP: Final = """
UPDATE owner_days SET has_stopped = true, is_warned = false, realized_from = realized
WHERE owner = $1 AND day = $2 AND realized_from - realized >= $3::numeric RETURNING owner
"""
_IS_STOPPED: Final = "SELECT state FROM trading_states WHERE scope = 'owner' AND subject = $1"


class DayLoss(NamedTuple):
    """What an owner has lost of a day, in base units of the reference token; below 0 a gain."""

    loss: int
    is_warned: bool


async def read_day(pool: DatabasePool) -> date:
    """The day (UTC) by the database's clock. Raises ``Transient``."""
    [row] = await pool.read(_READ_DAY)
    day: date = row["day"]
    return day


async def read_owners(pool: DatabasePool) -> Sequence[str]:
    """The owners of orders that have ended. Raises ``Transient``."""
    return [row["owner"] for row in await pool.read(_READ_OWNERS)]


async def store_realized(
    pool: DatabasePool, owner: str, day: date, realized: int, *, is_stopped: bool
) -> DayLoss:
    """Store what the fills of a day have realized; returns the loss. Raises ``DATABASE_ERRORS``.

    While trading is stopped, after such a loss, what is realized counts for nothing.
    """
    [row] = await fetch_repeating(pool, _STORE, owner, day, str(realized), is_stopped)
    return DayLoss(int(row["loss"]), row["is_warned"])


async def warn_of_loss(pool: DatabasePool, owner: str, day: date, why: str) -> bool:
    """Note that most of a loss has come, unless that was noted; returns whether it was not.

    Raises ``Transient``.
    """

    async def write() -> bool:
        async with pool.acquire() as connection, connection.transaction():
            if not await connection.fetch(_WARN, owner, day):
                return False
            await append_entry(connection, LOSS_LIMIT, "loss_near", {"owner": owner, "why": why})
            return True

    return await translate_errors(write)


async def stop_after_loss(pool: DatabasePool, day: date, change: StateChange, limit: int) -> bool:
    """Stop the trading of an owner that has lost its limit, unless it is; returns whether it was.

    Raises ``Transient`` as ``set_state``.
    """
    owner = change.target.subject
    assert change.target == Target(Scope.OWNER, owner)
    assert change.state is not TradingState.ACTIVE

    async def write() -> bool:
        async with pool.acquire() as connection, connection.transaction():
            if not await connection.fetch(_STOP, owner, day, str(limit)):
                return False
            data = {"owner": owner, "why": change.why}
            await append_entry(connection, LOSS_LIMIT, "loss_limit_reached", data)
            if not await connection.fetch(_IS_STOPPED, owner):
                await store_state(connection, change, LOSS_LIMIT)
            return True

    has_stopped = await translate_errors(write)
    if has_stopped:
        await await_fence(pool)
    return has_stopped

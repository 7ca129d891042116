"""Changes of trading states: a halt is in force on every process once this returns.

The row is committed first, so that every statement that begins later reads it. Then those commits
are waited for that had read the states before: they hold the lock of ``fence_trading_states``, for
some milliseconds. A process that was stopped in the middle of such a transaction loses its session:
what it was about to store is not, and its next attempt reads the row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from backend.domain.errors import Transient
from backend.domain.trading.states import ALL_ORDERS, Target, TradingRule, TradingState
from backend.store.audit_log.entries import Actor, append_entry
from backend.store.database import DatabaseConnection, DatabasePool, fetch_repeating
from backend.store.errors import translate_errors
from backend.store.trading.rules import parse_rule

FENCE_POLL_S: Final = 0.01
FENCE_POLLS: Final = 40
"""After so many looks, 0.4 s, the sessions that still hold the lock are ended."""
FENCE_POLLS_MAX: Final = 200
_LOCK_KEY: Final = 1_868_916_786

# The time from which something is halted stays, whoever repeats it.
_SET: Final = """ -- set trading state
INSERT INTO trading_states AS t (scope, subject, state, why, set_by, reference)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (scope, subject) DO UPDATE SET
    state = excluded.state, why = excluded.why, set_by = excluded.set_by,
    reference = excluded.reference,
    since = CASE WHEN t.state = excluded.state THEN t.since ELSE excluded.since END
RETURNING scope, subject, state, why, set_by, since, reference
"""
_LIFT: Final = """ -- lift trading state
DELETE FROM trading_states WHERE scope = $1 AND subject = $2
RETURNING scope, subject, state, why, set_by, since, reference
"""
# What has happened until then is no reason any more; the floor is none until a wallet was above it.
_ARM_BREAKERS: Final = """ -- arm breakers again
UPDATE breakers SET is_armed = true, from_txid = pg_current_xact_id()::text::bigint
WHERE reason <> 'floor'
"""
# Those that hold the lock in the transaction in which they were seen first: a later one reads what
# is committed.
_FIND_HOLDERS: Final = """ -- find holders of the fence
SELECT pid, virtualtransaction FROM pg_locks
WHERE locktype = 'advisory' AND classid = 0 AND objid = $1::bigint::oid AND objsubid = 1
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND granted
"""
_END_SESSIONS: Final = """
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND classid = 0 AND objid = $1::bigint::oid AND objsubid = 1
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND granted
  AND virtualtransaction = ANY($2::text[])
"""


@dataclass(frozen=True, slots=True)
class StateChange:
    """A state that somebody sets. ``reference`` is for what is reduced."""

    target: Target
    state: TradingState
    why: str
    reference: str | None = None


async def set_state(pool: DatabasePool, change: StateChange, actor: Actor) -> TradingRule:
    """Set a state that is not active; once this returns it is in force everywhere.

    Raises ``Transient`` if PostgreSQL is unavailable, in which case it may be in force, or if a
    session holds it up that cannot be ended: then it is in force for all other ones.
    """
    assert change.state is not TradingState.ACTIVE

    async def write() -> TradingRule:
        async with pool.acquire() as connection, connection.transaction():
            return await store_state(connection, change, actor)

    rule = await translate_errors(write)
    await await_fence(pool)
    return rule


async def store_state(
    connection: DatabaseConnection, change: StateChange, actor: Actor
) -> TradingRule:
    """Store a state in a transaction, with its entry; ``await_fence`` has to follow the commit."""
    target = change.target
    [row] = await connection.fetch(
        _SET,
        target.scope,
        target.subject,
        change.state,
        change.why,
        actor.who,
        change.reference,
    )
    data = {
        "scope": target.scope,
        "subject": target.subject,
        "state": change.state,
        "why": change.why,
        "reference": change.reference,
    }
    await append_entry(connection, actor, "trading_state_set", data)
    return parse_rule(row)


async def lift_state(pool: DatabasePool, target: Target, actor: Actor) -> TradingRule | None:
    """Make trading active again; returns what was in force. Raises ``Transient``."""

    async def write() -> Sequence[asyncpg.Record]:
        async with pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(_LIFT, target.scope, target.subject)
            if rows:
                data = {"scope": target.scope, "subject": target.subject}
                await append_entry(connection, actor, "trading_state_lifted", data)
            if rows and target == ALL_ORDERS:
                await connection.execute(_ARM_BREAKERS)
            return rows

    rows = await translate_errors(write)
    return parse_rule(rows[0]) if rows else None


async def await_fence(pool: DatabasePool) -> None:
    """Return once no commit is under way that has read the states before now.

    Raises ``Transient`` as ``set_state``.
    """
    waited_for = await _find_holders(pool)
    for poll in range(FENCE_POLLS_MAX):
        if not waited_for:
            return
        if poll >= FENCE_POLLS:
            await _end_sessions(pool, waited_for)
        await asyncio.sleep(FENCE_POLL_S)
        waited_for &= await _find_holders(pool)
    raise Transient(
        "halt_incomplete",
        "the state is set, but a database session of a worker that had begun to store a"
        f" transaction before cannot be ended: {', '.join(sorted(waited_for))} in pg_locks",
    )


async def _find_holders(pool: DatabasePool) -> set[str]:
    rows = await pool.read(_FIND_HOLDERS, _LOCK_KEY)
    return {row["virtualtransaction"] for row in rows}


async def _end_sessions(pool: DatabasePool, transactions: set[str]) -> None:
    async def end() -> Sequence[asyncpg.Record]:
        return await fetch_repeating(pool, _END_SESSIONS, _LOCK_KEY, list(transactions))

    await translate_errors(end)

"""The limits in PostgreSQL: who sets and removes them, and what owners have used of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Final, NamedTuple

import asyncpg
import orjson

from backend.domain.amounts import Token
from backend.domain.errors import EngineError, Rejected
from backend.domain.limits.order_limits import (
    AMOUNTS,
    REFERENCE,
    LimitName,
    LimitValue,
    OwnerLimits,
)
from backend.domain.limits.refusals import build_limit_error
from backend.domain.orders import OrderTerms
from backend.store.audit_log.entries import Actor, append_entry
from backend.store.database import DatabaseConnection, DatabasePool
from backend.store.errors import translate_errors
from backend.store.limits.excess_rows import find_known_value, parse_excess
from backend.store.limits.known_limits import ALL_OWNERS, READ_LIMITS
from backend.store.limits.open_counts import OpenOrderCounts

OWNERS_MAX: Final = 10_000
"""Most owners with limits of their own: every process has them in memory."""

_LOCK: Final = "SELECT version FROM order_limits_version FOR UPDATE"
_READ_ONE: Final = "SELECT limits::text FROM order_limits WHERE owner = $1"
_FIND_OTHER_TOKEN: Final = f"""
SELECT limits->>'{REFERENCE}' AS token FROM order_limits
WHERE limits->>'{REFERENCE}' <> $1 AND owner <> $2 LIMIT 1
"""  # noqa: S608 - constants only
_COUNT: Final = "SELECT count(*) FROM order_limits WHERE owner <> $1"
_SET: Final = """ -- set limits
INSERT INTO order_limits (owner, limits, set_by) VALUES ($1, $2::jsonb, $3)
ON CONFLICT (owner) DO UPDATE
SET limits = excluded.limits, set_by = excluded.set_by, since = now()
RETURNING owner, limits::text, set_by, since
"""
_REMOVE: Final = "DELETE FROM order_limits WHERE owner = $1 RETURNING owner"
# Whoever counts again sums the day up anew: meanwhile some processes may not have counted. A loss
# that is near the limit as it is now is warned of.
_FORGET: Final = """
UPDATE owner_days SET volume = NULL, is_warned = false
WHERE day >= (clock_timestamp() AT TIME ZONE 'UTC')::date AND (owner = $1 OR $1 = '')
"""
_ADVANCE: Final = "UPDATE order_limits_version SET version = version + 1"
_READ_USAGE: Final = """ -- read usage of limits
SELECT l.limits::text, t.day, count_recent_orders($1, t.at) AS recent,
       CASE WHEN l.limits ? 'maxDailyVolume' THEN read_day_volume($1, t.day, $2, $3) END AS volume,
       coalesce(d.realized, 0) AS realized, coalesce(d.realized_from, 0) AS realized_from
FROM (SELECT find_order_limits($1) AS limits OFFSET 0) l
CROSS JOIN (
    SELECT at, (at AT TIME ZONE 'UTC')::date AS day FROM (SELECT clock_timestamp() AS at) c OFFSET 0
) t
LEFT JOIN owner_days d ON d.owner = $1 AND d.day = t.day
"""
_JUDGE: Final = """
SELECT * FROM judge_order_terms(find_order_limits($1), $2, $3, $4, $5::numeric, $6)
"""


class LimitRow(NamedTuple):
    """The limits of an owner, or of all: the owner is empty then."""

    owner: str
    limits: OwnerLimits
    set_by: str
    since: datetime


class LimitUsage(NamedTuple):
    """What holds for an owner, and what it has used: base units of the reference token.

    ``loss`` is what its fills of the day have realized below 0 since trading was last resumed after
    such a loss, at least 0.
    """

    limits: OwnerLimits
    day: date
    recent: int
    open: int
    volume: int | None
    loss: int


class LimitStore:
    """Reads and changes limits. Its methods raise ``Transient``.

    Amounts are of the ``reference`` token.
    """

    def __init__(self, pool: DatabasePool, reference: Token) -> None:
        self._pool = pool
        self._reference = reference
        self._open_counts = OpenOrderCounts(pool)

    async def list_rows(self) -> list[LimitRow]:
        """The limits of all owners, those for every owner first."""
        return [_parse_row(row) for row in await self._pool.read(READ_LIMITS)]

    async def replace(self, owner: str, limits: OwnerLimits, actor: Actor) -> LimitRow:
        """Set the limits of an owner in place of those that it had; see ``change``."""
        return await self._write(owner, limits, actor, keeps_others=False)

    async def change(self, owner: str, changes: OwnerLimits, actor: Actor) -> LimitRow:
        """Set some limits of an owner; the others stay.

        Raises ``Rejected`` if there are limits in another token, or of too many owners.
        """
        return await self._write(owner, changes, actor, keeps_others=True)

    async def remove(self, owner: str, actor: Actor, names: Iterable[str] = ()) -> bool:
        """Remove the limits of an owner, or some of them; returns whether it had any of them."""
        named = list(names)

        async def write() -> bool:
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.fetch(_LOCK)
                before = await _read(connection, owner)
                left = {k: v for k, v in before.items() if named and k not in named}
                if left == before:
                    return False
                if AMOUNTS.isdisjoint(left):
                    left.pop(REFERENCE, None)
                if left:
                    await connection.fetch(_SET, owner, orjson.dumps(left).decode(), actor.who)
                else:
                    await connection.fetch(_REMOVE, owner)
                await _finish(connection, owner, actor, before, left)
                return True

        return await translate_errors(write)

    async def read_usage(self, owner: str) -> LimitUsage:
        """What holds for an owner, and what it has used of it."""
        token = self._reference
        [row] = await self._pool.read(_READ_USAGE, owner, token.symbol, token.decimals)
        limits: OwnerLimits = orjson.loads(row["limits"])
        is_counted = LimitName.OPEN_ORDERS in limits
        return LimitUsage(
            limits,
            row["day"],
            row["recent"],
            await self._open_counts.read(owner) if is_counted else 0,
            None if row["volume"] is None else int(row["volume"]),
            max(int(row["realized_from"] - row["realized"]), 0),
        )

    async def find_term_error(self, owner: str, terms: OrderTerms) -> EngineError | None:
        """The error of terms that exceed a limit of an owner, whatever their route."""
        value = find_known_value(terms, self._reference)
        rows = await self._pool.read(
            _JUDGE,
            owner,
            terms.token_in.symbol,
            terms.token_out.symbol,
            terms.slippage_bps,
            value,
            self._reference.symbol,
        )
        exceeded = [row for row in rows if row["name"] is not None]
        return build_limit_error(parse_excess(exceeded[0]), self._reference) if exceeded else None

    async def _write(
        self, owner: str, limits: OwnerLimits, actor: Actor, *, keeps_others: bool
    ) -> LimitRow:
        async def write() -> LimitRow:
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.fetch(_LOCK)
                before = await _read(connection, owner)
                after = {**before, **limits} if keeps_others else dict(limits)
                if REFERENCE in after:
                    await self._require_token(connection, owner, before if keeps_others else {})
                if await connection.fetchval(_COUNT, owner) >= OWNERS_MAX:
                    raise Rejected("too_many_limits", f"{OWNERS_MAX} owners have limits already")
                [row] = await connection.fetch(_SET, owner, orjson.dumps(after).decode(), actor.who)
                await _finish(connection, owner, actor, before, after)
                return _parse_row(row)

        return await translate_errors(write)

    async def _require_token(
        self, connection: DatabaseConnection, owner: str, before: OwnerLimits
    ) -> None:
        symbol = self._reference.symbol
        found: Sequence[str] = [str(before[REFERENCE])] if REFERENCE in before else []
        rows = await connection.fetch(_FIND_OTHER_TOKEN, symbol, owner)
        others = [each for each in (*found, *(row["token"] for row in rows)) if each != symbol]
        if others:
            reason = (
                f"there are limits in {others[0]}, which was ORDER_ENGINE_REFERENCE_TOKEN before"
                f" {symbol}: remove them first"
            )
            raise Rejected("limits_in_other_token", reason)


async def _read(connection: DatabaseConnection, owner: str) -> dict[str, LimitValue]:
    text = await connection.fetchval(_READ_ONE, owner)
    return {} if text is None else dict(orjson.loads(text))


async def _finish(
    connection: DatabaseConnection,
    owner: str,
    actor: Actor,
    before: Mapping[str, object],
    after: Mapping[str, object],
) -> None:
    """What a change of limits brings, in its transaction."""
    await connection.execute(_FORGET, owner)
    await connection.execute(_ADVANCE)
    data = {"owner": owner or None, "before": before, "after": after}
    await append_entry(connection, actor, "limits_set" if after else "limits_removed", data)


def _parse_row(row: asyncpg.Record) -> LimitRow:
    return LimitRow(row["owner"], orjson.loads(row["limits"]), row["set_by"], row["since"])


__all__ = ["ALL_OWNERS", "LimitRow", "LimitStore", "LimitUsage"]

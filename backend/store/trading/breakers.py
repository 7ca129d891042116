"""The breaker's memory: which of its reasons are armed, what it has seen, and that it has fired."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final, NamedTuple

from backend.domain.amounts import BPS
from backend.domain.trading.states import ALL_ORDERS, TradingState
from backend.store.audit_log.entries import Actor, append_entry
from backend.store.database import DatabaseConnection, DatabasePool, fetch_repeating
from backend.store.errors import translate_errors
from backend.store.trading.changes import StateChange, await_fence, store_state

BREAKER: Final = Actor("the breaker")


class BreakerReason(StrEnum):
    """Why the breaker halts trading."""

    FAILURES = "failures"
    """Transactions in a row have failed on chain."""
    LOSS = "loss"
    """Orders have received less than their quotes, on average."""
    FLOOR = "floor"
    """A wallet holds too little SOL."""


class ChainOutcome(NamedTuple):
    """What a transaction of an order has come to: filled, or failed on chain.

    ``loss_bps`` is how much less than its quote it paid, if that is known.
    """

    is_filled: bool
    loss_bps: Decimal | None


_ARM: Final = """ -- arm breakers
INSERT INTO breakers (reason) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING
"""
_READ: Final = "SELECT reason, is_armed, from_txid FROM breakers WHERE reason = ANY($1::text[])"
# The newest first, by the index of transactions: most events of a busy engine are of some outcome.
# A transaction that failed on chain has its signature in the event, or at least what it cost.
_READ_OUTCOMES: Final = """ -- read outcomes
SELECT e.status = 'confirmed' AS is_filled, e.data->>'realizedSlippage' AS slippage
FROM order_events e
WHERE e.txid >= $1 AND (e.status = 'confirmed' OR (
    e.status IN ('routing', 'waiting', 'failed', 'expired')
    AND (e.data ? 'networkFeeLamports' OR (
        e.data ? 'txHash' AND coalesce(e.data->>'cause', e.data->>'code') <> 'not_landed'))))
ORDER BY e.txid DESC LIMIT $2
"""
_DISARM: Final = """
UPDATE breakers SET is_armed = false WHERE reason = $1 AND is_armed RETURNING reason
"""
_READ_ALL: Final = "SELECT state FROM trading_states WHERE scope = 'all'"
_ARM_FLOOR: Final = """ -- arm floor
UPDATE breakers SET is_armed = true WHERE reason = 'floor' AND NOT is_armed
"""


class ArmedReason(NamedTuple):
    """A reason for which the breaker may fire, and from which transaction on it looks."""

    reason: BreakerReason
    from_txid: int


async def read_armed(
    pool: DatabasePool, reasons: list[BreakerReason]
) -> dict[BreakerReason, ArmedReason]:
    """Those of some reasons that are armed; one that is not known yet is from now on.

    Raises ``DATABASE_ERRORS``.
    """
    rows = await fetch_repeating(pool, _READ, reasons)
    if len(rows) < len(reasons):
        await fetch_repeating(pool, _ARM, reasons)
        rows = await fetch_repeating(pool, _READ, reasons)
    armed = [ArmedReason(BreakerReason(r["reason"]), r["from_txid"]) for r in rows if r["is_armed"]]
    return {each.reason: each for each in armed}


async def read_outcomes(pool: DatabasePool, from_txid: int, count: int) -> list[ChainOutcome]:
    """The latest outcomes on chain since a transaction, the newest first.

    Raises ``DATABASE_ERRORS``.
    """
    rows = await fetch_repeating(pool, _READ_OUTCOMES, from_txid, count)
    return [ChainOutcome(row["is_filled"], _parse_loss(row["slippage"])) for row in rows]


def _parse_loss(slippage: str | None) -> Decimal | None:
    """A loss in basis points; ``None`` for what is no finite number."""
    try:
        loss = Decimal(slippage or "") * BPS
    except InvalidOperation:
        return None
    return loss if loss.is_finite() else None


async def arm_floor(pool: DatabasePool) -> None:
    """Arm the reason of the wallets' floor again. Raises ``DATABASE_ERRORS``."""
    await fetch_repeating(pool, _ARM_FLOOR)


async def fire(pool: DatabasePool, reason: BreakerReason, why: str) -> bool:
    """Halt trading for a reason, unless that was done since it was armed; returns whether.

    What a person has halted stays as it is. Raises ``Transient``.
    """

    async def write() -> bool:
        async with pool.acquire() as connection, connection.transaction():
            return await _fire(connection, reason, why)

    has_fired = await translate_errors(write)
    if has_fired:
        await await_fence(pool)
    return has_fired


async def _fire(connection: DatabaseConnection, reason: BreakerReason, why: str) -> bool:
    if not await connection.fetch(_DISARM, reason):
        return False
    await append_entry(connection, BREAKER, "breaker_fired", {"reason": reason, "why": why})
    states = [row["state"] for row in await connection.fetch(_READ_ALL)]
    if TradingState.HALTED not in states:
        change = StateChange(ALL_ORDERS, TradingState.HALTED, why)
        await store_state(connection, change, BREAKER)
    return True

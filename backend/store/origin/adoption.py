"""Adoption: an order gets the transaction that was sent for it, and that the journal has lost.

The order's row moves on to ``submitted`` with that transaction, by the steps of the lifecycle, as a
worker would have stored them. Then it is an order whose worker was lost after it had sent: whoever
claims it asks the chain about the signature, and confirms it or tries it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from functools import partial
from typing import Final, NamedTuple

import asyncpg
import orjson

from backend.domain.lifecycle import Cause, Status, Step, advance
from backend.domain.quotes import Dex
from backend.runtime.commit_notifications import Commit, CommitObserver
from backend.store.database import DatabaseConnection, DatabasePool
from backend.store.errors import repeat_conflicts, translate_errors
from backend.store.origin.found_transactions import FoundTransaction

CODE: Final = "journal_restored"
"""The code of steps that were stored from what the chain shows."""
_REASON: Final = "the journal had lost this step; it follows from the transaction on the chain"
_LIFE_SLOTS: Final = 150
_BEFORE_SUBMITTED: Final = frozenset(
    {Status.PENDING, Status.WAITING, Status.ROUTING, Status.BUILDING}
)

_READ: Final = """ -- read order to adopt
SELECT status::text, seq, attempts, tx_hash FROM orders WHERE id = $1 FOR UPDATE
"""
_MOVE: Final = """ -- adopt transaction
WITH moved AS (
    UPDATE orders o SET
        status = 'submitted', seq = $2, epoch = o.epoch + 1, attempts = $3,
        dex = coalesce($4, o.dex), wallet = $5, tx_hash = $6, signed_tx = $7,
        last_valid_height = $8, lease_until = NULL, waiting_since = NULL, next_attempt_at = NULL,
        is_triggered = CASE o.status WHEN 'waiting' THEN o.type <> 'limit' ELSE o.is_triggered END,
        trigger_shard = NULL, kick_at = now(), updated_at = clock_timestamp()
    WHERE o.id = $1
), logged AS (
    INSERT INTO order_events (order_id, seq, status, at, attempt, data)
    SELECT $1, i.seq, i.status::order_status, clock_timestamp(), i.attempt, i.data
    FROM unnest($9::int[], $10::text[], $11::int[], $12::jsonb[]) AS i(seq, status, attempt, data)
)
SELECT pg_current_xact_id()::text::bigint AS txid
"""
_CLOSE: Final = """ -- close found transaction
UPDATE found_transactions SET adopted_at = now(), note = $2 WHERE signature = $1
"""


class Adoption(StrEnum):
    """What became of a found transaction."""

    ADOPTED = "adopted"
    LATER = "later"
    """An earlier attempt of its order has to end before."""
    KNOWN = "known"
    """The order has it already."""
    CONFLICT = "conflict"
    """The order has ended, or another transaction of the attempt: somebody has to look at it."""


class _OrderPlace(NamedTuple):
    """Where an order is in its life."""

    status: Status
    seq: int
    attempt: int
    signature: str | None


async def adopt(
    pool: DatabasePool, found: FoundTransaction, dex: Dex | None, on_commit: CommitObserver
) -> Adoption:
    """Give an order that exists a transaction of its own. Raises ``Transient``."""

    async def write() -> tuple[Adoption, int | None]:
        async with pool.acquire() as connection, connection.transaction():
            return await _adopt(connection, found, dex)

    adoption, txid = await translate_errors(partial(repeat_conflicts, write))
    if txid is not None:
        on_commit(Commit(txid, None))
    return adoption


async def _adopt(
    connection: DatabaseConnection, found: FoundTransaction, dex: Dex | None
) -> tuple[Adoption, int | None]:
    row = await connection.fetchrow(_READ, found.order_id)
    if row is None:
        return Adoption.LATER, None
    place = _OrderPlace(Status(row["status"]), row["seq"], row["attempts"], row["tx_hash"])
    adoption, txid = _judge(place, found), None
    if adoption is Adoption.LATER:
        return adoption, None
    if adoption is Adoption.ADOPTED:
        txid = await _move(connection, place, found, dex)
    note = None if adoption is not Adoption.CONFLICT else f"its order was {place.status}"
    await connection.execute(_CLOSE, found.signature, note)
    return adoption, txid


def _judge(place: _OrderPlace, found: FoundTransaction) -> Adoption:
    if place.signature == found.signature:
        return Adoption.KNOWN
    if place.status in _BEFORE_SUBMITTED and place.attempt <= found.attempt:
        return Adoption.ADOPTED
    if place.status is Status.SUBMITTED and place.attempt < found.attempt:
        return Adoption.LATER
    return Adoption.CONFLICT


async def _move(
    connection: DatabaseConnection, place: _OrderPlace, found: FoundTransaction, dex: Dex | None
) -> int:
    steps = list(_list_steps(place, found.attempt))
    height_max = found.slot + _LIFE_SLOTS
    data = [_describe(step, found, dex, height_max) for step in steps]
    row: asyncpg.Record | None = await connection.fetchrow(
        _MOVE,
        found.order_id,
        place.seq + len(steps),
        found.attempt,
        dex,
        found.wallet,
        found.signature,
        found.wire,
        height_max,
        [place.seq + 1 + index for index in range(len(steps))],
        [step.status.value for step in steps],
        [step.attempt for step in steps],
        data,
    )
    assert row is not None
    txid: int = row["txid"]
    return txid


def _list_steps(place: _OrderPlace, attempt: int) -> Iterator[Step]:
    """The steps that an order has taken up to the submission of an attempt."""
    status, at = place.status, place.attempt
    while status is not Status.SUBMITTED:
        match status:
            case Status.PENDING:
                cause = Cause.CLAIMED
            case Status.WAITING:
                cause = Cause.MET
            case _ if at < attempt:
                cause = Cause.TRANSIENT
            case Status.ROUTING:
                cause = Cause.ROUTED
            case _:
                cause = Cause.SIGNED
        step = advance(status, at, cause, attempts_max=None)
        status, at = step.status, step.attempt
        yield step


def _describe(step: Step, found: FoundTransaction, dex: Dex | None, height_max: int) -> str:
    data: dict[str, object] = {"code": CODE, "reason": _REASON}
    if step.status is Status.BUILDING:
        data |= {"dex": dex, "quotes": []}
    if step.status is Status.SUBMITTED:
        data |= {"txHash": found.signature, "mayLandUntil": height_max}
    return orjson.dumps(data).decode()

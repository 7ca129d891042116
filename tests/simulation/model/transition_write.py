"""The rows of the statement that records transitions, and the constraints that they must meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from backend.domain.lifecycle import Status


class TransitionWrite(NamedTuple):
    """One row of the statement that records transitions, without the columns nothing depends on."""

    id: UUID
    epoch: int
    seq: int
    via: Status | None
    via_attempt: int | None
    via_data: str | None
    status: Status
    attempt: int
    data: str
    dex: str | None
    tx_hash: str | None
    signed_tx: bytes | None
    last_valid_height: int | None
    amount_out: int | None
    executed_price: str | None
    network_fee: int | None
    last_error: str | None
    wait_ms: int | None
    is_leased: bool


def parse_writes(columns: Sequence[Sequence[Any]]) -> list[TransitionWrite]:
    """Parse the rows that the journal writes from the columns of its statement."""
    return [_parse_write(values) for values in zip(*columns, strict=True)]


def _parse_write(values: Sequence[Any]) -> TransitionWrite:
    order_id, epoch, seq, via, via_attempt, via_data, *step = values
    status, attempt, data, dex, _, tx_hash, signed_tx, *rest = step
    height, amount_out, price, network_fee, last_error, wait_ms, is_leased = rest
    return TransitionWrite(
        order_id,
        epoch,
        seq,
        None if via is None else Status(via),
        via_attempt,
        via_data,
        Status(status),
        attempt,
        data,
        None if dex is None else str(dex),
        tx_hash,
        signed_tx,
        height,
        None if amount_out is None else int(amount_out),
        None if price is None else str(price),
        network_fee,
        last_error,
        wait_ms,
        is_leased,
    )


def check_constraints(write: TransitionWrite, tx_hash: str | None, dex: str | None) -> None:
    """Check the constraints of the table, for a row with this transaction and venue."""
    is_complete = None not in (write.tx_hash, write.signed_tx, write.last_valid_height)
    if write.status is Status.SUBMITTED and not is_complete:
        raise asyncpg.CheckViolationError("a submitted order has its transaction")
    if write.status is Status.WAITING and write.is_leased:
        raise asyncpg.CheckViolationError("what waits has no lease")
    unsigned = (Status.WAITING, Status.ROUTING, Status.BUILDING)
    if write.status in unsigned and write.signed_tx is not None:
        raise asyncpg.CheckViolationError("nothing is signed before submitted")
    if write.amount_out is not None and write.status is not Status.CONFIRMED:
        raise asyncpg.CheckViolationError("only what is confirmed has an amount")
    if (write.amount_out is None) != (write.executed_price is None):
        raise asyncpg.CheckViolationError("an amount has its price")
    if write.status is Status.CONFIRMED and not (tx_hash and (write.dex or dex)):
        raise asyncpg.CheckViolationError("what is confirmed has its transaction")
    if write.status is Status.FAILED and write.last_error is None:
        raise asyncpg.CheckViolationError("what failed says why")

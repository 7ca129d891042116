"""The rows of the statement that records transitions, and the constraints that they must meet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from backend.domain.groups.children import ChildOrder
from backend.domain.lifecycle import Status
from tests.simulation.model.rows import OrderRow
from tests.simulation.model.stored_terms import parse_stored_terms


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
    claim: str | None
    lacks_costs: bool


def join_rows(columns: Sequence[Sequence[Any] | None]) -> Iterator[tuple[Any, ...]]:
    """The rows of columns, of which those without any value are ``None``, as ``unnest`` has it."""
    empty = [None] * len((columns and columns[0]) or ())
    return zip(*(empty if column is None else column for column in columns), strict=True)


def parse_writes(columns: Sequence[Sequence[Any] | None]) -> list[TransitionWrite]:
    """Parse the rows that the journal writes from the columns of its statement."""
    return [_parse_write(values) for values in join_rows(columns)]


def _parse_write(values: Sequence[Any]) -> TransitionWrite:
    order_id, epoch, seq, via, via_attempt, via_data, *step = values
    status, attempt, data, dex, _, tx_hash, signed_tx, *rest = step
    height, amount_out, price, network_fee, last_error, wait_ms, is_leased, claim, *others = rest
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
        claim,
        others[-1] is not None,
    )


def parse_children(columns: Sequence[Sequence[Any] | None]) -> list[ChildOrder]:
    """Parse the orders that a statement stores as children from its columns."""
    return [_parse_child(values) for values in join_rows(columns)]


def _parse_child(values: Sequence[Any]) -> ChildOrder:
    child_id, parent_id, oco_group, *terms, _data, _constraints, _fees = values
    return ChildOrder(child_id, parent_id, parse_stored_terms(*terms), oco_group)


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


def apply_write(
    row: OrderRow, write: TransitionWrite, now: float, lease_s: float, rekick_s: float
) -> None:
    """Update the row of an order by a write, with its events."""
    wait_s = (write.wait_ms or 0) / 1000
    if write.claim is not None:
        row.epoch = write.epoch
        row.status = Status.ROUTING
        row.seq += 1
        row.append_event(now, "{}", write.epoch)
    if write.via is not None:
        assert write.via_attempt is not None
        assert write.via_data is not None
        row.status, row.attempts = write.via, write.via_attempt
        row.seq += 1
        row.append_event(now, write.via_data, write.epoch)
    row.status = write.status
    row.seq += 1
    row.attempts = write.attempt
    row.dex = write.dex or row.dex
    if write.status in (Status.ROUTING, Status.WAITING):
        row.tx_hash = None
    else:
        row.tx_hash = write.tx_hash or row.tx_hash
    row.signed_tx = write.signed_tx
    row.last_valid_height = write.last_valid_height
    row.amount_out = write.amount_out
    row.executed_price = write.executed_price
    if write.network_fee is not None:
        row.network_fee_lamports = (row.network_fee_lamports or 0) + write.network_fee
    row.costs_unknown = row.costs_unknown or write.lacks_costs
    is_unknown = write.status is Status.CONFIRMED and write.amount_out is None
    row.amount_pending = True if is_unknown else None
    if write.wait_ms is not None or write.status not in (Status.ROUTING, Status.BUILDING):
        row.waiting_since = None
    row.updated_at = now
    row.last_error = write.last_error or row.last_error
    row.lease_until = now + lease_s if write.is_leased else None
    row.next_attempt_at = None if write.wait_ms is None else now + wait_s
    row.kick_at = now + wait_s + rekick_s
    row.append_event(now, write.data, write.epoch, wait_s)

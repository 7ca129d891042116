"""The statements of TWAP orders on the database model, each as one atomic step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from backend.domain.lifecycle import Status
from backend.domain.orders import OrderTerms, TimeInForce
from backend.domain.waiting.slices import LATE_AFTER, SliceSchedule
from tests.simulation.model.database import DatabaseModel
from tests.simulation.model.rows import OrderRow
from tests.simulation.model.stored_terms import parse_stored_terms
from tests.simulation.model.transition_write import join_rows


def is_sliced(row: OrderRow) -> bool:
    """Whether an order is executed in slices."""
    return isinstance(row.terms.condition, SliceSchedule)


def list_slices(database: DatabaseModel, parent_id: UUID) -> list[OrderRow]:
    """The slices of an order, as they were placed."""
    return [row for row in database.rows.values() if row.parent_id == parent_id]


def load_sliced(database: DatabaseModel, now: float, ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """``LOAD``: the orders that wait, with the sums of their slices."""
    rows = (database.rows.get(order_id) for order_id in ids)
    return [
        {
            **row.to_claim_result(now, is_first=False),
            **sum_slices(list_slices(database, row.id)),
            "owner": row.owner,
            "expires_at": to_time(row.expires_at),
            "created_at": to_time(row.created_at),
            "at": to_time(now),
            "placed": row.slices_placed,
            "next_slice_at": to_time(row.next_slice_at),
        }
        for row in rows
        if row is not None and row.status is Status.WAITING and is_sliced(row)
    ]


def sum_slices(slices: Sequence[OrderRow]) -> dict[str, str]:
    """``SUM_SLICES``."""
    confirmed = [row for row in slices if row.status is Status.CONFIRMED]
    valued = [row for row in confirmed if row.amount_out is not None]
    return {
        "open_in": str(sum(row.terms.amount_in for row in slices if row.open)),
        "filled_in": str(sum(row.terms.amount_in for row in confirmed)),
        "valued_in": str(sum(row.terms.amount_in for row in valued)),
        "amount_out": str(sum(row.amount_out or 0 for row in valued)),
    }


@dataclass(frozen=True, slots=True)
class SliceWrite:
    """One row of the statement that places slices."""

    order_id: UUID
    terms: OrderTerms
    time_in_force: TimeInForce
    expires_at: float | None
    parent_id: UUID
    parent_seq: int
    parent_data: str
    first_offset_s: float
    gap_s: float
    ahead_s: float

    @property
    def waits(self) -> bool:
        return self.terms.condition is not None


def parse_slices(columns: Sequence[Sequence[Any] | None]) -> list[SliceWrite]:
    """Parse the rows that are placed from the columns of the statement."""
    return [_parse_slice(values) for values in join_rows(columns)]


def _parse_slice(values: Sequence[Any]) -> SliceWrite:
    order_id, _, _, _, _, _, *terms = values[:13]
    tif, expires_at, _, condition, _, parent_id, parent_seq, data, first, gap, ahead = values[13:]
    return SliceWrite(
        order_id,
        parse_stored_terms(*terms, condition),
        TimeInForce(tif),
        None if expires_at is None else expires_at.timestamp(),
        parent_id,
        parent_seq,
        data,
        first.total_seconds(),
        gap.total_seconds(),
        ahead.total_seconds(),
    )


def place_slices(
    database: DatabaseModel, now: float, writes: Sequence[SliceWrite], rekick_s: float
) -> list[dict[str, Any]]:
    """``PLACE``: stores slices that are due, and compares and sets their parents."""
    return [
        _place(database, now, write, rekick_s)
        for write in writes
        if _may_place(database.rows.get(write.parent_id), now, write)
    ]


def _may_place(parent: OrderRow | None, now: float, write: SliceWrite) -> bool:
    if parent is None or not matches_parent(parent, write) or parent.has_expired(now):
        return False
    return not now < _find_due(parent, write) <= now + write.ahead_s


def matches_parent(parent: OrderRow, write: SliceWrite) -> bool:
    """Whether no slice was placed since the parent was read."""
    return parent.status is Status.WAITING and parent.seq == write.parent_seq


def _find_due(parent: OrderRow, write: SliceWrite) -> float:
    if parent.next_slice_at is not None:
        return parent.next_slice_at
    return parent.created_at + write.first_offset_s


def _place(
    database: DatabaseModel, now: float, write: SliceWrite, rekick_s: float
) -> dict[str, Any]:
    parent = database.rows[write.parent_id]
    due = _find_due(parent, write)
    is_in_time = now - LATE_AFTER.total_seconds() <= due <= now
    parent.next_slice_at = (due if is_in_time else now) + write.gap_s
    parent.slices_placed += 1
    parent.seq += 1
    parent.append_event(now, write.parent_data, parent.epoch)
    is_stored = write.order_id not in database.rows
    if is_stored:
        database.accept(
            now,
            write.order_id,
            write.terms,
            rekick_s,
            time_in_force=write.time_in_force,
            expires_at=write.expires_at,
        )
        database.rows[write.order_id].parent_id = parent.id
    return {
        "id": write.order_id,
        "parent_id": parent.id,
        "parent_seq": parent.seq,
        "attempts": parent.attempts,
        "next_in_s": parent.next_slice_at - now,
        "is_stored": is_stored,
        "created_at": to_time(now),
    }


def end_sliced(
    database: DatabaseModel, now: float, columns: Sequence[Sequence[Any]]
) -> list[dict[str, Any]]:
    """``END``: ends orders that were not changed since they were read."""
    ended = []
    for order_id, seq, status, data, error in zip(*columns, strict=True):
        row = database.rows.get(order_id)
        if row is None or row.status is not Status.WAITING or row.seq != seq:
            continue
        if status == Status.FAILED and row.has_expired(now):
            continue
        row.last_error = error
        database.withdraw(row, now, Status(status))
        ended.append(
            {
                "id": order_id,
                "seq": row.seq,
                "status": row.status,
                "attempts": row.attempts,
                "dex": None,
                "data": data,
            }
        )
    return ended


def to_time(seconds: float | None) -> datetime | None:
    """A time of the database as its driver has it."""
    start = datetime.fromtimestamp(0, UTC)
    return None if seconds is None else start + timedelta(seconds=seconds)

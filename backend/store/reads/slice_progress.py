"""How far TWAP orders are: read from the rows of their slices, so that it is exact at any time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import asyncpg

from backend.domain.lifecycle import Status
from backend.domain.orders import OrderRecord, OrderType
from backend.domain.waiting.slices import SlicePlan, SliceSchedule, compute_offset, plan_next_slice
from backend.store.database import DatabasePool
from backend.store.waiting.slice_statements import SUM_SLICES, parse_progress

# LIMIT 1 forces an index scan for each order, even when the statistics are wrong.
_READ_PROGRESS: Final = f""" -- read progress of slices
SELECT p.*, c.* FROM unnest($1::uuid[]) AS i(id) CROSS JOIN LATERAL (
    SELECT id, coalesce(slices_placed, 0) AS placed, next_slice_at
    FROM orders WHERE id = i.id LIMIT 1
) p CROSS JOIN LATERAL ({SUM_SLICES}) c
"""  # noqa: S608 - constants only


async def add_progress(pool: DatabasePool, records: Iterable[OrderRecord]) -> list[OrderRecord]:
    """Orders, those that are executed in slices with their progress.

    Raises ``Transient`` while PostgreSQL is unavailable.
    """
    orders = list(records)
    sliced = [record.id for record in orders if record.type is OrderType.TWAP]
    if not sliced:
        return orders
    rows = {row["id"]: row for row in await pool.read(_READ_PROGRESS, sliced)}
    return [
        _with_progress(record, rows[record.id]) if record.id in rows else record
        for record in orders
    ]


def _with_progress(record: OrderRecord, row: asyncpg.Record) -> OrderRecord:
    schedule, progress = record.condition, parse_progress(row)
    assert isinstance(schedule, SliceSchedule), "a TWAP order has a schedule"
    plan = SlicePlan(schedule, record.amount_in, record.id.bytes)
    next_at: datetime | None = None
    if record.status is Status.WAITING and plan_next_slice(plan, progress) is not None:
        next_at = row["next_slice_at"] or record.created_at + compute_offset(plan, 0)
    return record._replace(progress=progress, next_slice_at=next_at)

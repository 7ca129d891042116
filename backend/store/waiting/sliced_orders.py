"""TWAP orders as what places their slices reads them, the placing of slices, and their end.

A slice is placed by one statement, which stores the child order with its events and compares and
sets the ``seq`` of its parent: a slice is placed once, however many processes try. The database's
clock decides whether it is due.

The amounts of a parent are those of its children, read with it. None of its children can have
appeared since then if its ``seq`` is the same. One that was open may have ended: then there is more
left than was thought, never less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from backend.domain.lifecycle import Cause, Status, advance
from backend.domain.orders import NewOrder, OrderEvent, OrderTerms
from backend.domain.tokens import TokenRegistry
from backend.domain.waiting.slices import (
    LATE_AFTER,
    SlicePlan,
    SliceProgress,
    SliceSchedule,
    compute_offset,
)
from backend.runtime import observe
from backend.runtime.commit_notifications import EVENTS_MAX, Commit, CommitObserver
from backend.store.committed_events import build_commit, build_first_events
from backend.store.database import DatabasePool, fetch_repeating
from backend.store.intake.order_rows import to_columns
from backend.store.launches.tokens import parse_with_tokens
from backend.store.leases.leased_orders import parse_terms
from backend.store.waiting.slice_statements import END, LOAD, PLACE, parse_progress

_SLICED: Final = advance(Status.WAITING, 1, Cause.SLICED).status
_FILLED: Final = advance(Status.WAITING, 1, Cause.SLICES_FILLED).status
_UNFILLED: Final = advance(Status.WAITING, 1, Cause.SLICES_ENDED).status


class SlicedOrder(NamedTuple):
    """A TWAP order that waits, as of ``at`` by the database's clock: its next slice is due then.

    ``due_in_s`` is how long that is away, 0 if it has come.
    """

    id: UUID
    owner: str
    terms: OrderTerms
    plan: SlicePlan
    seq: int
    progress: SliceProgress
    expires_at: datetime | None
    created_at: datetime
    at: datetime
    due_in_s: float


class NewSlice(NamedTuple):
    """The next slice of an order; ``data`` is that of the parent's event as JSON text.

    ``gap`` is the time from it to the one after it.
    """

    parent: SlicedOrder
    order: NewOrder
    data: str
    gap: timedelta


class PlacedSlice(NamedTuple):
    """A slice that was placed; the next one of its parent is due in ``next_in_s``."""

    order: NewOrder
    next_in_s: float


class SlicesEnd(NamedTuple):
    """The end of an order whose slices have ended; ``error`` is why it is not filled."""

    order: SlicedOrder
    data: str
    error: str | None


class SlicedOrders:
    """Reads TWAP orders, places their slices and ends them. Methods raise ``DATABASE_ERRORS``.

    ``rekick_after`` is the time after which a slice whose job nobody has executed is claimed from
    its row. ``on_commit`` is called with each commit.
    """

    def __init__(
        self,
        pool: DatabasePool,
        *,
        tokens: TokenRegistry,
        rekick_after: timedelta,
        on_commit: CommitObserver,
    ) -> None:
        self._pool = pool
        self._tokens = tokens
        self._rekick_after = rekick_after
        self._on_commit = on_commit

    async def load(self, order_ids: Sequence[UUID]) -> list[SlicedOrder]:
        """Those of some orders that wait, with what has become of their slices."""
        rows = await fetch_repeating(self._pool, LOAD, order_ids)
        return await parse_with_tokens(self._pool, self._tokens, rows, self._parse)

    async def place(self, slices: Sequence[NewSlice]) -> list[PlacedSlice]:
        """Place slices that are due; returns those that were placed. Jobs have to be sent for them.

        The parents of the others wait no more, were changed since, or have expired. If a commit is
        in doubt, those that an earlier try placed are not among them: the sweep finds them.
        """
        if not slices:
            return []
        rows = await fetch_repeating(
            self._pool,
            PLACE,
            *to_columns([each.order for each in slices]),
            [each.parent.id for each in slices],
            [each.parent.seq for each in slices],
            [each.data for each in slices],
            [compute_offset(each.parent.plan, 0) for each in slices],
            [each.gap for each in slices],
            [each.parent.plan.schedule.ahead_max for each in slices],
            self._rekick_after,
            _SLICED.value,
            LATE_AFTER,
        )
        if not rows:
            return []
        by_id = {each.order.id: each for each in slices}
        stored = [row for row in rows if row["is_stored"]]
        self._notify_placed(rows, by_id)
        observe.orders_stored(len(stored))
        return [PlacedSlice(by_id[row["id"]].order, row["next_in_s"]) for row in stored]

    async def end(self, ended: Sequence[SlicesEnd]) -> set[UUID]:
        """End orders whose slices have ended; returns those that this call has ended."""
        if not ended:
            return set()
        statuses = [_FILLED if each.error is None else _UNFILLED for each in ended]
        rows = await fetch_repeating(
            self._pool,
            END,
            [each.order.id for each in ended],
            [each.order.seq for each in ended],
            [status.value for status in statuses],
            [each.data for each in ended],
            [each.error for each in ended],
        )
        if rows:
            self._on_commit(build_commit(rows))
        for row in rows:
            observe.order_ended(Status(row["status"]), "", "")
        return {row["id"] for row in rows}

    def _notify_placed(
        self, rows: Sequence[asyncpg.Record], slices: Mapping[UUID, NewSlice]
    ) -> None:
        events = []
        for row in rows if len(rows) * 3 <= EVENTS_MAX else ():
            placed = slices[row["id"]]
            events.append(_build_sliced(row, placed))
            if row["is_stored"]:
                events += build_first_events(placed.order, row)
        self._on_commit(Commit(rows[0]["txid"], events or None, begins_wait=True))

    def _parse(self, row: asyncpg.Record) -> SlicedOrder:
        terms = parse_terms(row, self._tokens)
        assert isinstance(terms.condition, SliceSchedule), "a TWAP order has a schedule"
        plan = SlicePlan(terms.condition, terms.amount_in, row["id"].bytes)
        due_at = row["next_slice_at"] or row["created_at"] + compute_offset(plan, 0)
        due_in = due_at - row["at"]
        is_due = not timedelta(0) < due_in <= terms.condition.ahead_max
        return SlicedOrder(
            id=row["id"],
            owner=row["owner"],
            terms=terms,
            plan=plan,
            seq=row["seq"],
            progress=parse_progress(row),
            expires_at=row["expires_at"],
            created_at=row["created_at"],
            at=row["at"],
            due_in_s=0.0 if is_due else due_in.total_seconds(),
        )


def hash_request(client_order_id: str) -> bytes:
    """The request hash of a slice, which no client's request has."""
    return sha256(client_order_id.encode()).digest()


def _build_sliced(row: asyncpg.Record, placed: NewSlice) -> OrderEvent:
    """The event of a parent."""
    return OrderEvent(
        order_id=placed.parent.id,
        seq=row["parent_seq"],
        status=_SLICED,
        at=row["created_at"],
        attempt=row["attempts"],
        data=placed.data,
        txid=row["txid"],
        owner=placed.parent.owner,
        batch_id=row["batch_id"],
        dex=None,
    )

"""Cancellations: one compare-and-set ends an order that is not submitted, with its event.

The statement raises the order's epoch. So a worker that executes the order at that moment has lost
its lease: its next write stores nothing, and it stops. It has sent nothing, because it stores
``submitted`` before it sends a byte, and that write carries the epoch. Either the statement finds
the order submitted, and cancels nothing, or nothing of it is ever executed.

Cancellations that arrive together share one statement and one commit (group commit).

With a TWAP order its slices are cancelled, those that can be. Its row says that they are being
cancelled until none is open any more: so whichever process does it can be lost, and a slice that is
submitted at that time, cannot land and is to be routed again, is cancelled then.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum
from functools import partial
from operator import attrgetter
from typing import Final, NamedTuple
from uuid import UUID

import orjson

from backend.domain.lifecycle import CANCELLABLE_STATUSES, Status
from backend.runtime import observe
from backend.runtime.coalescer import Coalescer
from backend.runtime.commit_notifications import Commit, CommitObserver
from backend.store.database import FIRST_ID, DatabasePool, fetch_repeating
from backend.store.errors import translate_errors
from backend.store.group_commit import ROWS_MAX, group_commits
from backend.store.withdrawals.withdrawn_rows import set_withdrawn

_CANCELLABLE: Final = sorted(status.value for status in CANCELLABLE_STATUSES)

SET_CANCELLED: Final = f"cancel_reason = {{reason}}, {set_withdrawn(Status.CANCELLED)}"
"""What a statement sets that cancels orders ``o`` for a reason, at the time of ``written``."""

# The limit is the number of rows, and "IS NOT FALSE" matches no index on purpose, for the reasons
# given in the journal: PostgreSQL finds each order by its id. None of the columns can be NULL.
#
# An order that a later transaction has moved on since this statement began is left as it is, by
# its seq: else its end would have a lower transaction id than the step before it, and the feed,
# which is in the order of transactions, would tell them the wrong way round.
_CANCEL_ORDERS: Final = f"""
WITH input AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[])
        AS i(id, owner, reason, data)
    LIMIT cardinality($1::uuid[])
), found AS MATERIALIZED (
    SELECT o.id, o.seq, i.reason, i.data, o.type = 'twap' AS is_sliced
    FROM input i JOIN orders o ON o.id = i.id
        AND (o.owner = i.owner AND o.status::text = ANY($5::text[])) IS NOT FALSE
    WHERE require_complete_journal() AND NOT EXISTS (
        SELECT FROM found_transactions f WHERE f.order_id = o.id AND f.adopted_at IS NULL)
), written AS MATERIALIZED (
    SELECT clock_timestamp() AS at
), cancelled AS (
    UPDATE orders o SET {SET_CANCELLED.format(reason="f.reason")},
        slices_cancelling = CASE WHEN f.is_sliced THEN true END
    FROM found f
    WHERE o.id = f.id AND o.seq = f.seq
    RETURNING o.id, o.seq, o.attempts, f.data
), logged AS (
    INSERT INTO order_events (order_id, seq, status, at, attempt, data)
    SELECT id, seq, 'cancelled', clock_timestamp(), attempts, data FROM cancelled
)
SELECT id, is_sliced, (id IN (SELECT id FROM cancelled)) IS TRUE AS is_cancelled,
       pg_current_xact_id()::text::bigint AS txid
FROM found
"""  # noqa: S608 - constants only

_PARENTS_MAX: Final = 100
# Without an id to start after, a plan for an empty table would read all of it.
_FIND_SLICED: Final = f""" -- find sliced
SELECT id FROM orders WHERE slices_cancelling AND id > $1::uuid ORDER BY id LIMIT {_PARENTS_MAX}
"""  # noqa: S608 - constants only
# LIMIT forces an index scan for each parent, even when the statistics are wrong.
_FIND_SLICES: Final = """ -- find slices
SELECT o.id, o.owner FROM unnest($1::uuid[]) AS i(id) CROSS JOIN LATERAL (
    SELECT id, owner, status FROM orders WHERE parent_id = i.id ORDER BY id LIMIT 2000
) o WHERE o.status::text = ANY($2::text[])
"""
_FINISH_SLICED: Final = """ -- finish sliced
UPDATE orders o SET slices_cancelling = NULL
WHERE id = ANY($1::uuid[]) AND slices_cancelling
  AND NOT EXISTS (SELECT FROM orders WHERE parent_id = o.id AND open)
"""


class CancelReason(StrEnum):
    """Why an order was cancelled; the values are codes for clients."""

    REQUESTED = "cancelled_by_request"
    """Its owner named it."""
    ALL_REQUESTED = "cancelled_with_others"
    """Its owner cancelled all orders of a filter."""
    TIMER_TRIGGERED = "cancelled_by_timer"
    """The time came after which its owner wanted all orders cancelled."""
    PARENT_CANCELLED = "cancelled_with_parent"
    """It is a slice of an order that was cancelled."""
    SIBLING_FILLED = "cancelled_by_oco"
    """The other order of its group was filled; the confirmation of that one cancels it."""

    HALTED = "cancelled_by_halt"
    """Trading was halted, and its open orders cancelled with that."""


_TEXTS: Final = {
    CancelReason.REQUESTED: "its owner cancelled it; nothing was sent that can still land",
    CancelReason.ALL_REQUESTED: "its owner cancelled all such orders; nothing was sent that can"
    " still land",
    CancelReason.TIMER_TRIGGERED: "the time came after which its owner wanted all orders cancelled;"
    " nothing was sent that can still land",
    CancelReason.HALTED: "trading was halted and open orders were cancelled; nothing was sent that"
    " can still land",
    CancelReason.PARENT_CANCELLED: "the order that it is a slice of was cancelled; nothing was sent"
    " that can still land",
}
_EVENT_DATA: Final = {
    reason: orjson.dumps({"code": reason, "reason": text}).decode()
    for reason, text in _TEXTS.items()
}


class _Cancellation(NamedTuple):
    order_id: UUID
    owner: str
    reason: CancelReason


class Cancellations:
    """Cancels orders in group commits; ``run`` must be running.

    ``on_commit`` is called with each commit that cancelled an order.
    """

    def __init__(self, pool: DatabasePool, *, on_commit: CommitObserver) -> None:
        self._pool = pool
        self._on_commit = on_commit
        self._writes: Coalescer[_Cancellation, bool] = group_commits(self._cancel_batch, "cancel")
        self.run = self._writes.run

    async def cancel(self, owner: str, order_id: UUID, reason: CancelReason) -> bool:
        """Cancel an order of an owner, unless it is submitted or has ended.

        Returns whether this statement has cancelled it. Raises ``Transient`` if PostgreSQL is
        unavailable; in that case the order may be cancelled.
        """
        return await self._writes.submit(_Cancellation(order_id, owner, reason))

    async def cancel_many(
        self, owner: str, order_ids: Sequence[UUID], reason: CancelReason
    ) -> set[UUID]:
        """Cancel those of an owner's orders that are neither submitted nor ended; returns them.

        Raises as ``cancel``; then some of them may be cancelled.
        """
        cancelled: set[UUID] = set()
        for start in range(0, len(order_ids), ROWS_MAX):
            ids = order_ids[start : start + ROWS_MAX]
            cancellations = [_Cancellation(each, owner, reason) for each in ids]
            is_cancelled = await self._cancel_batch(cancellations)
            cancelled |= {each for each, done in zip(ids, is_cancelled, strict=True) if done}
        return cancelled

    async def _cancel_batch(self, cancellations: Sequence[_Cancellation]) -> list[bool]:
        cancelled: set[UUID] = set()
        sliced: set[UUID] = set()
        left = list(cancellations)
        while left:  # an order moves on a few times before it is submitted
            moved = await self._cancel_found(left, cancelled, sliced)
            left = [each for each in left if each.order_id in moved]
        await self._cancel_slices(sliced)
        for _ in cancelled:
            observe.order_ended(Status.CANCELLED, "", "")
        return [each.order_id in cancelled for each in cancellations]

    async def cancel_due(self) -> int:
        """Cancel the open slices of cancelled orders; returns how many orders have some.

        Raises as ``cancel``; the next call goes on then.
        """
        count, after = 0, FIRST_ID
        while True:
            parents = [row["id"] for row in await self._pool.read(_FIND_SLICED, after)]
            await self._cancel_slices(parents)
            count += len(parents)
            if len(parents) < _PARENTS_MAX:
                return count
            after = parents[-1]

    async def _cancel_slices(self, parents: Collection[UUID]) -> None:
        if not parents:
            return
        rows = await self._pool.read(_FIND_SLICES, parents, _CANCELLABLE)
        reason = CancelReason.PARENT_CANCELLED
        for start in range(0, len(rows), ROWS_MAX):
            slices = rows[start : start + ROWS_MAX]
            await self._cancel_batch(
                [_Cancellation(row["id"], row["owner"], reason) for row in slices]
            )
        await translate_errors(partial(fetch_repeating, self._pool, _FINISH_SLICED, parents))

    async def _cancel_found(
        self, cancellations: Sequence[_Cancellation], cancelled: set[UUID], sliced: set[UUID]
    ) -> set[UUID]:
        """Cancel orders, adding them to ``cancelled``; returns those that moved on meanwhile.

        Those of them that have slices are added to ``sliced``.
        """
        # In the order of ids, as all statements that write several rows of a group.
        ordered = sorted(cancellations, key=attrgetter("order_id"))
        rows = [(*each, _EVENT_DATA[each.reason]) for each in ordered]
        ids, owners, reasons, data = (list(column) for column in zip(*rows, strict=True))

        found = await self._pool.read(_CANCEL_ORDERS, ids, owners, reasons, data, _CANCELLABLE)
        stored = {row["id"] for row in found if row["is_cancelled"]}
        if stored:
            self._on_commit(Commit(found[0]["txid"], None))
        cancelled.update(stored)
        sliced.update(row["id"] for row in found if row["is_cancelled"] and row["is_sliced"])
        return {row["id"] for row in found} - stored

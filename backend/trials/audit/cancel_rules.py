"""The rules of the audit for cancelled orders: an answer to a cancellation is true, and stays so.

That nothing is executed of an order that is not confirmed is a rule of ``rules``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from backend.domain.lifecycle import CANCELLABLE_STATUSES, Status
from backend.store.withdrawals.cancellations import CancelReason
from backend.trials.audit.records import (
    CancelAnswer,
    Evidence,
    OrderRow,
    OrderTransition,
    Violation,
    ViolationKind,
)

_NOT_LATE: Final = CANCELLABLE_STATUSES | {Status.CANCELLED}


def find_wrong_cancels(evidence: Evidence) -> Iterator[Violation]:
    """Find cancelled orders that no client cancelled, or that were submitted at that time."""
    cancels = evidence.cancels
    for row in evidence.rows.values():
        if row.status is not Status.CANCELLED:
            continue
        is_named = row.id in cancels.order_ids or row.parent_id in cancels.order_ids
        is_asked_for = is_named or row.mint_in in cancels.mints_in
        if not is_asked_for and row.cancel_reason != CancelReason.SIBLING_FILLED:
            yield _report(f"order {row.id} is cancelled, and no client asked for it")
        before = [each.status for each in evidence.transitions_by_order.get(row.id, ())][-2:-1]
        if before and before[0] not in CANCELLABLE_STATUSES:
            yield _report(f"order {row.id} was cancelled when it was {before[0]}")


def find_broken_cancels(evidence: Evidence) -> Iterator[Violation]:
    """Find orders that were answered to be cancelled, and are not what the answer says."""
    for answer in evidence.cancels.answers:
        order = evidence.rows.get(answer.order_id)
        if not answer.is_cancelled or order is None:
            continue
        if order.status is not Status.CANCELLED:
            yield _report(f"order {order.id} was answered to be cancelled, and is {order.status}")
        elif answer.seq not in {None, order.seq} or answer.status not in {None, order.status}:
            yield _report(f"order {order.id} was answered to be cancelled, as {answer.status}")


def find_false_lateness(evidence: Evidence) -> Iterator[Violation]:
    """Find orders of which it was too late to cancel them, and that their events do not show so."""
    for answer in evidence.cancels.answers:
        order = evidence.rows.get(answer.order_id)
        if not answer.is_cancelled and order is not None:
            fault = _find_fault(evidence, answer, order)
            if fault is not None:
                yield _report(f"order {order.id} was answered to be too late to cancel, {fault}")


def _find_fault(evidence: Evidence, answer: CancelAnswer, order: OrderRow) -> str | None:
    transitions = evidence.transitions_by_order.get(order.id, ())
    late = [each for each in transitions if each.status not in _NOT_LATE]
    if not late:
        return "and was neither submitted nor ended otherwise"
    if answer.seq is None or answer.status is None:
        return None
    if OrderTransition(order.id, answer.seq, answer.status) not in late:
        return f"as one that is {answer.status}, which is not what its events say"
    if Status(answer.status).is_final and order.status != answer.status:
        return f"as one that is {answer.status}, and is {order.status}"
    is_told = answer.signature is not None
    if is_told and evidence.order_by_signature.get(answer.signature or "") != order.id:
        return f"with the transaction {answer.signature}, which it never had"
    return None


def _report(message: str) -> Violation:
    return Violation(ViolationKind.WRONG, message)

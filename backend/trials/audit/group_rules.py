"""The rules of the audit for OCO pairs: at most one is executed, and neither is lost for nothing.

That a leg is cancelled only when the other was executed, or a client asked for it, is a rule of
``cancel_rules``.
"""

from __future__ import annotations

from collections.abc import Iterator

from backend.domain.lifecycle import Status
from backend.trials.audit.records import Evidence, OrderRow, Violation, ViolationKind


def find_doubled_groups(evidence: Evidence) -> Iterator[Violation]:
    """Find pairs of which both legs were executed, or are confirmed."""
    for group, legs in evidence.rows_by_group.items():
        executed = [
            leg.id
            for leg in legs
            if leg.status is Status.CONFIRMED or evidence.swaps_by_order.get(leg.id)
        ]
        if len(executed) > 1:
            message = f"of the group {group} both orders were executed: {', '.join(executed)}"
            yield Violation(ViolationKind.DOUBLED, message)


def find_open_siblings(evidence: Evidence) -> Iterator[Violation]:
    """Find orders that still wait although the other of their pair was executed."""
    for group, legs in evidence.rows_by_group.items():
        if any(leg.status is Status.CONFIRMED for leg in legs):
            for leg in legs:
                if not leg.status.is_final:
                    message = f"order {leg.id} of the executed group {group} is {leg.status}"
                    yield Violation(ViolationKind.STUCK, message)


def is_cancelled_by_group(evidence: Evidence, row: OrderRow) -> bool:
    """Whether the other order of its pair was executed."""
    legs = evidence.rows_by_group.get(row.oco_group or "", ())
    return any(leg.status is Status.CONFIRMED for leg in legs if leg.id != row.id)

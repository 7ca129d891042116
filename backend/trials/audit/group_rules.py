"""The rules of the audit for orders that belong together: groups, and what comes of brackets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from backend.domain.lifecycle import Status
from backend.store.withdrawals.cancellations import CancelReason
from backend.trials.audit.records import Evidence, OrderRow, Violation, ViolationKind


def find_broken_groups(evidence: Evidence) -> Iterator[Violation]:
    """Find groups of which two orders were executed, or one was cancelled for nothing.

    An order of a group is executed if the ledger has its swap, whatever its row says.
    """
    groups: defaultdict[str, list[OrderRow]] = defaultdict(list)
    for row in evidence.rows.values():
        if row.oco_group is not None:
            groups[row.oco_group].append(row)
    for group, rows in groups.items():
        executed = [
            row
            for row in rows
            if row.status is Status.CONFIRMED or evidence.swaps_by_order.get(row.id)
        ]
        if len(executed) > 1:
            names = ", ".join(row.id for row in executed)
            message = f"of the group {group} {names} were executed"
            yield Violation(ViolationKind.DOUBLED, message)
        for row in rows:
            if row.cancel_reason == CancelReason.SIBLING_FILLED and not executed:
                message = f"order {row.id} was cancelled for the other of its group, which was not"
                yield Violation(ViolationKind.LOST, f"{message} executed")
            if executed and row.status is Status.WAITING:
                message = f"order {row.id} waits, and the other of its group was executed"
                yield Violation(ViolationKind.STUCK, message)


def find_wrong_children(evidence: Evidence) -> Iterator[Violation]:
    """Find entries without their bracket, and children that sell other than what was received."""
    for entry in evidence.rows.values():
        if not entry.bracket_size:
            continue
        placed = evidence.children_by_parent.get(entry.id, ())
        is_filled = entry.status is Status.CONFIRMED and entry.amount_out is not None
        if is_filled and len(placed) != entry.bracket_size:
            message = f"order {entry.id} was filled, and has {len(placed)} of its bracket"
            kind = ViolationKind.LOST if len(placed) < entry.bracket_size else ViolationKind.DOUBLED
            yield Violation(kind, f"{message} of {entry.bracket_size}")
        for child in placed:
            expected = (entry.mint_out, entry.mint_in, entry.amount_out)
            if not is_filled or (child.mint_in, child.mint_out, child.amount_in) != expected:
                message = f"order {child.id} sells what its entry {entry.id} has not received"
                yield Violation(ViolationKind.WRONG, message)

"""The rules of the audit for orders that are executed in slices: each slice is placed once.

What they fill adds up to the base unit, and none is left when its parent has ended.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from backend.domain.lifecycle import Status
from backend.trials.audit.records import Evidence, OrderRow, SlicePlacing, Violation, ViolationKind

_ENDED_BY_SLICES: Final = frozenset({Status.CONFIRMED, Status.FAILED})


def find_wrong_slices(evidence: Evidence) -> Iterator[Violation]:
    """Find slices that were placed twice or not as told, and sums that do not add up."""
    placings: defaultdict[str, list[SlicePlacing]] = defaultdict(list)
    for placing in evidence.slices:
        placings[placing.parent_id].append(placing)
    for row in evidence.rows.values():
        if row.is_sliced:
            children = evidence.children_by_parent.get(row.id, ())
            for fault in (
                *_find_wrong_placings(row, placings[row.id], children),
                *_find_wrong_sums(row, children),
            ):
                yield Violation(ViolationKind.WRONG, f"order {row.id} {fault}")


def _find_wrong_placings(
    parent: OrderRow, placings: Sequence[SlicePlacing], children: Sequence[OrderRow]
) -> Iterator[str]:
    numbers = [placing.number for placing in placings]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"placed its slices as {numbers}"
    told = Counter((placing.child_id, placing.amount_in) for placing in placings)
    stored = Counter((child.id, child.amount_in) for child in children)
    for child_id, _ in told - stored:
        yield f"told of slice {child_id}, which is not stored so"
    for child_id, _ in stored - told:
        yield f"has slice {child_id}, of which it did not tell"
    for child in children:
        if (child.mint_in, child.mint_out) != (parent.mint_in, parent.mint_out):
            yield f"has slice {child.id}, of other tokens"


def _find_wrong_sums(parent: OrderRow, children: Sequence[OrderRow]) -> Iterator[str]:
    filled = sum(child.amount_in for child in children if child.status is Status.CONFIRMED)
    under_way = sum(child.amount_in for child in children if not child.status.is_final)
    if filled + under_way > parent.amount_in:
        yield f"of {parent.amount_in} has slices for {filled + under_way}"
    if parent.status in _ENDED_BY_SLICES and under_way:
        yield f"is {parent.status}, and slices of it are open"
    is_filled, is_confirmed = filled == parent.amount_in, parent.status is Status.CONFIRMED
    if parent.status in _ENDED_BY_SLICES and is_filled != is_confirmed:
        yield f"of {parent.amount_in} is {parent.status}, and its slices filled {filled}"

"""What a confirmation does to other orders, in its own commit.

When an order of a group is confirmed, the other one, which waits, is cancelled; when the entry of a
bracket is, the orders of the bracket come to be. These parts go into the statement that records
transitions, for those commits only that confirm such an order.

A group of which an order has moved on since the statement began, by its seq, is left as it is: else
the end of that order would have a lower transaction id than the step before it, and the feed, which
is in the order of transactions, would tell them the wrong way round. The statement is repeated for
those that it left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from backend.domain.lifecycle import CANCELLABLE_STATUSES, Status
from backend.store.groups.child_rows import build_insert, to_child_columns
from backend.store.groups.leg_locks import LOCK_LEGS
from backend.store.transitions import Transition
from backend.store.withdrawals.cancellations import SET_CANCELLED, CancelReason

_CANCELLABLE: Final = sorted(status.value for status in CANCELLABLE_STATUSES)

LOCKS: Final = f"""{LOCK_LEGS}, settled AS MATERIALIZED (
    SELECT * FROM input i
    WHERE i.oco_group IS NULL
        OR i.oco_group NOT IN (SELECT oco_group FROM legs WHERE seq <> seen_seq)
    LIMIT cardinality($1::uuid[])
)"""  # noqa: S608 - constants only
"""Before the orders are moved: ``settled`` are the rows of ``input`` that may be."""

EFFECTS: Final = f"""cancelled AS (
    UPDATE orders o SET {SET_CANCELLED.format(reason="$31::text")}
    FROM (
        SELECT legs.id, legs.seq, moved.id AS filled_id
        FROM moved JOIN legs ON legs.oco_group = moved.oco_group AND legs.id <> moved.id
        WHERE legs.status = ANY($32::text[])
        LIMIT cardinality($1::uuid[])
    ) other
    WHERE o.id = other.id AND o.seq = other.seq
    RETURNING o.id, o.seq, o.attempts, other.filled_id
), cancelled_logged AS (
    INSERT INTO order_events (order_id, seq, status, at, attempt, data)
    SELECT id, seq, 'cancelled', clock_timestamp(), attempts, jsonb_build_object(
        'code', $31::text, 'reason', 'order ' || filled_id || ' of its group was filled; nothing'
        ' was sent that can still land')
    FROM cancelled
), {build_insert("moved", first=33)}"""  # noqa: S608 - constants only
"""After the orders were moved: what follows for others, from ``$31`` on."""

COUNTS: Final = """,
    (SELECT count(*) FROM cancelled) AS cancelled_count,
    (SELECT count(*) FROM placed) AS placed_count
"""
"""What was done to others, in each result."""

LEFT: Final = """
UNION ALL
SELECT id, epoch, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM input WHERE oco_group IN (SELECT oco_group FROM legs WHERE seq <> seen_seq)
"""
"""The rows of ``input`` that were left, as results without a transaction id."""


def changes_others(transition: Transition) -> bool:
    """Whether it is to be stored with what it does to other orders."""
    is_filled = transition.step.status is Status.CONFIRMED
    return is_filled and (transition.order.oco_group is not None or bool(transition.children))


def to_columns(transitions: Sequence[Transition]) -> list[object]:
    """The arguments of these parts, from ``$30`` on: the groups of the orders come first."""
    groups = [each.order.oco_group for each in transitions]
    children = [child for each in transitions for child in each.children]
    return [groups, CancelReason.SIBLING_FILLED.value, _CANCELLABLE, *to_child_columns(children)]

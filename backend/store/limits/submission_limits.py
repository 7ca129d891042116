"""Limits where signed transactions are stored: the statement that stores them counts and refuses.

It is the one of the journal with more parts. ``admit_submissions`` of the database judges what is
measured of the routes, under the lock of each owner with a limit on the day's volume, which is held
to the end of the commit: transactions of several processes exceed no limit together. What leaves
``submitted`` without having landed is taken back from the volume in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import asyncpg

from backend.domain.amounts import Token
from backend.domain.lifecycle import Status
from backend.domain.limits.refusals import build_limit_error
from backend.store.database import DatabaseConnection
from backend.store.limits.excess_rows import parse_excess
from backend.store.limits.known_limits import KnownLimits
from backend.store.transitions import ADD_COSTS, RECORD, TERMS_TEXT, Transition
from backend.store.wallets.checked_spends import BUDGETS, WITHIN_BUDGETS

_ADMISSION: Final = """admission AS MATERIALIZED (
    SELECT * FROM admit_submissions($33::uuid[], $34::int[], $35::numeric[], $36::numeric[],
        $37::numeric[], $38::text, $39::int, $40::uuid[], $41::int[])
), judged AS MATERIALIZED (
    SELECT i.* FROM input i CROSS JOIN (SELECT count(*) AS rows FROM admission) a
    WHERE a.rows >= 0 LIMIT cardinality($1::uuid[])
), counting AS MATERIALIZED (
    SELECT order_id, epoch, owner, day, change, value FROM admission
    WHERE name IS NULL AND change IS NOT NULL
), """
_COUNTING: Final = """
        counted_value = CASE i.status
            WHEN 'submitted' THEN (SELECT a.value FROM counting a
                                   WHERE a.order_id = i.id AND a.epoch = i.epoch LIMIT 1)
            WHEN 'confirmed' THEN o.counted_value END,
        counted_day = CASE i.status
            WHEN 'submitted' THEN (SELECT a.day FROM counting a
                                   WHERE a.order_id = i.id AND a.epoch = i.epoch LIMIT 1)
            WHEN 'confirmed' THEN o.counted_day END,"""
_ADMITTED: Final = """
        AND NOT EXISTS (SELECT FROM admission a
            WHERE a.order_id = i.id AND a.epoch = i.epoch AND a.name IS NOT NULL)"""
NO_PARTS: Final = dict.fromkeys(("admission", "fenced_after", "counting"), "")
"""The parts of limits in the statements that check none."""
RECORD_LIMITED: Final = RECORD.format(
    note=" limited",
    source="judged",
    terms_text=TERMS_TEXT,
    admission=_ADMISSION,
    fenced_after=" FROM (SELECT count(*) FROM judged) judging",
    counting=_COUNTING,
    budget=BUDGETS,
    budgeted=f"{WITHIN_BUDGETS}{_ADMITTED}",
    add_costs=ADD_COSTS,
    group_type="",
    group_column="",
    locks="",
    group_returned="",
    effects=""", counted AS MATERIALIZED (
    SELECT count_day_volume(a.owner, a.day, a.change) FROM moved
    JOIN counting a ON a.order_id = moved.id AND a.epoch = moved.epoch
)""",
    counts=""", NULL::text AS name, NULL::numeric AS bound, NULL::numeric AS value,
       NULL::numeric AS remaining, NULL::text AS token,
       (SELECT count(*) FROM counted) AS counted""",
    left="""
UNION ALL
SELECT order_id, epoch, owner, NULL, NULL, NULL, NULL, NULL, NULL, name, bound, value, remaining,
       token, NULL
FROM admission WHERE name IS NOT NULL
""",
)
"""Records transitions of which some are checked or taken back; also returns what is refused."""


_LOCK_OWNERS: Final = """
SELECT lock_owner_limits(owner) FROM (
    SELECT owner FROM orders WHERE id = ANY($1::uuid[])
    GROUP BY owner ORDER BY hashtext(owner), owner OFFSET 0
) o
"""


async def lock_owners(connection: DatabaseConnection, transitions: Sequence[Transition]) -> None:
    """Lock the limits of the owners before anything else of a transaction is locked."""
    if ids := [each.order.id for each in transitions if each.measure is not None]:
        await connection.execute(_LOCK_OWNERS, ids)


def is_counted(transition: Transition) -> bool:
    """Whether it is to be checked, or to be taken back from what it was counted in."""
    return transition.measure is not None or _is_released(transition)


def _is_released(transition: Transition) -> bool:
    was_submitted = transition.order.status is Status.SUBMITTED
    return was_submitted and transition.step.status is not Status.CONFIRMED


def to_limit_columns(transitions: Sequence[Transition], reference: Token) -> tuple[object, ...]:
    """The arguments of ``RECORD_LIMITED`` after all others."""
    measures = [(each.order, each.measure) for each in transitions if each.measure is not None]
    released = [each.order for each in transitions if _is_released(each)]
    values = [None if m.value is None else Decimal(m.value) for _, m in measures]
    references = [m.reference for _, m in measures]
    return (
        [order.id for order, _ in measures],
        [order.epoch for order, _ in measures],
        values,
        [m.impact_bps for _, m in measures],
        [None if each is None else each.distance_bps for each in references],
        reference.symbol,
        reference.decimals,
        [order.id for order in released],
        [order.epoch for order in released],
    )


def find_refusals(
    rows: Sequence[asyncpg.Record], transitions: Sequence[Transition], limits: KnownLimits
) -> list[tuple[Transition, Exception]]:
    """The submissions that a limit has refused, with the error of each, which ``limits`` get told.

    Those that claim their order are tried again in the usual way, and refused again.
    """
    refused = {(row["id"], row["epoch"]): row for row in rows if row["name"] is not None}
    found: list[tuple[Transition, Exception]] = []
    for each in transitions:
        row, measure = refused.get((each.order.id, each.order.epoch)), each.measure
        if row is not None and measure is not None:
            error = build_limit_error(parse_excess(row), limits.reference, measure.reference)
            found.append((each, error))
            if each.claim is None:
                limits.on_refused(row["owner"], error)
    return found

"""Limits where orders are stored: the statement that stores them counts and refuses.

``admit_orders`` of the database holds the locks of the owners to the end of the transaction, and
reads what everybody before has committed: so orders that come at once, to any number of processes,
exceed no limit together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from backend.domain.amounts import Token
from backend.domain.errors import EngineError
from backend.domain.limits.measures import RateLeft
from backend.domain.limits.refusals import build_limit_error
from backend.domain.orders import NewOrder
from backend.store.database import DatabaseConnection
from backend.store.intake.order_rows import build_insert, to_columns
from backend.store.limits.excess_rows import count_open_orders, find_known_value, parse_excess

INSERT_LIMITED_ORDERS: Final = build_insert(
    is_rare=True,
    admission="""), admission AS MATERIALIZED (
    SELECT * FROM admit_orders($1, $2, $3, $4, $8, $9, $12, $26::numeric[], $18, $27::int[],
        $28::text, $29::int)
""",
    written_after=" FROM (SELECT count(*) FROM admission) counted",
    admitted="""
        AND id NOT IN (SELECT order_id FROM admission WHERE name IS NOT NULL)""",
    columns=""", a.name, a.bound, a.value, a.remaining, a.token""",
    others=""" LEFT JOIN admission a ON a.order_id = id
UNION ALL
SELECT order_id, NULL, NULL, name, bound, value, remaining, token
FROM admission WHERE name IS NOT NULL""",
)
"""``INSERT_RARE_ORDERS`` for orders of which some owners have limits: also returns the refused."""
_ADMIT: Final = """ -- admit batch
SELECT order_id AS id, name, bound, value, remaining, token
FROM admit_orders($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""


class Admission(NamedTuple):
    """Which orders a limit refuses, and what is left of the rates of the others."""

    refused: Mapping[UUID, EngineError]
    rates: Mapping[UUID, RateLeft]


def to_limit_columns(orders: Sequence[NewOrder], reference: Token) -> tuple[object, ...]:
    """The arguments of ``INSERT_LIMITED_ORDERS`` after all others."""
    values = [find_known_value(each.terms, reference) for each in orders]
    return (
        [None if value is None else Decimal(value) for value in values],
        [count_open_orders(each) for each in orders],
        reference.symbol,
        reference.decimals,
    )


def parse_admission(rows: Sequence[asyncpg.Record], reference: Token) -> Admission:
    """The admission of the rows that a statement returned, by order."""
    refused: dict[UUID, EngineError] = {}
    rates: dict[UUID, RateLeft] = {}
    for row in rows:
        if row["name"] is not None:
            refused[row["id"]] = build_limit_error(parse_excess(row), reference)
        elif row["bound"] is not None:
            rates[row["id"]] = RateLeft(int(row["bound"]), int(row["remaining"]))
    return Admission(refused, rates)


ADMITTED: Final = Admission({}, {})
"""That of orders of which none is limited."""


async def admit_batch(
    connection: DatabaseConnection, orders: Sequence[NewOrder], reference: Token
) -> Admission:
    """Judge the orders of a batch, in the transaction that stores those that are admitted."""
    columns, limits = to_columns(orders), to_limit_columns(orders, reference)
    named = (*columns[:4], columns[7], columns[8], columns[11])
    rows = await connection.fetch(_ADMIT, *named, limits[0], columns[17], *limits[1:])
    return parse_admission(rows, reference)

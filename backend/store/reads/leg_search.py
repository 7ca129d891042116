"""Lists of orders by a leg of their route: by pool, or by pool program.

Which pools an order was swapped in is in its route alone: so a filter by them costs nothing where
orders are written. A page of such a list is searched in steps: each looks at so many of the orders
that match all else, in the order of the list, and tells up to where it has looked.
"""

# ruff: noqa: S608 - every part of the SQL is a constant of this file; all values are arguments

from __future__ import annotations

from typing import Final

import orjson

from backend.store.reads.order_lists import (
    ListBuilder,
    ListPosition,
    ListStatement,
    OrderFilter,
)

CANDIDATES: Final = 1_000
"""The orders whose routes one step looks at."""
STEPS_MAX: Final = 10
"""The steps in which one page is searched."""


def build_search_statement(
    owner: str,
    which: OrderFilter,
    *,
    after: ListPosition | None,
    limit: int,
    is_ascending: bool,
) -> ListStatement:
    """The statement of one step behind ``after``, which finds at most ``limit`` orders.

    In each row, ``reached_at`` and ``reached_id`` are the position up to which it has looked, null
    if that is the end. If it finds none, there is one row, with nulls for the order.
    """
    builder = ListBuilder(owner, which, after, CANDIDATES, is_ascending=is_ascending)
    groups, candidates = builder.select_ids()
    leg = _build_leg(which)
    # Of a route with one leg, there is no list of them: the route itself has its program and pool.
    parts = [builder.add(orjson.dumps(each).decode()) for each in (leg, {"legs": [leg]})]
    is_matching = " OR ".join(f"route @> {part}::jsonb" for part in parts)
    page = builder.read_columns(
        "SELECT c.id, c.at FROM candidates c CROSS JOIN LATERAL ("
        f"SELECT FROM orders WHERE id = c.id AND ({is_matching}) LIMIT 1) matched"
        f" {builder.sort('c.at', 'c.id')} LIMIT {builder.add(limit)}::bigint"
    )
    sql = (
        f"{f'{groups},' if groups else 'WITH'} candidates AS MATERIALIZED ({candidates}),"
        f" reached AS (SELECT at AS reached_at, id AS reached_id FROM candidates"
        f" {builder.sort('at')} OFFSET {builder.add(CANDIDATES)}::bigint - 1 LIMIT 1)\n"
        f"SELECT found.*, reached.* FROM (SELECT) one LEFT JOIN ({page}) found ON true"
        f" LEFT JOIN reached ON true {builder.sort(f'found.{builder.at}', 'found.id')}"
    )
    return ListStatement(sql, builder.args)


def _build_leg(which: OrderFilter) -> dict[str, str]:
    """What the JSON of the leg has, and that of the route whose main leg it is."""
    leg: dict[str, str] = {}
    if which.program is not None:
        leg["dex"], _, leg["program"] = which.program.partition("/")
    if which.pool is not None:
        leg["pool"] = which.pool
    return leg

"""Pages of the orders that have ended, by the time at which the journal recorded their end.

Fills are no rows of their own: a confirmed order, the route that it was given and its last event
are all that is known of its fill. So they cost nothing where orders are executed, and cannot
disagree with the journal. A page is read from the groups of closed orders (``reads/order_lists``):
of each group that is asked for at most a page, from an index that is sorted by ``closed_at``. That
is the time of the end, or the later one at which a node told the amount: what becomes known late is
behind all that was known before, for readers who go on from their last position.

What was archived is read from the rows that outlive it: an order is in one of the two tables.
"""

# ruff: noqa: S608 - every part of the SQL is a constant of this file; all values are arguments

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final
from uuid import UUID

from backend.domain.quotes import Dex
from backend.store.reads.order_lists import GROUPS, ListPosition, ListStatement


class EndKind(Enum):
    """Which of the orders that have ended."""

    FILLED = "{status} = 'confirmed' AND {type} <> 'twap'"
    """Confirmed orders with a transaction of their own: fills."""
    UNFILLED = "NOT ({status} = 'confirmed' AND {type} <> 'twap')"
    """All others: those that were not filled, and TWAP orders, whose slices were."""


@dataclass(frozen=True, slots=True)
class EndFilter:
    """Conditions on orders that have ended: an order must match every field that is set.

    ``start`` is inclusive and ``end`` exclusive. ``pair`` are two tokens, traded in any direction.
    """

    kind: EndKind = EndKind.FILLED
    start: datetime | None = None
    end: datetime | None = None
    batch_id: UUID | None = None
    parent_id: UUID | None = None
    dex: Dex | None = None
    token_in: str | None = None
    token_out: str | None = None
    pair: tuple[str, str] | None = None


_FILL_COLUMNS: Final = """
id, client_order_id, batch_id, parent_id, type::text, token_in, token_out, amount_in::text,
amount_out::text, executed_price::text, dex, route, network_fee_lamports, priority_fee_lamports,
tip_lamports, rent_lamports, tx_hash, wallet, created_at, seq"""
_UNFILLED_COLUMNS: Final = """
token_in, token_out, dex, batch_id, status::text, last_error, cancel_reason,
network_fee_lamports"""


# LIMIT 1 forces an index scan for each order, even when the statistics are wrong.
_READ_FILLS: Final = f"""
SELECT page.at, o.*, e.at AS confirmed_at, e.data, s.at AS submitted_at FROM page
CROSS JOIN LATERAL (SELECT {_FILL_COLUMNS} FROM orders WHERE id = page.id LIMIT 1) o
LEFT JOIN LATERAL (
    SELECT at, data FROM order_events WHERE order_id = page.id AND seq = o.seq LIMIT 1
) e ON true
LEFT JOIN LATERAL (
    SELECT at FROM order_events
    WHERE order_id = page.id AND seq < o.seq AND status = 'submitted' ORDER BY seq DESC LIMIT 1
) s ON true
UNION ALL
SELECT page.at, o.* FROM page CROSS JOIN LATERAL (
    SELECT {_FILL_COLUMNS}, confirmed_at, data, submitted_at
    FROM archived_orders WHERE id = page.id LIMIT 1
) o
"""
_READ_UNFILLED: Final = f"""
SELECT page.at, page.id, o.* FROM page
CROSS JOIN LATERAL (SELECT {_UNFILLED_COLUMNS} FROM orders WHERE id = page.id LIMIT 1) o
UNION ALL
SELECT page.at, page.id, o.* FROM page
CROSS JOIN LATERAL (SELECT {_UNFILLED_COLUMNS} FROM archived_orders WHERE id = page.id LIMIT 1) o
"""
_OF_GROUP: Final = {
    name: f"split_part(g.closed_as, ' ', {n})"
    for n, name in enumerate(("status", "dex", "type", "token_in", "token_out"), 1)
}
_OF_ORDER: Final = {"status": "status::text", "type": "type::text"}


def build_ended_statement(
    owner: str,
    which: EndFilter,
    *,
    after: ListPosition | None,
    limit: int,
    is_ascending: bool = True,
) -> ListStatement:
    """The statement of the page behind ``after``: at most ``limit`` orders."""
    return _EndedBuilder(owner, which, after, limit, is_ascending=is_ascending).build()


class _EndedBuilder:
    def __init__(
        self,
        owner: str,
        which: EndFilter,
        after: ListPosition | None,
        limit: int,
        *,
        is_ascending: bool,
    ) -> None:
        self._args: list[object] = [owner, limit]
        self._which = which
        self._after = after
        self._sign, self._direction = (">", "ASC") if is_ascending else ("<", "DESC")

    def build(self) -> ListStatement:
        which = self._which
        is_named = which.batch_id is not None or which.parent_id is not None
        page = self._select_named() if is_named else self._select_merged()
        read = _READ_FILLS if which.kind is EndKind.FILLED else _READ_UNFILLED
        groups = "WITH" if is_named else f"{GROUPS},"
        sql = f"{groups} page AS MATERIALIZED ({page}) {read}{self._sort('at')}"
        return ListStatement(sql, self._args)

    def _select_named(self) -> str:
        """The orders of a batch or of a parent: few. ``OFFSET 0`` has them found first."""
        which = self._which
        column, value = "batch_id", which.batch_id or which.parent_id
        if which.batch_id is None:
            column = "parent_id"
        others = ""
        if which.batch_id is not None and which.parent_id is not None:
            others = f" AND parent_id = {self._add(which.parent_id)}"
        at = "coalesce(closed_at, updated_at)"
        return (
            f"SELECT id, at FROM (SELECT id, {at} AS at FROM (SELECT * FROM orders"
            f" WHERE owner = $1 AND {column} = {self._add(value)} OFFSET 0) o"
            f" WHERE NOT open{others}{self._match(_OF_ORDER)}{self._limit_range(at)}"
            f" UNION ALL SELECT id, ended_at FROM (SELECT * FROM archived_orders"
            f" WHERE owner = $1 AND {column} = {self._add(value)} OFFSET 0) o"
            f" WHERE true{others}{self._match(_OF_ORDER)}{self._limit_range('ended_at')}"
            f") found {self._sort('at')} LIMIT $2"
        )

    def _select_merged(self) -> str:
        """A page of each group, of what an older version of the engine has closed, and archived."""
        which = self._which
        grouped = (
            "(SELECT c.id, c.at FROM groups g CROSS JOIN LATERAL ("
            "SELECT id, closed_at AS at FROM orders"
            f" WHERE owner = $1 AND closed_as = g.closed_as{self._limit_range('closed_at')}"
            f" {self._sort('closed_at')} LIMIT $2) c WHERE true{self._match(_OF_GROUP)})"
        )
        unmarked = (
            "(SELECT id, updated_at AS at FROM orders WHERE owner = $1 AND closed_as IS NULL"
            f" AND NOT open{self._match(_OF_ORDER)}{self._limit_range('updated_at')}"
            f" {self._sort('updated_at')} LIMIT $2)"
        )
        kind = which.kind.value.format(status="status", type="type")
        archived = (
            "(SELECT id, ended_at AS at FROM archived_orders"
            f" WHERE owner = $1 AND {kind}{self._match(_OF_ORDER)}{self._limit_range('ended_at')}"
            f" {self._sort('ended_at')} LIMIT $2)"
        )
        found = f"{grouped} UNION ALL {unmarked} UNION ALL {archived}"
        return f"SELECT id, at FROM ({found}) found {self._sort('at')} LIMIT $2"

    def _match(self, columns: dict[str, str]) -> str:
        which = self._which
        text = f" AND {which.kind.value.format(**columns)}"
        for name in ("dex", "token_in", "token_out"):
            value: str | None = getattr(which, name)
            if value is not None:
                text += f" AND {columns.get(name, name)} = {self._add(str(value))}"
        if which.pair is not None:
            for name in ("token_in", "token_out"):
                text += f" AND {columns.get(name, name)} = ANY({self._add([*which.pair])}::text[])"
        return text

    def _limit_range(self, at: str) -> str:
        which, text = self._which, ""
        if which.start is not None:
            text += f" AND {at} >= {self._add(which.start)}"
        if which.end is not None:
            text += f" AND {at} < {self._add(which.end)}"
        if self._after is not None:
            position = f"({self._add(self._after.at)}, {self._add(self._after.id)})"
            text += f" AND ({at}, id) {self._sign} {position}"
        return text

    def _sort(self, at: str, order_id: str = "id") -> str:
        return f"ORDER BY {at} {self._direction}, {order_id} {self._direction}"

    def _add(self, value: object) -> str:
        for index, known in enumerate(self._args):
            if type(known) is type(value) and known == value:
                return f"${index + 1}"
        self._args.append(value)
        return f"${len(self._args)}"

"""Lists of orders: a page of one owner's orders by any filter, at a cost bounded by the page.

Each page is read from an index that begins with the owner and ends in the order of the list. Which
one it is follows from the filter:

- a client order id, a group, a parent or a batch names few orders: they are read, filtered and
  sorted;
- a filter by times only is a range of the owner's index;
- any other filter is read from open orders, and from groups of closed ones. Orders that closed with
  the same status, venue, type and tokens are a group: a range of an index in which they are sorted.
  The groups of an owner are few, and found by skipping through that index from one to the next.
  From each that the filter selects comes at most a page, and the pages are merged.

How many orders an owner has open is bounded by admission. A list by time of change
(``updated_since``) is sorted by that time, so that it is such a range too.

An order becomes visible when the transaction that wrote it ends, which is after the times that it
carries. So a list by time says up to where it is complete (``OrderQueries.read_horizon``), and
whoever polls begins the next list there. It takes that every statement that sets ``created_at``,
``updated_at`` or ``closed_at`` takes ``clock_timestamp()``, once for all of its rows, and not
``now()``, which was before it locked the table.

What an older version has closed is not marked with what it closed as: its columns tell.
"""

# ruff: noqa: S608 - every part of the SQL is a constant of this file; all values are arguments

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from backend.domain.lifecycle import FINAL_STATUSES, Status
from backend.domain.orders import OrderType
from backend.domain.quotes import Dex

COLUMNS: Final = """
id, client_order_id, batch_id, type::text, token_in, token_out, amount_in::text,
min_amount_out::text, slippage_bps, max_price_impact_bps, time_in_force, expires_at, status::text,
seq, attempts, dex, route, tx_hash, amount_out::text, executed_price::text, network_fee_lamports,
priority_fee_lamports, tip_lamports, rent_lamports, costs_unknown, last_error, last_valid_height,
cancel_reason, next_attempt_at, created_at, updated_at, condition, is_triggered, high_water,
high_water_slot, parent_id, oco_group, bracket, route_constraints, wallet, fees,
outage_code, waiting_since
"""
"""What an order is read from. Numbers come as text, which costs a fraction of a decimal."""

GROUPS: Final = """
WITH RECURSIVE groups AS (
    (SELECT closed_as FROM orders WHERE owner = $1 AND closed_as IS NOT NULL
     ORDER BY closed_as LIMIT 1)
    UNION ALL
    SELECT n.closed_as FROM groups g CROSS JOIN LATERAL (
        SELECT closed_as FROM orders WHERE owner = $1 AND closed_as > g.closed_as
        ORDER BY closed_as LIMIT 1
    ) n
)"""
"""The groups of the closed orders of the owner that is the first argument."""


class _Columns(NamedTuple):
    """The SQL of the terms of an order."""

    status: str
    dex: str
    type: str
    token_in: str
    token_out: str


_OF_ORDER: Final = _Columns("status::text", "dex", "type::text", "token_in", "token_out")
_OF_GROUP: Final = _Columns(*(f"split_part(g.closed_as, ' ', {n})" for n in range(1, 6)))

_FEW: Final = ("client_order_id", "oco_group", "parent_id", "batch_id")
"""What names few orders, in the order of how many: each has an index."""


def _choose_open(statuses: tuple[Status, ...]) -> str:
    """The condition on open orders of some statuses; each has an index without the others."""
    if Status.WAITING not in statuses:
        return "open AND trigger_shard IS NULL"
    others = FINAL_STATUSES | {Status.WAITING}
    return "open AND trigger_shard IS NOT NULL" if others.issuperset(statuses) else "open"


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Conditions on orders: an order must match every field that is set.

    ``created_from`` is inclusive and ``created_to`` exclusive. With ``updated_since``, which is
    inclusive, a list is sorted by the time of the last change; it goes with neither of them.
    ``program``, such as ``raydium/clmm``, and ``pool`` are those of one leg of the order's route.
    """

    statuses: tuple[Status, ...] = ()
    batch_id: UUID | None = None
    parent_id: UUID | None = None
    oco_group: UUID | None = None
    dex: Dex | None = None
    program: str | None = None
    pool: str | None = None
    token_in: str | None = None
    token_out: str | None = None
    type: OrderType | None = None
    client_order_id: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    updated_since: datetime | None = None

    @property
    def can_be_polled(self) -> bool:
        """Whether its list begins at a time: the next one can begin where this one was complete."""
        return self.created_from is not None or self.updated_since is not None

    @property
    def has_leg(self) -> bool:
        """Whether it selects by a leg of the route, for which a page has to be searched."""
        return self.program is not None or self.pool is not None

    @property
    def has_terms(self) -> bool:
        """Whether it selects by more than times."""
        terms = (self.dex, self.token_in, self.token_out, self.type)
        return bool(self.statuses) or any(term is not None for term in terms)


class ListPosition(NamedTuple):
    """A place in a list: that of an order, by the time that sorts the list, and its id."""

    at: datetime
    id: UUID


class ListStatement(NamedTuple):
    """The SQL of a page, and its arguments."""

    sql: str
    args: list[object]


def build_list_statement(
    owner: str,
    which: OrderFilter,
    *,
    after: ListPosition | None,
    limit: int,
    is_ascending: bool,
) -> ListStatement:
    """The statement of the page behind ``after``: at most ``limit`` orders."""
    assert not which.has_leg, "such a list is searched"
    return ListBuilder(owner, which, after, limit, is_ascending=is_ascending).build()


class ListBuilder:
    """Builds the statement of a page, or one in which the orders of a page are found."""

    def __init__(
        self,
        owner: str,
        which: OrderFilter,
        after: ListPosition | None,
        limit: int,
        *,
        is_ascending: bool,
    ) -> None:
        self.args: list[object] = [owner]
        self._which = which
        self._after = after
        self._is_ascending = is_ascending
        self._limit = self.add(limit)
        self._is_by_update = which.updated_since is not None

    def build(self) -> ListStatement:
        """The statement."""
        if self._is_few:
            sql = self._select_few(COLUMNS)
        elif self._is_merged:
            groups, ids = self._select_merged()
            sql = f"{groups}\n{self.read_columns(ids)}"
        else:
            sql = self._select_range(COLUMNS)
        return ListStatement(sql, self.args)

    def select_ids(self) -> tuple[str, str]:
        """The id and the time ``at`` of the same orders, and the ``WITH`` that goes before it."""
        columns = f"id, {self.at} AS at"
        if self._is_few:
            return "", self._select_few(columns)
        return self._select_merged() if self._is_merged else ("", self._select_range(columns))

    def read_columns(self, page: str) -> str:
        """The orders of a page of ids and times; LIMIT 1 forces an index scan for each of them."""
        return (
            f"SELECT o.* FROM ({page}) page\n"
            f"CROSS JOIN LATERAL (SELECT {COLUMNS} FROM orders WHERE id = page.id LIMIT 1) o"
            f" {self.sort('page.at', 'page.id')}"
        )

    def sort(self, at: str, order_id: str = "id") -> str:
        """The clause that sorts by these columns, as the list is."""
        direction = "ASC" if self._is_ascending else "DESC"
        return f"ORDER BY {at} {direction}, {order_id} {direction}"

    def add(self, value: object) -> str:
        """The placeholder of an argument; equal arguments share one."""
        for index, known in enumerate(self.args):
            if type(known) is type(value) and known == value:
                return f"${index + 1}"
        self.args.append(value)
        return f"${len(self.args)}"

    @property
    def _is_few(self) -> bool:
        return any(getattr(self._which, name) is not None for name in _FEW)

    @property
    def _is_merged(self) -> bool:
        return self._is_by_update or self._which.has_terms

    @property
    def at(self) -> str:
        """The column that sorts the list."""
        return "updated_at" if self._is_by_update else "created_at"

    def _select_range(self, columns: str) -> str:
        return (
            f"SELECT {columns} FROM orders WHERE owner = $1{self._limit_range(self.at)}"
            f" {self.sort(self.at)} LIMIT {self._limit}"
        )

    def _select_few(self, columns: str) -> str:
        """The orders that are named. ``OFFSET 0`` has what names the fewest evaluated first."""
        at = self.at
        named = {name: getattr(self._which, name) for name in _FEW}
        first, *others = (
            f"{name} = {self.add(value)}" for name, value in named.items() if value is not None
        )
        return (
            f"SELECT {columns} FROM"
            f" (SELECT * FROM orders WHERE owner = $1 AND {first} OFFSET 0) o"
            f" WHERE {' AND '.join(others) or 'true'}"
            f"{self._match_terms(_OF_ORDER)}{self._limit_range(at)}"
            f" {self.sort(at)} LIMIT {self._limit}"
        )

    def _select_merged(self) -> tuple[str, str]:
        """Ids and times of the parts that can match, and the groups that these are made of."""
        statuses = self._which.statuses or tuple(Status)
        parts = []
        if not FINAL_STATUSES.issuperset(statuses):
            parts.append(self._select_unmarked(_choose_open(statuses)))
        if has_closed := not FINAL_STATUSES.isdisjoint(statuses):
            parts += [self._select_unmarked("NOT open"), self._select_groups()]
        return GROUPS if has_closed else "", (
            f"SELECT id, at FROM ({' UNION ALL '.join(parts)}) found"
            f" {self.sort('at')} LIMIT {self._limit}"
        )

    def _select_unmarked(self, openness: str) -> str:
        return (
            f"(SELECT id, {self.at} AS at FROM orders"
            f" WHERE owner = $1 AND closed_as IS NULL AND {openness}"
            f"{self._match_terms(_OF_ORDER)}{self._limit_range(self.at)}"
            f" {self.sort(self.at)} LIMIT {self._limit})"
        )

    def _select_groups(self) -> str:
        at = "closed_at" if self._is_by_update else "created_at"
        return (
            f"(SELECT c.id, c.at FROM groups g CROSS JOIN LATERAL ("
            f"SELECT id, {at} AS at FROM orders"
            f" WHERE owner = $1 AND closed_as = g.closed_as{self._limit_range(at)}"
            f" {self.sort(at)} LIMIT {self._limit}) c WHERE true{self._match_terms(_OF_GROUP)})"
        )

    def _match_terms(self, columns: _Columns) -> str:
        which, text = self._which, ""
        if which.statuses:
            statuses = [status.value for status in which.statuses]
            text += f" AND {columns.status} = ANY({self.add(statuses)}::text[])"
        for name in ("dex", "type", "token_in", "token_out"):
            value: str | None = getattr(which, name)
            if value is not None:
                text += f" AND {getattr(columns, name)} = {self.add(str(value))}"
        return text

    def _limit_range(self, at: str) -> str:
        which, text = self._which, ""
        since = which.updated_since if self._is_by_update else which.created_from
        if since is not None:
            text += f" AND {at} >= {self.add(since)}"
        if which.created_to is not None:
            text += f" AND {at} < {self.add(which.created_to)}"
        if self._after is not None:
            sign = ">" if self._is_ascending else "<"
            position = f"({self.add(self._after.at)}, {self.add(self._after.id)})"
            text += f" AND ({at}, id) {sign} {position}"
        return text

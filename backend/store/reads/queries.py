"""Queries for orders: one order, a page of orders, and counts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from operator import itemgetter
from typing import Final
from uuid import UUID

import asyncpg

from backend.domain.fees.order_fees import decode_fees
from backend.domain.lifecycle import Status
from backend.domain.orders import OrderRecord, OrderType, TimeInForce
from backend.domain.prices import PriceOf
from backend.domain.quotes import Dex
from backend.domain.route_constraints import decode_constraints
from backend.domain.tokens import TokenRegistry
from backend.store.archive.archived_orders import ArchivedOrders
from backend.store.database import DatabasePool
from backend.store.errors import translate_errors
from backend.store.groups.bracket_rows import decode_bracket
from backend.store.launches.tokens import list_token_names, load_tokens
from backend.store.reads.leg_search import STEPS_MAX, build_search_statement
from backend.store.reads.order_lists import (
    COLUMNS,
    ListPosition,
    OrderFilter,
    build_list_statement,
)
from backend.store.reads.slice_progress import add_progress
from backend.store.waiting.condition_rows import decode_condition, decode_ratio, decode_share

OWN_ORDERS_MAX: Final = 1_000
UNKNOWN_AMOUNTS_MAX: Final = 1_000
_STATUSES: Final = {status.value: status for status in Status}
_get_fields: Final = itemgetter(*OrderRecord._fields)
_TYPES: Final = {kind.value: kind for kind in OrderType}
_TIMES_IN_FORCE: Final = {each.value: each for each in TimeInForce}
_VENUES: Final = {dex.value: dex for dex in Dex}

# A statement that writes orders holds this lock from before the times that it sets until its rows
# are visible. If it has the lock here, it began before these times; if not, they are still to come,
# or its rows are visible to what is read after this. Nobody knows the beginning of a transaction of
# another role, which only some may see, or of a prepared one.
READ_HORIZON: Final = """
SELECT CASE WHEN count(*) = count(a.state) THEN least(now(), min(a.xact_start)) END AS at
FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.relation = 'orders'::regclass AND l.mode = 'RowExclusiveLock'
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_GET = f"SELECT {COLUMNS} FROM orders WHERE id = $1 AND owner = $2"  # noqa: S608 - constants
_COUNT_UNKNOWN_AMOUNTS = """
SELECT count(*) AS n FROM (SELECT 1 FROM orders WHERE amount_pending LIMIT $1) unknown
"""
_COUNT_OF_OWNER = (
    "SELECT count(*) AS n FROM (SELECT FROM orders WHERE owner = $1 ORDER BY created_at LIMIT $2) o"
)
_IS_READ_ONLY = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'"


class OrderQueries:
    """Reads orders. Every method raises ``Transient`` while PostgreSQL is unavailable."""

    def __init__(
        self,
        pool: DatabasePool,
        *,
        readers: DatabasePool | None = None,
        tokens: TokenRegistry | None = None,
    ) -> None:
        """``readers`` has the connections of what clients ask for; by default it is ``pool``.

        ``tokens`` gets to know the tokens of every order that is read.
        """
        self._pool = pool
        self._readers = readers or pool
        self._tokens = tokens
        self.archived = ArchivedOrders(self._readers)
        """Where orders are that are no longer there."""

    async def get(self, owner: str, order_id: UUID) -> OrderRecord | None:
        """One order of an owner, or ``None``."""
        return await self._get(self._readers, owner, order_id)

    async def get_current(self, owner: str, order_id: UUID) -> OrderRecord | None:
        """As ``get``, on the connections that write: not behind a backlog of readers."""
        return await self._get(self._pool, owner, order_id)

    async def _get(self, pool: DatabasePool, owner: str, order_id: UUID) -> OrderRecord | None:
        rows = await pool.read(_GET, order_id, owner)
        return next(iter(await self._parse(pool, rows)), None)

    async def list_page(
        self,
        owner: str,
        which: OrderFilter,
        *,
        limit: int,
        after: ListPosition | None = None,
        is_ascending: bool = False,
    ) -> list[OrderRecord]:
        """The newest orders of an owner, newest first, or the oldest first; only those ``after``.

        They are sorted by their time of creation, or of their last change with ``updated_since``.
        """
        statement = build_list_statement(
            owner, which, after=after, limit=limit, is_ascending=is_ascending
        )
        rows = await self._readers.read(statement.sql, *statement.args)
        return await self._parse(self._readers, rows)

    async def search_page(
        self,
        owner: str,
        which: OrderFilter,
        *,
        limit: int,
        after: ListPosition | None = None,
        is_ascending: bool = False,
    ) -> tuple[list[OrderRecord], ListPosition | None]:
        """The orders of ``list_page`` with a leg in their route, of so many as are looked at.

        If there are fewer than ``limit`` and others remain, the position behind which these are.
        """
        found: list[OrderRecord] = []
        for _ in range(STEPS_MAX):
            statement = build_search_statement(
                owner, which, after=after, limit=limit - len(found), is_ascending=is_ascending
            )
            rows = await self._readers.read(statement.sql, *statement.args)
            matching = [row for row in rows if row["id"] is not None]
            found += await self._parse(self._readers, matching)
            if len(found) == limit or rows[0]["reached_id"] is None:
                return found, None
            after = ListPosition(rows[0]["reached_at"], rows[0]["reached_id"])
        return found, after

    async def _parse(self, pool: DatabasePool, rows: Sequence[asyncpg.Record]) -> list[OrderRecord]:
        if self._tokens is not None:
            names = list_token_names(rows)
            load = partial(load_tokens, self._pool, self._tokens, names)
            if any(name not in self._tokens for name in names):
                await translate_errors(load)
        return await add_progress(pool, map(_parse_record, rows))

    async def read_horizon(self) -> datetime | None:
        """A time below which no order can appear in lists that are read after this call.

        It is by the database's clock, as the times of orders are: the beginning of the oldest
        transaction that is writing orders, else now. ``None`` if PostgreSQL does not tell it.
        """
        rows = await self._readers.read(READ_HORIZON)
        at: datetime | None = rows[0]["at"]
        return at

    async def read_statuses(self, owner: str, order_ids: Collection[UUID]) -> dict[UUID, Status]:
        """The status of each of these orders of an owner."""
        rows = await self._pool.read(
            "SELECT id, status::text FROM orders WHERE id = ANY($1::uuid[]) AND owner = $2",
            list(order_ids),
            owner,
        )
        return {row["id"]: Status(row["status"]) for row in rows}

    async def count_by_status(self) -> dict[Status, int]:
        """The number of orders in each status, over all owners."""
        query = "SELECT status::text, count(*) AS n FROM orders GROUP BY status"
        rows = await self._pool.read(query)
        return {Status(row["status"]): row["n"] for row in rows}

    async def count_of_owner(self, owner: str) -> int:
        """The number of an owner's orders. More than ``OWN_ORDERS_MAX`` are not counted."""
        rows = await self._pool.read(_COUNT_OF_OWNER, owner, OWN_ORDERS_MAX)
        return int(rows[0]["n"])

    async def count_unknown_amounts(self) -> int:
        """The number of confirmed orders, over all owners, whose amount no node has told yet.

        More than ``UNKNOWN_AMOUNTS_MAX`` are not counted.
        """
        rows = await self._readers.read(_COUNT_UNKNOWN_AMOUNTS, UNKNOWN_AMOUNTS_MAX)
        return int(rows[0]["n"])

    async def check_writable(self) -> None:
        """Return if PostgreSQL responds and accepts writes; it writes nothing."""

        async def check() -> None:
            async with self._pool.acquire() as connection:
                if await connection.fetchval(_IS_READ_ONLY):
                    raise asyncpg.ReadOnlySQLTransactionError("this session cannot write")

        await translate_errors(check)


def _parse_record(row: asyncpg.Record) -> OrderRecord:
    values = OrderRecord._field_defaults | dict(row.items())
    for amount in ("amount_in", "min_amount_out", "amount_out"):
        if values[amount] is not None:
            values[amount] = int(values[amount])
    if values["executed_price"] is not None:
        values["executed_price"] = Decimal(values["executed_price"])
    values["type"] = _TYPES[values["type"]]
    values["time_in_force"] = _TIMES_IN_FORCE[values["time_in_force"]]
    values["status"] = _STATUSES[values["status"]]
    values["dex"] = None if values["dex"] is None else _VENUES[values["dex"]]
    values["price_of"] = PriceOf.TOKEN_IN
    if values["condition"] is not None:
        values["amount_in_bps"] = decode_share(values["condition"])
        values["condition"], values["price_of"] = decode_condition(values["condition"])
    if values["high_water"] is not None:
        values["high_water"] = decode_ratio(values["high_water"])
    if values["route_constraints"] is not None:
        values["constraints"] = decode_constraints(values["route_constraints"])
    values["fees"] = decode_fees(values["fees"])
    if values["bracket"] is not None:
        values["bracket"] = decode_bracket(values["bracket"])
    # By position: to match so many names takes ten times as long as all of the above.
    return OrderRecord._make(_get_fields(values))

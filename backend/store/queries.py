"""Queries for orders: one order, a page of orders, and counts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import asyncpg

from backend.domain.lifecycle import Status
from backend.domain.orders import OrderRecord, OrderType
from backend.domain.quotes import Dex
from backend.store.database import DatabasePool
from backend.store.errors import translate_errors

_COLUMNS = """
id, client_order_id, batch_id, type::text, token_in, token_out, amount_in, min_amount_out,
slippage_bps, max_price_impact_bps, status::text, seq, attempts, dex, route, tx_hash, amount_out,
executed_price, network_fee_lamports,
last_error, next_attempt_at, created_at, updated_at
"""

_IS_READ_ONLY = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'"


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Conditions on orders: an order must match every field that is set."""

    statuses: tuple[Status, ...] = ()
    batch_id: UUID | None = None
    dex: Dex | None = None
    token_in: str | None = None
    token_out: str | None = None


class OpenOrders(NamedTuple):
    """The number of open orders, and of those that no worker has claimed yet."""

    open: int
    pending: int


class OrderQueries:
    """Reads orders. Every method raises ``Transient`` while PostgreSQL is unavailable."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool

    async def get(self, owner: str, order_id: UUID) -> OrderRecord | None:
        """One order of an owner, or ``None``."""
        rows = await self._pool.read(
            f"SELECT {_COLUMNS} FROM orders WHERE id = $1 AND owner = $2",  # noqa: S608
            order_id,
            owner,
        )
        return _parse_record(rows[0]) if rows else None

    async def list_page(
        self, owner: str, which: OrderFilter, *, before: UUID | None, limit: int
    ) -> list[OrderRecord]:
        """The newest orders of an owner, newest first; with ``before``, only older ones."""
        args: list[object] = [owner]
        tests = ["owner = $1"]
        for test, value in _build_conditions(which, before):
            args.append(value)
            tests.append(test.format(f"${len(args)}"))
        args.append(limit)
        rows = await self._pool.read(
            f"SELECT {_COLUMNS} FROM orders WHERE {' AND '.join(tests)}"  # noqa: S608
            f" ORDER BY id DESC LIMIT ${len(args)}",
            *args,
        )
        return [_parse_record(row) for row in rows]

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

    async def count_open(self) -> OpenOrders:
        """The number of open orders, and of pending ones among them."""
        rows = await self._pool.read(
            "SELECT count(*) AS open, count(*) FILTER (WHERE status = 'pending') AS pending"
            " FROM orders WHERE open"
        )
        return OpenOrders(rows[0]["open"], rows[0]["pending"])

    async def count_unknown_amounts(self) -> int:
        """The number of confirmed orders, over all owners, whose amount no node has told yet."""
        rows = await self._pool.read("SELECT count(*) AS n FROM orders WHERE amount_pending")
        return int(rows[0]["n"])

    async def check_writable(self) -> None:
        """Return if PostgreSQL responds and accepts writes; it writes nothing."""

        async def check() -> None:
            async with self._pool.acquire() as connection:
                if await connection.fetchval(_IS_READ_ONLY):
                    raise asyncpg.ReadOnlySQLTransactionError("this session cannot write")

        await translate_errors(check)


def _build_conditions(which: OrderFilter, before: UUID | None) -> list[tuple[str, object]]:
    tests: list[tuple[str, object]] = []
    if which.statuses:
        statuses = [status.value for status in which.statuses]
        tests.append(("status = ANY({}::text[]::order_status[])", statuses))
    for column in ("batch_id", "dex", "token_in", "token_out"):
        value = getattr(which, column)
        if value is not None:
            tests.append((f"{column} = {{}}", value))
    if before is not None:
        tests.append(("id < {}", before))
    return tests


def _parse_record(row: asyncpg.Record) -> OrderRecord:
    values = dict(row)
    for amount in ("amount_in", "min_amount_out", "amount_out"):
        if values[amount] is not None:
            values[amount] = int(values[amount])
    values["type"] = OrderType(values["type"])
    values["status"] = Status(values["status"])
    values["dex"] = None if values["dex"] is None else Dex(values["dex"])
    return OrderRecord(**values)

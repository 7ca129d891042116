"""Reading orders: one, a page of many, and how many there are of each status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import asyncpg

from backend.domain.lifecycle import Status
from backend.domain.orders import OrderType, Record
from backend.domain.quotes import Dex
from backend.store.database import GONE, Pool
from backend.store.intake import unavailable

_COLUMNS = """
id, client_order_id, batch_id, type, token_in, token_out, amount_in, min_amount_out, slippage_bps,
status, seq, attempts, dex, route, tx_hash, amount_out, executed_price, last_error,
next_attempt_at, created_at, updated_at
"""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which orders: each part that is set narrows them."""

    statuses: tuple[Status, ...] = ()
    batch_id: UUID | None = None
    dex: Dex | None = None
    token_in: str | None = None
    token_out: str | None = None


class Load(NamedTuple):
    """How many orders are open, and how many of them nobody has claimed yet."""

    open: int
    pending: int


class Orders:
    """Reads orders of an owner. Every method raises ``Transient`` while PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def get(self, owner: str, order_id: UUID) -> Record | None:
        """One order of this owner."""
        rows = await self._fetch(
            f"SELECT {_COLUMNS} FROM orders WHERE id = $1 AND owner = $2",  # noqa: S608
            order_id,
            owner,
        )
        return _record(rows[0]) if rows else None

    async def page(
        self, owner: str, which: Filter, *, before: UUID | None, limit: int
    ) -> list[Record]:
        """The newest orders of this owner, or the newest older than ``before``."""
        args: list[object] = [owner]
        tests = ["owner = $1"]
        for test, value in _tests(which, before):
            args.append(value)
            tests.append(test.format(f"${len(args)}"))
        args.append(limit)
        rows = await self._fetch(
            f"SELECT {_COLUMNS} FROM orders WHERE {' AND '.join(tests)}"  # noqa: S608
            f" ORDER BY id DESC LIMIT ${len(args)}",
            *args,
        )
        return [_record(row) for row in rows]

    async def counts(self) -> dict[Status, int]:
        """How many orders have each status, all owners together."""
        rows = await self._fetch("SELECT status, count(*) AS n FROM orders GROUP BY status")
        return {Status(row["status"]): row["n"] for row in rows}

    async def load(self) -> Load:
        """How many orders are open."""
        rows = await self._fetch(
            "SELECT count(*) AS open, count(*) FILTER (WHERE status = 'pending') AS pending"
            " FROM orders WHERE open"
        )
        return Load(rows[0]["open"], rows[0]["pending"])

    async def ping(self) -> None:
        """Return if PostgreSQL answers."""
        await self._fetch("SELECT 1")

    async def _fetch(self, query: str, *args: object) -> Sequence[asyncpg.Record]:
        try:
            return await self._pool.fetch(query, *args)
        except GONE as error:
            raise unavailable() from error


def _tests(which: Filter, before: UUID | None) -> list[tuple[str, object]]:
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


def _record(row: asyncpg.Record) -> Record:
    values = dict(row)
    for amount in ("amount_in", "min_amount_out", "amount_out"):
        if values[amount] is not None:
            values[amount] = int(values[amount])
    values["type"] = OrderType(values["type"])
    values["status"] = Status(values["status"])
    values["dex"] = None if values["dex"] is None else Dex(values["dex"])
    return Record(**values)

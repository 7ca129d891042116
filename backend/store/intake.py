"""Accepting orders: each is stored, with its first event, before anybody hears ``202``.

Orders that arrive together are stored together (one statement, one commit). A request that
repeats an ``Idempotency-Key`` or a client order id gets the order that the first one stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import orjson

from backend.domain.amounts import format_amount
from backend.domain.errors import Reused, Transient
from backend.domain.orders import Accepted, NewOrder
from backend.runtime import observe
from backend.runtime.coalescer import Coalescer
from backend.store.database import BUSY, GONE, Connection, Pool

ROWS_MAX = 500
LINGER_S = 0.003

_INSERT = """
WITH input AS (
    SELECT * FROM unnest(
        $1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::uuid[], $7::text[],
        $8::text[], $9::text[], $10::numeric[], $11::numeric[], $12::int[], $13::jsonb[]
    ) AS i(id, owner, client_order_id, idempotency_key, request_hash, batch_id, type,
           token_in, token_out, amount_in, min_amount_out, slippage_bps, data)
), stored AS (
    INSERT INTO orders (id, owner, client_order_id, idempotency_key, request_hash, batch_id, type,
                        token_in, token_out, amount_in, min_amount_out, slippage_bps, kick_at)
    SELECT id, owner, client_order_id, idempotency_key, request_hash, batch_id, type::order_type,
           token_in, token_out, amount_in, min_amount_out, slippage_bps, now() + $14::interval
    FROM input
    ON CONFLICT DO NOTHING
    RETURNING id, status, created_at
), logged AS (
    INSERT INTO order_events (order_id, seq, status, at, attempt, data)
    SELECT id, 1, stored.status, created_at, 1, data FROM stored JOIN input USING (id)
)
SELECT id, created_at, pg_current_xact_id()::text::bigint AS txid FROM stored
"""

_FIND = """
SELECT o.id, o.owner, o.client_order_id, o.idempotency_key, o.request_hash, o.created_at
FROM unnest($1::text[], $2::text[]) AS i(owner, name)
JOIN orders o ON o.owner = i.owner AND o.{column} = i.name
"""

_FIND_BATCH = "SELECT request_hash, response FROM batches WHERE owner = $1 AND idempotency_key = $2"

_INSERT_BATCH = """
INSERT INTO batches (id, owner, idempotency_key, request_hash, response)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING id
"""


class NewBatch(NamedTuple):
    """A batch about to be accepted; ``response`` is the answer to give, now and on a repeat."""

    id: UUID
    owner: str
    idempotency_key: str | None
    request_hash: bytes
    response: str


class Intake:
    """Stores new orders in group commits; ``run`` must be running.

    ``committed`` is told the id of each transaction that stored an order.
    """

    def __init__(self, pool: Pool, *, rekick: timedelta, committed: Callable[[int], None]) -> None:
        self._pool = pool
        self._rekick = rekick
        self._committed = committed
        self._inserts: Coalescer[NewOrder, Accepted] = Coalescer(
            self._accept, items_max=ROWS_MAX, calls_max=2, company=200, linger_s=LINGER_S
        )
        self.run = self._inserts.run

    async def accept(self, order: NewOrder) -> Accepted:
        """Store one order, or find the one that an earlier request with its name stored.

        Raises ``Reused`` if that was another request, ``Transient`` if it may not be stored.
        """
        return await self._inserts.ask(order)

    async def _accept(self, orders: Sequence[NewOrder]) -> list[Accepted | Exception]:
        while True:
            try:
                async with self._pool.acquire() as connection:
                    stored = await self._insert(connection, orders)
                    missing = [order for order in orders if order.id not in stored]
                    found = await _find(connection, missing) if missing else {}
                return [stored.get(order.id) or _repeat(order, found) for order in orders]
            except BUSY:
                continue  # two statements waited for each other's names
            except GONE as error:
                raise unavailable() from error

    async def accept_batch(self, batch: NewBatch, orders: Sequence[NewOrder]) -> str | None:
        """Store a batch and its orders in one transaction.

        Returns ``None`` if it was stored, or the response that an earlier request with its key
        got. Raises ``Reused`` if that was another request, or if an order's client order id is
        taken; ``Transient`` if it may not be stored. Then nothing of the batch is stored.
        """
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                if await connection.fetchval(_INSERT_BATCH, *batch) is None:
                    return await _batch_response(connection, batch)
                stored = await self._insert(connection, orders)
                for order in orders:
                    if order.id not in stored:
                        raise _reused(order)
                return None
        except GONE as error:
            raise unavailable() from error

    async def earlier_batch(self, batch: NewBatch) -> str | None:
        """The response to an earlier request with the batch's key; raises as ``accept_batch``."""
        if batch.idempotency_key is None:
            return None
        try:
            async with self._pool.acquire() as connection:
                return await _batch_response(connection, batch)
        except GONE as error:
            raise unavailable() from error

    async def taken(self, orders: Sequence[NewOrder]) -> dict[UUID, Accepted | Reused]:
        """Those of ``orders`` whose client order id an earlier request has, with what it got."""
        try:
            async with self._pool.acquire() as connection:
                found = await _find(connection, orders)
        except GONE as error:
            raise unavailable() from error
        answers: dict[UUID, Accepted | Reused] = {}
        for order in orders:
            if (order.owner, "client_order_id", order.client_order_id) in found:
                answers[order.id] = _repeat(order, found)
        return answers

    async def _insert(
        self, connection: Connection, orders: Sequence[NewOrder]
    ) -> dict[UUID, Accepted]:
        rows = await connection.fetch(_INSERT, *_columns(orders), self._rekick)
        if rows:
            self._committed(rows[0]["txid"])
        observe.orders_stored(len(rows))
        return {row["id"]: Accepted(row["id"], row["created_at"]) for row in rows}


def unavailable() -> Transient:
    """The error for a client whose request PostgreSQL did not answer."""
    return Transient("database_unavailable", "the database does not answer; try again shortly")


class _Existing(NamedTuple):
    id: UUID
    created_at: datetime
    request_hash: bytes


_Found = dict[tuple[str, str, str | None], _Existing]


async def _find(connection: Connection, orders: Sequence[NewOrder]) -> _Found:
    found: _Found = {}
    for column in ("client_order_id", "idempotency_key"):
        named = [(o.owner, getattr(o, column)) for o in orders if getattr(o, column) is not None]
        if not named:
            continue
        owners, names = zip(*named, strict=True)
        for row in await connection.fetch(_FIND.format(column=column), owners, names):
            existing = _Existing(row["id"], row["created_at"], row["request_hash"])
            found[row["owner"], column, row[column]] = existing
    return found


def _repeat(order: NewOrder, found: _Found) -> Accepted | Reused:
    for column in ("idempotency_key", "client_order_id"):
        existing = found.get((order.owner, column, getattr(order, column)))
        if existing is not None and existing.request_hash != order.request_hash:
            return _reused(order, column)
        if existing is not None:
            return Accepted(existing.id, existing.created_at, replayed=True)
    # The same id came twice: an answer that was lost on the way, not another order.
    raise AssertionError(f"order {order.id} was neither stored nor found")


def _reused(order: NewOrder, column: str = "client_order_id") -> Reused:
    if column == "idempotency_key":
        return Reused("idempotency_key_reused", "this Idempotency-Key came with another request")
    return Reused(
        "client_order_id_reused",
        f"clientOrderId {order.client_order_id!r} already names another order",
    )


async def _batch_response(connection: Connection, batch: NewBatch) -> str | None:
    row = await connection.fetchrow(_FIND_BATCH, batch.owner, batch.idempotency_key)
    if row is None:
        return None
    if row["request_hash"] != batch.request_hash:
        raise Reused("idempotency_key_reused", "this Idempotency-Key came with another request")
    return str(row["response"])


def _columns(orders: Sequence[NewOrder]) -> tuple[list[object], ...]:
    rows = [
        (
            o.id,
            o.owner,
            o.client_order_id,
            o.idempotency_key,
            o.request_hash,
            o.batch_id,
            o.terms.type.value,
            o.terms.token_in.symbol,
            o.terms.token_out.symbol,
            Decimal(o.terms.amount_in),
            None if o.terms.min_amount_out is None else Decimal(o.terms.min_amount_out),
            o.terms.slippage_bps,
            _facts(o),
        )
        for o in orders
    ]
    return tuple(map(list, zip(*rows, strict=True)))


def _facts(order: NewOrder) -> str:
    terms = order.terms
    facts: dict[str, object] = {
        "type": terms.type.value,
        "tokenIn": terms.token_in.symbol,
        "tokenOut": terms.token_out.symbol,
        "amountIn": format_amount(terms.amount_in, terms.token_in.decimals),
        "slippageBps": terms.slippage_bps,
    }
    if terms.min_amount_out is not None:
        facts["minAmountOut"] = format_amount(terms.min_amount_out, terms.token_out.decimals)
    if order.batch_id is not None:
        facts["batchId"] = str(order.batch_id)
    if order.client_order_id is not None:
        facts["clientOrderId"] = order.client_order_id
    return orjson.dumps(facts).decode()

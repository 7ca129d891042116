"""Intake of orders: each order is stored, with its first event, before its client gets ``202``.

Orders that arrive together are stored in one statement and one commit (group commit). A request
that repeats an ``Idempotency-Key`` or a client order id gets the order of the first request.

Single orders and batches share the keys of their owner: the first order of a batch is stored with
the batch's key, so that one unique index keeps each key to one request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from backend.domain.errors import IdempotencyKeyReused, InvalidInput
from backend.domain.orders import AcceptedOrder, NewOrder
from backend.runtime import observe
from backend.runtime.coalescer import Coalescer
from backend.store.database import DatabaseConnection, DatabasePool
from backend.store.errors import translate_errors
from backend.store.intake.expiry_check import EXPIRY_AHEAD_MAX, find_expiry_errors
from backend.store.intake.order_rows import to_columns
from backend.store.intake.repeats import (
    ExistingOrders,
    NewBatch,
    find_conflict,
    find_orders,
    read_batch_response,
    resolve_repeat,
)

ROWS_MAX = 500
COMMIT_DELAY_S = 0.003

_INSERT_ORDERS = """
WITH input AS (
    SELECT * FROM unnest(
        $1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::uuid[], $7::text[],
        $8::text[], $9::text[], $10::numeric[], $11::numeric[], $12::int[], $13::int[],
        $14::text[], $15::timestamptz[], $16::jsonb[]
    ) AS i(id, owner, client_order_id, idempotency_key, request_hash, batch_id, type,
           token_in, token_out, amount_in, min_amount_out, slippage_bps, max_price_impact_bps,
           time_in_force, expires_at, data)
), stored AS (
    INSERT INTO orders (id, owner, client_order_id, idempotency_key, request_hash, batch_id, type,
                        token_in, token_out, amount_in, min_amount_out, slippage_bps,
                        max_price_impact_bps, time_in_force, expires_at, kick_at)
    SELECT id, owner, client_order_id, idempotency_key, request_hash, batch_id, type::order_type,
           token_in, token_out, amount_in, min_amount_out, slippage_bps, max_price_impact_bps,
           time_in_force, expires_at, now() + $17::interval
    FROM input
    WHERE (expires_at > now() AND expires_at <= now() + $18::interval) IS NOT FALSE
    ON CONFLICT DO NOTHING
    RETURNING id, status, created_at
), logged AS (
    INSERT INTO order_events (order_id, seq, status, at, attempt, data)
    SELECT id, 1, stored.status, created_at, 1, data FROM stored JOIN input USING (id)
)
SELECT id, created_at, pg_current_xact_id()::text::bigint AS txid FROM stored
"""

_INSERT_BATCH = """
INSERT INTO batches (id, owner, idempotency_key, request_hash, response)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING id
"""


class Intake:
    """Stores new orders in group commits; ``run`` must be running.

    ``on_commit`` is called with the id of each transaction that stored an order.
    """

    def __init__(
        self, pool: DatabasePool, *, rekick_after: timedelta, on_commit: Callable[[int], None]
    ) -> None:
        self._pool = pool
        self._rekick_after = rekick_after
        self._on_commit = on_commit
        self._inserts: Coalescer[NewOrder, AcceptedOrder] = Coalescer(
            self._accept,
            items_max=ROWS_MAX,
            calls_max=2,
            batch_target=200,
            max_delay_s=COMMIT_DELAY_S,
        )
        self.run = self._inserts.run

    async def accept(self, order: NewOrder) -> AcceptedOrder:
        """Store one order, or find the order that an earlier request with the same key stored.

        Raises ``IdempotencyKeyReused`` if that request was different, ``InvalidInput`` for an
        expiry that has passed or is too far ahead, and ``Transient`` if PostgreSQL is unavailable;
        in that case the order may be stored.
        """
        return await self._inserts.submit(order)

    async def _accept(self, orders: Sequence[NewOrder]) -> list[AcceptedOrder | Exception]:
        async def accept() -> list[AcceptedOrder | Exception]:
            async with self._pool.acquire() as connection:
                stored = await self._insert(connection, orders)
                missing = [order for order in orders if order.id not in stored]
                results = await _explain_missing(connection, missing) if missing else {}
            return [stored.get(order.id) or results[order.id] for order in orders]

        return await translate_errors(accept)

    async def accept_batch(self, batch: NewBatch, orders: Sequence[NewOrder]) -> str | None:
        """Store a batch and its orders in one transaction.

        Returns ``None`` if it was stored, or the response to an earlier request with its key.
        Raises ``IdempotencyKeyReused`` if that request was different or a single order, or if the
        client order id of an order is in use, and ``InvalidInput`` for an expiry as ``accept``;
        then nothing of the batch is stored. Raises ``Transient`` if PostgreSQL is unavailable; in
        that case the whole batch may be stored.
        """

        async def accept() -> str | None:
            async with self._pool.acquire() as connection, connection.transaction():
                if await connection.fetchval(_INSERT_BATCH, *batch) is None:
                    return await read_batch_response(connection, batch)
                key = batch.idempotency_key
                first = [replace(order, idempotency_key=key) for order in orders[:1]]
                named = [*first, *orders[1:]]
                stored = await self._insert(connection, named)
                missing = [order for order in named if order.id not in stored]
                if missing:
                    conflict = await find_conflict(connection, missing[0])
                    if conflict is None:
                        errors = await _explain_expiries(connection, missing[:1])
                        raise errors[missing[0].id]
                    raise conflict
                return None

        return await translate_errors(accept)

    async def find_batch_response(self, batch: NewBatch) -> str | None:
        """The response to an earlier request with the batch's key; raises as ``accept_batch``."""
        if batch.idempotency_key is None:
            return None

        async def find() -> str | None:
            async with self._pool.acquire() as connection:
                return await read_batch_response(connection, batch)

        return await translate_errors(find)

    async def find_existing(
        self, orders: Sequence[NewOrder]
    ) -> dict[UUID, AcceptedOrder | IdempotencyKeyReused]:
        """The orders whose client order id an earlier request used, with the result for each."""

        async def find() -> ExistingOrders:
            async with self._pool.acquire() as connection:
                return await find_orders(connection, orders)

        existing_orders = await translate_errors(find)
        results: dict[UUID, AcceptedOrder | IdempotencyKeyReused] = {}
        for order in orders:
            if (result := resolve_repeat(order, existing_orders)) is not None:
                results[order.id] = result
        return results

    async def find_expiry_errors(self, orders: Sequence[NewOrder]) -> dict[UUID, InvalidInput]:
        """The orders whose expiry has passed or is too far ahead, with the error of each."""

        async def find() -> dict[UUID, InvalidInput]:
            async with self._pool.acquire() as connection:
                return await find_expiry_errors(connection, orders)

        return await translate_errors(find)

    async def _insert(
        self, connection: DatabaseConnection, orders: Sequence[NewOrder]
    ) -> dict[UUID, AcceptedOrder]:
        rows = await connection.fetch(
            _INSERT_ORDERS, *to_columns(orders), self._rekick_after, EXPIRY_AHEAD_MAX
        )
        if rows:
            self._on_commit(rows[0]["txid"])
        observe.orders_stored(len(rows))
        return {row["id"]: AcceptedOrder(row["id"], row["created_at"]) for row in rows}


async def _explain_missing(
    connection: DatabaseConnection, orders: Sequence[NewOrder]
) -> dict[UUID, AcceptedOrder | Exception]:
    """Why each of these orders was not stored: it is a repeat, or its expiry is refused."""
    existing_orders = await find_orders(connection, orders)
    results: dict[UUID, AcceptedOrder | Exception] = {}
    refused = []
    for order in orders:
        repeat = resolve_repeat(order, existing_orders)
        if repeat is None:
            refused.append(order)
        else:
            results[order.id] = repeat
    return results | await _explain_expiries(connection, refused) if refused else results


async def _explain_expiries(
    connection: DatabaseConnection, orders: Sequence[NewOrder]
) -> dict[UUID, InvalidInput]:
    """The error of each of these orders, which were neither stored nor found."""
    # Without an expiry, only a conflict on the id itself gets here: no order was stored twice.
    assert all(order.expires_at is not None for order in orders), orders
    errors = await find_expiry_errors(connection, orders)
    moved = InvalidInput("expiresAt", "was too far ahead a moment ago")
    return {order.id: errors.get(order.id, moved) for order in orders}

"""Repeats: orders and batches that an earlier request with the same key or name has stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from backend.domain.errors import IdempotencyKeyReused
from backend.domain.lifecycle import Status
from backend.domain.orders import AcceptedOrder, NewOrder
from backend.store.database import DatabaseConnection

_FIND_ORDERS = """
SELECT o.id, o.owner, o.client_order_id, o.idempotency_key, o.request_hash, o.created_at,
    o.batch_id, o.status::text
FROM unnest($1::text[], $2::text[]) AS i(owner, name)
JOIN orders o ON o.owner = i.owner AND o.{column} = i.name
"""

_FIND_BATCH = "SELECT request_hash, response FROM batches WHERE owner = $1 AND idempotency_key = $2"


class NewBatch(NamedTuple):
    """A batch to store; ``response`` is the response to return now and for every repeat."""

    id: UUID
    owner: str
    idempotency_key: str | None
    request_hash: bytes
    response: str


class _ExistingOrder(NamedTuple):
    replay: AcceptedOrder
    request_hash: bytes
    is_of_batch: bool


ExistingOrders = dict[tuple[str, str, str | None], _ExistingOrder]


async def find_orders(connection: DatabaseConnection, orders: Sequence[NewOrder]) -> ExistingOrders:
    """The orders that have the keys or client order ids of these."""
    existing_orders: ExistingOrders = {}
    for column in ("client_order_id", "idempotency_key"):
        named = [(o.owner, getattr(o, column)) for o in orders if getattr(o, column) is not None]
        if not named:
            continue
        owners, names = zip(*named, strict=True)
        for row in await connection.fetch(_FIND_ORDERS.format(column=column), owners, names):
            replay = AcceptedOrder(row["id"], row["created_at"], True, Status(row["status"]))
            is_of_batch = row["batch_id"] is not None
            existing = _ExistingOrder(replay, row["request_hash"], is_of_batch)
            existing_orders[row["owner"], column, row[column]] = existing
    return existing_orders


def resolve_repeat(
    order: NewOrder, existing_orders: ExistingOrders
) -> AcceptedOrder | IdempotencyKeyReused | None:
    """The earlier order of the same request, or the error of another one; ``None`` for neither."""
    for column in ("idempotency_key", "client_order_id"):
        existing = existing_orders.get((order.owner, column, getattr(order, column)))
        if existing is None:
            continue
        is_key_of_batch = column == "idempotency_key" and existing.is_of_batch
        if is_key_of_batch or existing.request_hash != order.request_hash:
            return _build_reuse_error(order, column)
        return existing.replay
    return None


async def find_conflict(
    connection: DatabaseConnection, order: NewOrder
) -> IdempotencyKeyReused | None:
    """Which of its keys kept an order of a batch from being stored, if one did."""
    existing_orders = await find_orders(connection, [order])
    for column in ("idempotency_key", "client_order_id"):
        if (order.owner, column, getattr(order, column)) in existing_orders:
            return _build_reuse_error(order, column)
    return None


def _build_reuse_error(order: NewOrder, column: str) -> IdempotencyKeyReused:
    if column == "idempotency_key":
        return _build_key_reuse_error()
    return IdempotencyKeyReused(
        "client_order_id_reused",
        f"clientOrderId {order.client_order_id!r} is already used by a different order",
    )


def _build_key_reuse_error() -> IdempotencyKeyReused:
    return IdempotencyKeyReused(
        "idempotency_key_reused", "this Idempotency-Key was used with a different request"
    )


async def read_batch_response(connection: DatabaseConnection, batch: NewBatch) -> str | None:
    """The response to an earlier request with the batch's key; raises if it was another one."""
    row = await connection.fetchrow(_FIND_BATCH, batch.owner, batch.idempotency_key)
    if row is None:
        return None
    if row["request_hash"] != batch.request_hash:
        raise _build_key_reuse_error()
    return str(row["response"])

"""Why orders were not stored: each repeats an earlier one, or is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from backend.domain.errors import EngineError, InvalidInput
from backend.domain.orders import AcceptedOrder, NewOrder
from backend.store.database import DatabaseConnection
from backend.store.idempotency.earlier_requests import (
    KeyedRequest,
    find_earlier,
    remember_keys,
)
from backend.store.intake.expiry_check import find_expiry_errors


async def explain_missing(
    connection: DatabaseConnection,
    orders: Sequence[NewOrder],
    refused_by_limits: Mapping[UUID, EngineError],
) -> dict[UUID, AcceptedOrder | Exception]:
    """Why each order was not stored: it is a repeat, whose key is remembered, or is refused."""
    earlier = await find_earlier(connection, orders)
    results: dict[UUID, AcceptedOrder | Exception] = {}
    refused = []
    unknown = {}
    for order in orders:
        repeat = earlier.resolve(order)
        if repeat is None and order.id in refused_by_limits:
            results[order.id] = refused_by_limits[order.id]
            continue
        if repeat is None:
            refused.append(order)
            continue
        results[order.id] = repeat
        key = order.idempotency_key
        if key is not None and isinstance(repeat, AcceptedOrder) and not earlier.has_key(order):
            unknown[order.id] = KeyedRequest(order.owner, key, order.request_hash)
    errors = await remember_keys(connection, unknown.values())
    results |= {each: errors[request] for each, request in unknown.items() if request in errors}
    return results | await explain_expiries(connection, refused) if refused else results


async def explain_expiries(
    connection: DatabaseConnection, orders: Sequence[NewOrder]
) -> dict[UUID, InvalidInput]:
    """The error of each of these orders, which were neither stored nor found."""
    # Without an expiry, only a conflict on the id itself gets here: no order was stored twice.
    assert all(order.expires_at is not None for order in orders), orders
    errors = await find_expiry_errors(connection, orders)
    moved = InvalidInput("expiresAt", "was too far ahead a moment ago")
    return {order.id: errors.get(order.id, moved) for order in orders}

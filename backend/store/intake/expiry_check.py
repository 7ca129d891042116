"""Which expiries an order may have when it is accepted, by the database's clock."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from backend.domain.errors import InvalidInput
from backend.domain.orders import NewOrder
from backend.store.database import DatabaseConnection

EXPIRY_AHEAD_MAX: Final = timedelta(days=366)
"""How far ahead an expiry may be."""


async def find_expiry_errors(
    connection: DatabaseConnection, orders: Iterable[NewOrder]
) -> dict[UUID, InvalidInput]:
    """The orders whose expiry has passed or is too far ahead, with the error of each."""
    now = await connection.fetchval("SELECT now()")
    reasons = {order.id: find_expiry_fault(order.expires_at, now) for order in orders}
    return {
        each: InvalidInput("expiresAt", reason)
        for each, reason in reasons.items()
        if reason is not None
    }


def find_expiry_fault(expires_at: datetime | None, now: datetime) -> str | None:
    """Why an order may not have an expiry at a time; ``None`` if it may."""
    if expires_at is None:
        return None
    if expires_at <= now:
        return "has passed already"
    if expires_at > now + EXPIRY_AHEAD_MAX:
        return f"is more than {EXPIRY_AHEAD_MAX.days} days ahead"
    return None

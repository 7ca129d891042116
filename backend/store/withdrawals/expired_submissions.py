"""Submissions that came after their order's expiry: the journal does not store them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from backend.domain.orders import LeasedOrder
from backend.store.database import DatabaseConnection

# An order that has moved on, or has another epoch, was not stopped by its expiry. The limit as in
# the journal.
_FIND_EXPIRED: Final = """
SELECT o.id, o.epoch
FROM (
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[]) AS i(id, epoch, seq)
    LIMIT cardinality($1::uuid[])
) i JOIN orders o ON o.id = i.id AND o.epoch = i.epoch AND o.seq = i.seq
WHERE o.open IS NOT FALSE AND o.expires_at <= now()
"""


class OrderExpired(Exception):
    """The expiry of the order has passed, so it is not submitted any more: nothing was stored."""


async def find_expired(
    connection: DatabaseConnection, orders: Sequence[LeasedOrder]
) -> set[tuple[UUID, int]]:
    """The ids and epochs of those orders that are as their workers know them, and have expired."""
    columns = ([o.id for o in orders], [o.epoch for o in orders], [o.seq for o in orders])
    rows = await connection.fetch(_FIND_EXPIRED, *columns)
    return {(row["id"], row["epoch"]) for row in rows}

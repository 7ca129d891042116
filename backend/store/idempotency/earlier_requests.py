"""Earlier requests with the same ``Idempotency-Key`` or client order id, and what they stored.

A key belongs to the first request that had it. If that stored an order, the key is in its row,
under a unique index. If all its orders repeated earlier ones by their client order ids, it stored
nothing, and the key is in ``replayed_keys``: no order of another request is stored with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from backend.domain.errors import IdempotencyKeyReused
from backend.domain.lifecycle import Status
from backend.domain.orders import AcceptedOrder, NewOrder
from backend.store.database import DatabaseConnection

IS_KEY_FREE: Final = """
    (SELECT true FROM replayed_keys r WHERE r.owner = input.owner
        AND r.idempotency_key = input.idempotency_key AND r.request_hash <> input.request_hash
     LIMIT 1) IS NULL
"""
"""The condition on an order of ``input`` that no other request, which stored nothing, had its key.

LIMIT 1 forces an index scan for each order, even when the statistics are wrong.
"""

# The limits as in the journal: each order is found by its index, whatever the statistics say.
_FIND_ORDERS: Final = """
SELECT o.id, o.owner, o.client_order_id, o.idempotency_key, o.request_hash, o.created_at,
    o.batch_id, o.status::text
FROM (
    SELECT * FROM unnest($1::text[], $2::text[]) AS i(owner, name) LIMIT cardinality($1::text[])
) i JOIN orders o ON o.owner = i.owner AND o.{column} = i.name
"""

# Sorted, so that requests with several of the same keys wait for each other in one order.
_REMEMBER_KEYS: Final = """
INSERT INTO replayed_keys (owner, idempotency_key, request_hash)
SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[]) AS i(owner, name, request_hash)
ORDER BY owner, name
ON CONFLICT DO NOTHING
"""

_FIND_KEYS: Final = """
SELECT r.owner, r.idempotency_key, r.request_hash
FROM (
    SELECT * FROM unnest($1::text[], $2::text[]) AS i(owner, name) LIMIT cardinality($1::text[])
) i JOIN replayed_keys r ON r.owner = i.owner AND r.idempotency_key = i.name
"""

_FORGET_KEY: Final = """
DELETE FROM replayed_keys WHERE owner = $1 AND idempotency_key = $2 AND request_hash = $3
"""


class KeyedRequest(NamedTuple):
    """The owner, the idempotency key and the hash of a request."""

    owner: str
    key: str
    request_hash: bytes


class _StoredOrder(NamedTuple):
    replay: AcceptedOrder
    request_hash: bytes
    is_of_batch: bool


class EarlierRequests(NamedTuple):
    """What earlier requests stored under the keys and the client order ids of some orders."""

    orders: dict[tuple[str, str, str | None], _StoredOrder]
    keys: dict[tuple[str, str], bytes]
    """The hashes of requests that stored nothing, by owner and key."""

    def has_client_order_id(self, order: NewOrder) -> bool:
        """Whether an order with the client order id of this one is stored."""
        return (order.owner, "client_order_id", order.client_order_id) in self.orders

    def has_key(self, order: NewOrder) -> bool:
        """Whether the key of this order is that of an earlier request."""
        key = order.idempotency_key
        stored = (order.owner, "idempotency_key", key) in self.orders
        return stored or (order.owner, key) in self.keys

    def resolve(self, order: NewOrder) -> AcceptedOrder | IdempotencyKeyReused | None:
        """The result of an order that was not stored: the order that it repeats, or an error.

        ``None`` if it repeats nothing.
        """
        stored = self.orders.get((order.owner, "idempotency_key", order.idempotency_key))
        if stored is not None:
            if stored.is_of_batch or stored.request_hash != order.request_hash:
                return build_key_reuse_error()
            return stored.replay
        if order.idempotency_key is not None:
            known = self.keys.get((order.owner, order.idempotency_key), order.request_hash)
            if known != order.request_hash:
                return build_key_reuse_error()
        stored = self.orders.get((order.owner, "client_order_id", order.client_order_id))
        if stored is not None:
            if stored.request_hash != order.request_hash:
                return build_name_reuse_error(order)
            return stored.replay
        return None


async def find_earlier(
    connection: DatabaseConnection, orders: Sequence[NewOrder]
) -> EarlierRequests:
    """Find the earlier requests with the keys and the client order ids of these orders."""
    earlier = EarlierRequests({}, {})
    for column in ("client_order_id", "idempotency_key"):
        named = [(o.owner, getattr(o, column)) for o in orders if getattr(o, column) is not None]
        if not named:
            continue
        owners, names = zip(*named, strict=True)
        for row in await connection.fetch(_FIND_ORDERS.format(column=column), owners, names):
            replay = AcceptedOrder(row["id"], row["created_at"], True, Status(row["status"]))
            is_of_batch = row["batch_id"] is not None
            stored = _StoredOrder(replay, row["request_hash"], is_of_batch)
            earlier.orders[row["owner"], column, row[column]] = stored
        if column == "idempotency_key":
            for row in await connection.fetch(_FIND_KEYS, owners, names):
                earlier.keys[row["owner"], row["idempotency_key"]] = row["request_hash"]
    return earlier


async def find_conflict(
    connection: DatabaseConnection, order: NewOrder
) -> IdempotencyKeyReused | None:
    """Which of its keys kept an order of a batch from being stored; ``None`` if none did."""
    earlier = await find_earlier(connection, [order])
    if earlier.has_key(order):
        return build_key_reuse_error()
    return build_name_reuse_error(order) if earlier.has_client_order_id(order) else None


async def is_key_of_order(connection: DatabaseConnection, owner: str, key: str) -> bool:
    """Whether an order is stored with this key."""
    rows = await connection.fetch(_FIND_ORDERS.format(column="idempotency_key"), [owner], [key])
    return bool(rows)


async def remember_keys(
    connection: DatabaseConnection, requests: Iterable[KeyedRequest]
) -> set[KeyedRequest]:
    """Remember the keys of requests that store nothing.

    Returns the requests whose keys belong to others. An order that another request stores with
    one of the keys at this very moment may not be seen: then the key is the order's.
    """
    unique = list(dict.fromkeys(requests))
    if not unique:
        return set()
    owners, keys, hashes = (list(column) for column in zip(*unique, strict=True))
    await connection.execute(_REMEMBER_KEYS, owners, keys, hashes)
    rows = await connection.fetch(_FIND_KEYS, owners, keys)
    known = {(row["owner"], row["idempotency_key"]): row["request_hash"] for row in rows}
    return {each for each in unique if known.get(each[:2]) != each.request_hash}


async def forget_key(connection: DatabaseConnection, request: KeyedRequest) -> None:
    """Forget the key of a request that stored nothing, because it stores something now."""
    await connection.execute(_FORGET_KEY, *request)


def build_key_reuse_error() -> IdempotencyKeyReused:
    """The error for a key of another request."""
    return IdempotencyKeyReused(
        "idempotency_key_reused", "this Idempotency-Key was used with a different request"
    )


def build_name_reuse_error(order: NewOrder) -> IdempotencyKeyReused:
    """The error for a client order id of another order."""
    return IdempotencyKeyReused(
        "client_order_id_reused",
        f"clientOrderId {order.client_order_id!r} is already used by a different order",
    )

"""Earlier requests with the same ``Idempotency-Key`` or client order id, and what they stored.

A key belongs to the first request that had it. If that stored an order, the key is in its row,
under a unique index. If all its orders repeated earlier ones by their client order ids, it stored
nothing, and the key is in ``replayed_keys``: no order of another request is stored with it. That
both hold for requests at the same moment as well is the work of two functions of the database, see
``migrations/0018_key_locks.sql``. The keys of archived orders are in ``replayed_keys`` as well, and
their client order ids in ``archived_names``, each with the order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Final, NamedTuple

import asyncpg

from backend.domain.errors import EngineError, IdempotencyKeyReused, Transient
from backend.domain.lifecycle import Status
from backend.domain.orders import AcceptedOrder, NewOrder
from backend.store.database import DatabaseConnection

IS_KEY_FREE: Final = (
    "is_idempotency_key_free(input.owner, input.idempotency_key, input.request_hash)"
)
"""The condition on an order of ``input`` that no other request, which stored nothing, had its key.

None can have it until the end of the transaction.
"""
# A part of a statement of its own, which no plan makes a join of: an index is looked into.
IS_NAME_FREE: Final = """(
    SELECT true FROM archived_names a
    WHERE a.owner = input.owner AND a.client_order_id = input.client_order_id LIMIT 1
) IS NULL"""
"""The condition on an order of ``input`` that no archived order has its client order id."""
KEY_WAIT_S: Final = 1.0
"""How long a request that stores nothing waits for one that stores orders with the same key."""
KEY_POLL_S: Final = 0.002

# The limits as in the journal: each order is found by its index, whatever the statistics say.
_FIND_ORDERS: Final = """
SELECT o.id, o.owner, o.client_order_id, o.idempotency_key, o.request_hash, o.created_at,
    o.batch_id, o.status::text
FROM (
    SELECT * FROM unnest($1::text[], $2::text[]) AS i(owner, name) LIMIT cardinality($1::text[])
) i JOIN orders o ON o.owner = i.owner AND o.{column} = i.name
"""

_REMEMBER_KEYS: Final = """
SELECT remember_idempotency_key(owner, name, request_hash) AS is_own
FROM unnest($1::text[], $2::text[], $3::bytea[]) AS i(owner, name, request_hash)
"""

_IS_FREE: Final = "SELECT is_idempotency_key_free($1, $2, $3)"

_FIND_KEYS: Final = """
SELECT r.owner, r.idempotency_key AS name, r.request_hash, r.is_of_batch, r.order_id,
    r.order_created_at, r.order_status
FROM (
    SELECT * FROM unnest($1::text[], $2::text[]) AS i(owner, name) LIMIT cardinality($1::text[])
) i JOIN replayed_keys r ON r.owner = i.owner AND r.idempotency_key = i.name
"""

_FIND_NAMES: Final = """
SELECT n.owner, n.client_order_id AS name, n.request_hash, n.is_of_batch, n.order_id,
    n.order_created_at, n.order_status
FROM (
    SELECT * FROM unnest($1::text[], $2::text[]) AS i(owner, name) LIMIT cardinality($1::text[])
) i JOIN archived_names n ON n.owner = i.owner AND n.client_order_id = i.name
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
        # Before the orders: a batch moves its key to them. What is archived may be there, too.
        find = _FIND_KEYS if column == "idempotency_key" else _FIND_NAMES
        for row in await connection.fetch(find, owners, names):
            if row["order_id"] is None:
                earlier.keys[row["owner"], row["name"]] = row["request_hash"]
            else:
                earlier.orders[row["owner"], column, row["name"]] = _parse_archived(row)
        for row in await connection.fetch(_FIND_ORDERS.format(column=column), owners, names):
            replay = AcceptedOrder(row["id"], row["created_at"], True, Status(row["status"]))
            is_of_batch = row["batch_id"] is not None
            stored = _StoredOrder(replay, row["request_hash"], is_of_batch)
            earlier.orders[row["owner"], column, row[column]] = stored
    return earlier


def _parse_archived(row: asyncpg.Record) -> _StoredOrder:
    status = Status(row["order_status"])
    replay = AcceptedOrder(row["order_id"], row["order_created_at"], True, status)
    return _StoredOrder(replay, row["request_hash"], row["is_of_batch"])


async def find_conflict(
    connection: DatabaseConnection, order: NewOrder
) -> IdempotencyKeyReused | None:
    """Which of its keys kept an order of a batch from being stored; ``None`` if none did."""
    earlier = await find_earlier(connection, [order])
    if earlier.has_key(order):
        return build_key_reuse_error()
    return build_name_reuse_error(order) if earlier.has_client_order_id(order) else None


async def remember_keys(
    connection: DatabaseConnection, requests: Iterable[KeyedRequest]
) -> dict[KeyedRequest, EngineError]:
    """Remember the keys of requests that store nothing; not in a transaction.

    Returns the errors of those that cannot have their keys: ``IdempotencyKeyReused`` where it is
    that of another request, and ``Transient`` where others use it for longer than ``KEY_WAIT_S``.
    """
    errors: dict[KeyedRequest, EngineError] = {}
    unknown = list(dict.fromkeys(requests))
    deadline = monotonic() + KEY_WAIT_S
    while unknown:
        columns = (list(column) for column in zip(*unknown, strict=True))
        rows = await connection.fetch(_REMEMBER_KEYS, *columns)
        is_own = dict(zip(unknown, (row["is_own"] for row in rows), strict=True))
        errors |= {each: build_key_reuse_error() for each in unknown if is_own[each] is False}
        unknown = [each for each in unknown if is_own[each] is None]
        if monotonic() > deadline:
            return errors | {each: _key_is_in_use() for each in unknown}
        if unknown:
            await asyncio.sleep(KEY_POLL_S)
    return errors


async def claim_key(connection: DatabaseConnection, request: KeyedRequest) -> bool:
    """Claim a key for a request that stores something, until the end of the transaction.

    What was remembered of the same request, when it stored nothing, is forgotten. Returns whether
    no other request that stored nothing has the key.
    """
    is_free: bool = await connection.fetchval(_IS_FREE, *request)
    if is_free:
        await connection.execute(_FORGET_KEY, *request)
    return is_free


def build_key_reuse_error() -> IdempotencyKeyReused:
    """The error for a key of another request."""
    return IdempotencyKeyReused(
        "idempotency_key_reused", "this Idempotency-Key was used with a different request"
    )


def _key_is_in_use() -> Transient:
    reason = "another request with this Idempotency-Key is being stored; try again shortly"
    return Transient("busy", reason)


def build_name_reuse_error(order: NewOrder) -> IdempotencyKeyReused:
    """The error for a client order id of another order."""
    return IdempotencyKeyReused(
        "client_order_id_reused",
        f"clientOrderId {order.client_order_id!r} is already used by a different order",
    )

"""Batches as the rows that store them: each with the response to its first request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from backend.domain.errors import EngineError
from backend.domain.orders import NewOrder
from backend.store.database import DatabaseConnection
from backend.store.idempotency.earlier_requests import KeyedRequest, build_key_reuse_error

_FIND_BATCH: Final = (
    "SELECT request_hash, response FROM batches WHERE owner = $1 AND idempotency_key = $2"
)

INSERT_BATCH: Final = """
INSERT INTO batches (id, owner, idempotency_key, request_hash, response)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING id
"""


class NewBatch(NamedTuple):
    """A batch to store; ``response`` is the response to return now and for every repeat."""

    id: UUID
    owner: str
    idempotency_key: str | None
    request_hash: bytes
    response: str


class SettledBatch(NamedTuple):
    """What is stored of a batch, without the orders that a limit refuses."""

    response: str
    orders: Sequence[NewOrder]


SettleBatch = Callable[[Mapping[UUID, EngineError]], SettledBatch]
"""What remains of a batch without some orders; raises if that is nothing."""


def name_request(batch: NewBatch, key: str) -> KeyedRequest:
    """The request of a batch with its key."""
    return KeyedRequest(batch.owner, key, batch.request_hash)


async def read_batch_response(connection: DatabaseConnection, batch: NewBatch) -> str | None:
    """The response to an earlier request with the key of a batch, if there was one.

    Raises ``IdempotencyKeyReused`` if that request was different.
    """
    row = await connection.fetchrow(_FIND_BATCH, batch.owner, batch.idempotency_key)
    if row is None:
        return None
    if row["request_hash"] != batch.request_hash:
        raise build_key_reuse_error()
    return str(row["response"])


async def settle_batch(
    connection: DatabaseConnection,
    batch: NewBatch,
    orders: Sequence[NewOrder],
    refused: Mapping[UUID, EngineError],
    settle: SettleBatch | None,
) -> tuple[NewBatch, Sequence[NewOrder]]:
    """What is to be stored of a batch without the orders that a limit refuses.

    One with the key of an earlier request is as it was: it will not be stored. Raises as
    ``settle``, without which any refused order refuses the batch.
    """
    if not refused or await read_batch_response(connection, batch) is not None:
        return batch, orders
    if settle is None:
        raise next(iter(refused.values()))
    settled = settle(refused)
    return batch._replace(response=settled.response), settled.orders

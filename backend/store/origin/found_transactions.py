"""Transactions that the chain has and the journal lacks: stored, and adopted by their orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from backend.store.database import DatabasePool

ROWS_MAX: Final = 1_000

_FIND_KNOWN: Final = """ -- find known signatures
SELECT i.signature FROM (
    SELECT * FROM unnest($1::text[], $2::uuid[]) AS i(signature, order_id)
    LIMIT cardinality($1::text[])
) i JOIN order_events e ON e.order_id = i.order_id AND e.status = 'submitted'
    AND e.data->>'txHash' = i.signature
UNION ALL
SELECT i.signature FROM (
    SELECT * FROM unnest($1::text[], $2::uuid[]) AS i(signature, order_id)
    LIMIT cardinality($1::text[])
) i JOIN archived_orders a ON a.id = i.order_id
    AND (a.tx_hash = i.signature OR i.signature = ANY(a.signatures))
"""
_STORE: Final = """ -- store found transaction
INSERT INTO found_transactions (signature, wallet, slot, order_id, attempt, err, wire, changes)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING
RETURNING signature
"""
_READ_OPEN: Final = f""" -- read found transactions
SELECT signature, wallet, slot, order_id, attempt, err, wire, changes FROM found_transactions f
WHERE adopted_at IS NULL AND EXISTS (SELECT FROM orders o WHERE o.id = f.order_id)
ORDER BY order_id, attempt LIMIT {ROWS_MAX}
"""  # noqa: S608 - constants only

_READ_CHANGES: Final = """ -- read unexplained transactions
SELECT slot, changes FROM found_transactions
WHERE wallet = $1 AND slot BETWEEN $2 AND $3 AND (adopted_at IS NULL OR note IS NOT NULL)
"""


@dataclass(frozen=True, slots=True)
class FoundTransaction:
    """A transaction of an attempt that the chain has, and that the journal lacks.

    ``err`` is the node's error as JSON, if it was reverted. ``changes`` are those of the wallet's
    balances in base units by mint; the fee is in that of SOL.
    """

    signature: str
    wallet: str
    slot: int
    order_id: UUID
    attempt: int
    err: Any
    wire: bytes
    changes: Mapping[str, int]


async def find_known(
    pool: DatabasePool, signatures: Sequence[str], order_ids: Sequence[UUID]
) -> set[str]:
    """Those of some signatures that the journal has, of these orders. Raises ``Transient``."""
    rows = await pool.read(_FIND_KNOWN, signatures, order_ids)
    return {row["signature"] for row in rows}


async def store_found(pool: DatabasePool, found: FoundTransaction) -> bool:
    """Store a transaction; returns whether it was not stored before. Raises ``Transient``."""
    rows = await pool.read(
        _STORE,
        found.signature,
        found.wallet,
        found.slot,
        found.order_id,
        found.attempt,
        None if found.err is None else orjson.dumps(found.err).decode(),
        found.wire,
        orjson.dumps(found.changes).decode(),
    )
    return bool(rows)


async def read_open(pool: DatabasePool) -> list[FoundTransaction]:
    """The transactions whose orders are there and have not adopted them. Raises ``Transient``."""
    return [_parse(row) for row in await pool.read(_READ_OPEN)]


async def read_wallet_changes(
    pool: DatabasePool, wallet: str, from_slot: int, slot: int
) -> list[tuple[int, Mapping[str, int]]]:
    """What transactions without an order did to a wallet: slots and changes by mint.

    Raises ``Transient``.
    """
    rows = await pool.read(_READ_CHANGES, wallet, from_slot, slot)
    return [(row["slot"], orjson.loads(row["changes"])) for row in rows]


def _parse(row: asyncpg.Record) -> FoundTransaction:
    err, changes = row["err"], orjson.loads(row["changes"])
    return FoundTransaction(
        row["signature"],
        row["wallet"],
        row["slot"],
        row["order_id"],
        row["attempt"],
        None if err is None else orjson.loads(err),
        row["wire"],
        changes,
    )

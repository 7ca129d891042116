"""Confirmed orders whose amount is not known yet, because no node has told it.

Their events are final, so a later amount changes the row only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

import asyncpg

from backend.domain.amounts import Token
from backend.domain.tokens import TokenRegistry
from backend.store.database import DatabasePool
from backend.store.launches.tokens import parse_with_tokens

ASK_INTERVAL: Final = timedelta(seconds=5)
ASK_INTERVAL_MAX: Final = timedelta(minutes=5)
ASK_AGE_MAX: Final = timedelta(days=7)
"""A node that does not know a transaction after this time has dropped it from its history."""

# Each order is asked for again after a tenth of the time since it was confirmed. A time further
# ahead than the longest interval is from before the database's clock was set back.
_TAKE_DUE = """
UPDATE orders o
SET kick_at = now() + least(greatest((now() - o.updated_at) / 10, $2::interval), $3::interval)
WHERE o.id IN (
    SELECT id FROM orders
    WHERE amount_pending AND (kick_at <= now() OR kick_at > now() + $3::interval)
      AND updated_at > now() - $4::interval
    ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
)
RETURNING o.id, o.tx_hash, o.token_in, o.token_out, o.amount_in
"""

_STORE = """
WITH written AS MATERIALIZED (
    SELECT clock_timestamp() AS at
)
UPDATE orders o SET
    amount_out = i.amount_out, executed_price = i.executed_price,
    network_fee_lamports = coalesce(o.network_fee_lamports, 0) + i.network_fee,
    amount_pending = NULL, updated_at = (SELECT at FROM written),
    closed_at = CASE WHEN o.closed_as IS NOT NULL THEN (SELECT at FROM written) END
FROM (
    SELECT * FROM unnest($1::uuid[], $2::numeric[], $3::numeric[], $4::bigint[])
        AS i(id, amount_out, executed_price, network_fee)
    LIMIT cardinality($1::uuid[])
) i
WHERE o.id = i.id AND o.amount_pending
"""


@dataclass(frozen=True, slots=True)
class UnknownAmount:
    """A confirmed order whose amount is not known; ``amount_in`` in base units."""

    order_id: UUID
    signature: str
    token_in: Token
    token_out: Token
    amount_in: int


@dataclass(frozen=True, slots=True)
class LateAmount:
    """The amount of a confirmed order in base units, its executed price and its network fee."""

    order_id: UUID
    amount_out: int
    executed_price: str
    network_fee_lamports: int


class LateAmountStore:
    """Finds the orders without an amount, and stores amounts. Raises ``DATABASE_ERRORS``."""

    def __init__(self, pool: DatabasePool, tokens: TokenRegistry) -> None:
        self._pool = pool
        self._tokens = tokens

    async def take_due(self, limit: int) -> list[UnknownAmount]:
        """Orders that are due to be asked for; no other worker gets them for some time."""
        rows = await self._pool.fetch(_TAKE_DUE, limit, ASK_INTERVAL, ASK_INTERVAL_MAX, ASK_AGE_MAX)
        return await parse_with_tokens(self._pool, self._tokens, rows, self._parse)

    def _parse(self, row: asyncpg.Record) -> UnknownAmount:
        return UnknownAmount(
            row["id"],
            row["tx_hash"],
            self._tokens.find(row["token_in"], "token_in"),
            self._tokens.find(row["token_out"], "token_out"),
            int(row["amount_in"]),
        )

    async def store(self, amounts: Sequence[LateAmount]) -> None:
        """Store amounts; those that are known already stay as they are."""
        await self._pool.execute(
            _STORE,
            [amount.order_id for amount in amounts],
            [Decimal(amount.amount_out) for amount in amounts],
            [Decimal(amount.executed_price) for amount in amounts],
            [amount.network_fee_lamports for amount in amounts],
        )

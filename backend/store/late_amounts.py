"""Confirmed orders whose amount is not known yet, because no node has told it.

Their events are final, so a later amount changes the row only. The orders of a bracket, which sell
what its entry received, come to be in the commit that stores the amount.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

import asyncpg

from backend.domain.amounts import TransactionCosts
from backend.domain.groups.brackets import Bracket
from backend.domain.groups.children import ChildOrder
from backend.domain.orders import OrderTerms
from backend.domain.tokens import TokenRegistry
from backend.runtime import observe
from backend.store.database import DatabasePool
from backend.store.groups.bracket_rows import decode_bracket
from backend.store.groups.child_rows import build_insert, to_child_columns
from backend.store.launches.tokens import parse_with_tokens
from backend.store.leases.leased_orders import parse_terms
from backend.store.transitions import ADD_COSTS

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
RETURNING o.id, o.tx_hash, o.type::text, o.token_in, o.token_out, o.amount_in, o.min_amount_out,
          o.slippage_bps, o.max_price_impact_bps, o.condition, o.bracket,
          o.route_constraints, o.fees, o.wallet
"""

_UPDATE = f"""
UPDATE orders o SET
    amount_out = i.amount_out, executed_price = i.executed_price,
    {ADD_COSTS},
    amount_pending = NULL, updated_at = (SELECT at FROM written),
    closed_at = CASE WHEN o.closed_as IS NOT NULL THEN (SELECT at FROM written) END
FROM (
    SELECT * FROM unnest($1::uuid[], $2::numeric[], $3::numeric[],
                         $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
        AS i(id, amount_out, executed_price, network_fee, priority_fee, tip, rent)
    LIMIT cardinality($1::uuid[])
) i
WHERE o.id = i.id AND o.amount_pending
"""  # noqa: S608 - constants only
_WRITTEN = "WITH written AS MATERIALIZED (SELECT clock_timestamp() AS at)"
_STORE = f"{_WRITTEN} {_UPDATE}"
_STORE_WITH_CHILDREN = f"""
{_WRITTEN}, stored AS ({_UPDATE} RETURNING o.id, o.owner), {build_insert("stored", first=8)}
SELECT count(*) AS placed_count FROM placed
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class UnknownAmount:
    """A confirmed order whose amount is not known, with the bracket that waits for it.

    ``wallet`` is the address of the wallet that paid for it.
    """

    order_id: UUID
    signature: str
    terms: OrderTerms
    bracket: Bracket | None = None
    wallet: str | None = None


@dataclass(frozen=True, slots=True)
class LateAmount:
    """The amount of a confirmed order in base units, its executed price and its costs.

    ``children`` come to be in the commit that stores it.
    """

    order_id: UUID
    amount_out: int
    executed_price: str
    costs: TransactionCosts
    children: tuple[ChildOrder, ...] = ()


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
            parse_terms(row, self._tokens),
            None if row["bracket"] is None else decode_bracket(row["bracket"]),
            row["wallet"],
        )

    async def store(self, amounts: Sequence[LateAmount]) -> None:
        """Store amounts; those that are known already stay as they are."""
        children = [child for amount in amounts for child in amount.children]
        rows = await self._pool.fetch(
            _STORE_WITH_CHILDREN if children else _STORE,
            [amount.order_id for amount in amounts],
            [Decimal(amount.amount_out) for amount in amounts],
            [Decimal(amount.executed_price) for amount in amounts],
            *zip(*(amount.costs for amount in amounts), strict=True),
            *(to_child_columns(children) if children else ()),
        )
        for row in rows:
            observe.orders_stored(row["placed_count"])

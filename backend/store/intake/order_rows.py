"""Orders as the rows that store them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from backend.domain.orders import NewOrder, OrderTerms
from backend.store.committed_events import encode_first_data
from backend.store.waiting.condition_rows import encode_condition


def to_columns(orders: Sequence[NewOrder]) -> tuple[list[object], ...]:
    """The columns of the statement that stores orders."""
    rows = [
        (
            o.id,
            o.owner,
            o.client_order_id,
            o.idempotency_key,
            o.request_hash,
            o.batch_id,
            o.terms.type.value,
            o.terms.token_in.symbol,
            o.terms.token_out.symbol,
            Decimal(o.terms.amount_in),
            None if o.terms.min_amount_out is None else Decimal(o.terms.min_amount_out),
            o.terms.slippage_bps,
            o.terms.max_price_impact_bps,
            o.time_in_force.value,
            o.expires_at,
            encode_first_data(o),
            _encode_condition(o.terms),
            o.waits,
        )
        for o in orders
    ]
    return tuple(map(list, zip(*rows, strict=True)))


def _encode_condition(terms: OrderTerms) -> str | None:
    return None if terms.condition is None else encode_condition(terms.condition, terms.price_of)

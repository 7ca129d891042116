"""Orders as the rows that store them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from backend.domain.orders import NewOrder
from backend.store.committed_events import encode_first_data


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
        )
        for o in orders
    ]
    return tuple(map(list, zip(*rows, strict=True)))

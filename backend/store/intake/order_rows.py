"""Orders as the rows that store them, and the data of their first event."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import orjson

from backend.domain.amounts import format_amount
from backend.domain.orders import NewOrder, TimeInForce
from backend.domain.times import format_time


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
            _encode_event_data(o),
        )
        for o in orders
    ]
    return tuple(map(list, zip(*rows, strict=True)))


def _encode_event_data(order: NewOrder) -> str:
    terms = order.terms
    data: dict[str, object] = {
        "type": terms.type.value,
        "tokenIn": terms.token_in.symbol,
        "tokenOut": terms.token_out.symbol,
        "amountIn": format_amount(terms.amount_in, terms.token_in.decimals),
        "slippageBps": terms.slippage_bps,
    }
    if terms.max_price_impact_bps is not None:
        data["maxPriceImpactBps"] = terms.max_price_impact_bps
    if terms.min_amount_out is not None:
        data["minAmountOut"] = format_amount(terms.min_amount_out, terms.token_out.decimals)
    if order.time_in_force is not TimeInForce.GTC:
        data["timeInForce"] = order.time_in_force.value
    if order.expires_at is not None:
        data["expiresAt"] = format_time(order.expires_at)
    if order.batch_id is not None:
        data["batchId"] = str(order.batch_id)
    if order.client_order_id is not None:
        data["clientOrderId"] = order.client_order_id
    return orjson.dumps(data).decode()

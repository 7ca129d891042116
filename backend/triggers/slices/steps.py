"""The next step of a TWAP order: a slice to place, its end, or nothing yet. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

import orjson

from backend.domain.amounts import format_amount
from backend.domain.conditions import Limit
from backend.domain.orders import NewOrder, OrderTerms, OrderType, TimeInForce
from backend.domain.prices import PriceOf, PriceRatio
from backend.domain.waiting.slices import (
    compute_gap,
    compute_offset,
    derive_client_order_id,
    derive_slice_id,
    format_progress,
    has_ended,
    plan_next_slice,
)
from backend.store.waiting.sliced_orders import NewSlice, SlicedOrder, SlicesEnd, hash_request

PARTLY_FILLED: Final = "partly_filled"
UNFILLED: Final = "unfilled"


def plan_step(order: SlicedOrder) -> NewSlice | SlicesEnd | None:
    """The next slice, due or not; the end of the order; or ``None`` while its slices are open."""
    amount = plan_next_slice(order.plan, order.progress)
    if amount is not None:
        return _build_slice(order, amount)
    return _build_end(order) if has_ended(order.plan, order.progress) else None


def _build_slice(parent: SlicedOrder, amount: int) -> NewSlice:
    index, plan = parent.progress.placed, parent.plan
    due_at = parent.created_at + compute_offset(plan, index)
    name = derive_client_order_id(parent.id, index)
    terms = _build_terms(parent.terms, amount, plan.schedule.limit)
    expires_at = _find_expiry(parent, has_limit=terms.condition is not None)
    order = NewOrder(
        derive_slice_id(parent.id, index, due_at),
        parent.owner,
        terms,
        hash_request(name),
        name,
        time_in_force=TimeInForce.GTC if expires_at is None else TimeInForce.GTD,
        expires_at=expires_at,
        parent_id=parent.id,
    )
    data = {
        "slice": index + 1,
        "childId": str(order.id),
        "amountIn": format_amount(amount, terms.token_in.decimals),
    }
    return NewSlice(parent, order, orjson.dumps(data).decode(), compute_gap(plan, index))


def _build_terms(terms: OrderTerms, amount: int, limit: PriceRatio | None) -> OrderTerms:
    if limit is None:
        return replace(
            terms,
            type=OrderType.MARKET,
            amount_in=amount,
            condition=None,
            price_of=PriceOf.TOKEN_IN,
        )
    return replace(
        terms,
        type=OrderType.LIMIT,
        amount_in=amount,
        condition=Limit(limit),
        min_amount_out=limit.min_amount_out(amount),
    )


def _find_expiry(parent: SlicedOrder, *, has_limit: bool) -> datetime | None:
    """A slice expires with its parent; with a limit, so that its amount can go to the rest."""
    if not has_limit:
        return parent.expires_at
    limited_to = parent.at + parent.plan.schedule.limit_time
    return limited_to if parent.expires_at is None else min(limited_to, parent.expires_at)


def _build_end(order: SlicedOrder) -> SlicesEnd:
    progress, terms = order.progress, order.terms
    tokens = terms.token_in, terms.token_out
    data = format_progress(progress, terms.amount_in, tokens, terms.price_of)
    if progress.filled_amount_in == terms.amount_in:
        return SlicesEnd(order, orjson.dumps(data).decode(), None)
    code = PARTLY_FILLED if progress.filled_amount_in else UNFILLED
    reason = f"all {progress.placed} slices have ended, and {data['leavesAmountIn']} is not filled"
    failure = {"code": code, "reason": reason, **data}
    return SlicesEnd(order, orjson.dumps(failure).decode(), f"{code}: {reason}")

"""An order that waits as the fields of the form, and what a changed form changes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tui.model.conditions import SNIPER, TOKEN_IN, TWAP, format_trail
from tui.model.orders import WAITING, Order
from tui.model.plan.batch_plan import DEFAULTS
from tui.model.plan.condition_plan import SLIPPAGE, TRIGGER_SLIPPAGE
from tui.model.wire import WireOrderTerms
from tui.settings import BatchForm
from tui.text.format import format_timestamp

AMOUNT_DECIMALS: Final = 18
"""An amount that another client has written may have more decimals than the form's own."""
_NEVER_AMENDED: Final = frozenset({TWAP, SNIPER})
_WIRE_NAMES: Final = {
    "low": "amount",
    "limit": "limitPrice",
    "trigger": "triggerPrice",
    "activation": "activationPrice",
    "trail": "trailBps",
    "price_of": "priceOf",
    "minimum": "minAmountOut",
    SLIPPAGE: "slippageBps",
    TRIGGER_SLIPPAGE: "slippageBps",
    "impact": "maxPriceImpactBps",
    "confirmations": "confirmations",
    "then": "then",
    "until": "expiresAt",
}
"""The fields that can be amended, and their names on the wire."""


def explain_refusal(order: Order) -> str:
    """Why an order cannot be amended; empty if it can."""
    if order.status != WAITING:
        return f"{order.short_id} is {order.status}: only what waits can be amended"
    if order.type in _NEVER_AMENDED:
        return f"{order.short_id} is of type {order.type}: cancel it and place another"
    return ""


def build_form(order: Order) -> BatchForm:
    """The fields of the form for an order as it is."""
    is_sell = order.pair.side == "sell"
    tokens = (order.token_in, order.token_out) if is_sell else (order.token_out, order.token_in)
    form = {
        **DEFAULTS,
        "count": "1",
        "pairs": "/".join(tokens),
        "side": order.pair.side,
        "type": order.type,
        "of": "in",
        SLIPPAGE: _to_percent(order.slippage_bps),
        TRIGGER_SLIPPAGE: _to_percent(order.slippage_bps),
        "impact": _to_percent(order.max_price_impact_bps),
        "minimum": order.min_amount_out or "",
        "force": "gtc" if order.expires_ms is None else "gtd",
        "until": "" if order.expires_ms is None else format_timestamp(order.expires_ms),
        "low": order.share or order.amount_in,
        "high": order.share or order.amount_in,
    }
    condition = order.condition
    if condition is not None:
        is_of_base = (condition.price_of == TOKEN_IN) == is_sell
        form |= {
            "limit": condition.limit_price or "",
            "trigger": condition.trigger_price or "",
            "activation": condition.activation_price or "",
            "trail": _to_percent(condition.trail_bps),
            "confirmations": str(condition.confirmations or ""),
            "then": condition.then or DEFAULTS["then"],
            "price_of": "base" if is_of_base else "quote",
        }
    return form


def build_changes(
    terms: WireOrderTerms, form: Mapping[str, str], before: Mapping[str, str]
) -> dict[str, Any]:
    """What a form changes of an order: ``terms`` are those of the form, ``before`` its old fields.

    What was emptied is null.
    """
    return {
        wire: terms.get(wire)
        for field, wire in _WIRE_NAMES.items()
        if form[field].strip() != before[field].strip()
    }


def _to_percent(bps: int | None) -> str:
    return "" if bps is None else format_trail(bps)

"""Says of an order that is being prepared whether it would wait, compared with the market now."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, cast

from tui.model.conditions import (
    HAVE_ONE_ATTEMPT,
    LIMIT_TYPES,
    RISING_TYPES,
    TOKEN_IN,
    TWAP,
    compute_trail_trigger,
    format_trail,
    name_price_unit,
)
from tui.model.pairs import resolve_pair
from tui.model.wire import WireOrderTerms
from tui.text.format import format_price

_NAMES: Final = {
    "limit": "limit",
    "stop": "stop",
    "stopLimit": "stop",
    "takeProfit": "take-profit",
    TWAP: "limit",
}
_AT_ONCE: Final = "trigger at once"
_EQUAL_BELOW: Final = Decimal("0.0005")
"""A price that differs by less from the market's is called the same."""


def has_sense(order: WireOrderTerms) -> bool:
    """Whether an order, or what follows it, waits for a price."""
    prices = ("limitPrice", "triggerPrice", "trailBps", "bracket")
    return any(name in order for name in prices)


def describe_senses(order: WireOrderTerms, executable_price: Decimal) -> list[str]:
    """Compare an order, and the legs of its bracket, with the market.

    The legs swap back what the order receives, so they are compared the other way round.
    """
    senses = [describe_sense(order, executable_price)]
    if executable_price > 0:
        for name, leg in order.get("bracket", {}).items():
            is_trailing = name == "stop" and "trailBps" in leg
            terms: dict[str, Any] = {
                "tokenIn": order["tokenOut"],
                "tokenOut": order["tokenIn"],
                "amount": "0",
                "type": "trailingStop" if is_trailing else name,
                **leg,
            }
            sense = describe_sense(cast(WireOrderTerms, terms), 1 / executable_price)
            sense = sense.replace("this ", "its ", 1).replace("it would", "its stop would", 1)
            if sense.endswith(_AT_ONCE):
                sense += f": {_describe_exit_ways(terms)}"
            senses.append(sense)
    return [sense for sense in senses if sense]


def _describe_exit_ways(leg: Mapping[str, Any]) -> str:
    """On which sides of the market the legs of a bracket lie: ``leg`` is either of them."""
    token_in, token_out, price_of = leg["tokenIn"], leg["tokenOut"], leg.get("priceOf", TOKEN_IN)
    ways = ("above", "below") if price_of == TOKEN_IN else ("below", "above")
    entry_side = resolve_pair(token_out, token_in).side
    unit = name_price_unit(price_of, token_in, token_out)
    return f"of a {entry_side} the profit lies {ways[0]}, the stop {ways[1]}, in {unit}"


def describe_sense(order: WireOrderTerms, executable_price: Decimal) -> str:
    """Compare what an order waits for with the market; empty for one that does not wait.

    ``executable_price`` is what the best route pays for its whole amount, in tokens out for one in.
    """
    if executable_price <= 0:
        return ""
    is_of_token_in = order.get("priceOf", TOKEN_IN) == TOKEN_IN
    market = executable_price if is_of_token_in else 1 / executable_price
    order_type = order.get("type", "market")
    if order_type == "trailingStop":
        return _describe_trailing(order, market, is_cost=not is_of_token_in)
    is_limit = order_type in LIMIT_TYPES
    awaited = order.get("limitPrice") if is_limit else order.get("triggerPrice")
    if order_type not in _NAMES or awaited is None:
        return ""
    price = Decimal(awaited)
    is_at_least = (is_limit or order_type in RISING_TYPES) == is_of_token_in
    is_met = market >= price if is_at_least else market <= price
    distance = _describe_distance(price, market)
    outcome = _describe_outcome(order, is_limit=is_limit, is_met=is_met)
    return f"this {_NAMES[order_type]} is {distance} and would {outcome}{_describe_limit(order)}"


def _describe_outcome(order: WireOrderTerms, *, is_limit: bool, is_met: bool) -> str:
    if is_met:
        return "fill now" if is_limit else _AT_ONCE
    has_one_attempt = order.get("timeInForce") in HAVE_ONE_ATTEMPT
    return "expire unfilled" if has_one_attempt else "wait"


def _describe_limit(order: WireOrderTerms) -> str:
    """A warning of a limit that cannot be had at the trigger: it would wait for a better price."""
    limit, trigger = order.get("limitPrice"), order.get("triggerPrice")
    if limit is None or trigger is None:
        return ""
    is_cost = order.get("priceOf") not in (None, TOKEN_IN)
    is_beyond = Decimal(limit) < Decimal(trigger) if is_cost else Decimal(limit) > Decimal(trigger)
    return "; its limit is better than its trigger and may not be had then" if is_beyond else ""


def _describe_trailing(order: WireOrderTerms, market: Decimal, *, is_cost: bool) -> str:
    trail_bps, activation = order.get("trailBps", 0), order.get("activationPrice")
    if activation is not None:
        start = Decimal(activation)
        if start < market if is_cost else start > market:
            return f"it begins to trail {_describe_distance(start, market)}"
    price_of = order.get("priceOf", TOKEN_IN)
    trigger = compute_trail_trigger(market, trail_bps, price_of)
    unit = name_price_unit(price_of, order["tokenIn"], order["tokenOut"])
    way = "above" if is_cost else "below"
    return (
        f"it would trigger at {format_price(trigger)} {unit} or later,"
        f" {format_trail(trail_bps)} % {way} the best from now on"
    )


def _describe_distance(price: Decimal, market: Decimal) -> str:
    gap = price / market - 1
    if abs(gap) < _EQUAL_BELOW:
        return "at the market"
    return f"{abs(gap) * 100:.1f} % {'above' if gap > 0 else 'below'} the market"

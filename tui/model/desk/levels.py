"""The prices of orders that wait, on a chart, in quote tokens for one base token."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from tui.model.conditions import TOKEN_IN, compute_trail_trigger
from tui.model.orders import WAITING, Order
from tui.model.pairs import PairTokens


class Level(NamedTuple):
    """The price at which an order stands that waits; ``None`` if it has none.

    ``follows`` is the mark that a trailing stop follows.
    """

    order: Order
    price: Decimal | None
    follows: Decimal | None = None


def list_levels(orders: Iterable[Order], pair: PairTokens) -> list[Level]:
    """The orders of a pair that wait, those with the highest prices first, and last those without.

    What is in flight stands at no price.
    """
    levels = [_find_level(order, pair) for order in orders if _is_of(order, pair)]
    return sorted(levels, key=lambda level: (level.price is None, -(level.price or 0)))


def _is_of(order: Order, pair: PairTokens) -> bool:
    return order.status == WAITING and {order.token_in, order.token_out} == {*pair}


def _find_level(order: Order, pair: PairTokens) -> Level:
    condition = order.condition
    if order.slices is not None and order.slices.average_price is not None:
        average = Decimal(order.slices.average_price)
        if condition is None:
            return Level(order, _turn(average, order.token_in == pair.base))
    if condition is None:
        return Level(order, None)
    is_of_base = (condition.price_of == TOKEN_IN) == (order.token_in == pair.base)
    if condition.trail_bps is not None:
        best = None if order.distance is None else order.distance.highest_price
        if best is None:
            start = condition.activation_price
            return Level(order, None if start is None else _turn(Decimal(start), is_of_base))
        mark = Decimal(best)
        trigger = compute_trail_trigger(mark, condition.trail_bps, condition.price_of)
        return Level(order, _turn(trigger, is_of_base), _turn(mark, is_of_base))
    is_limit = condition.is_limit(is_triggered=order.is_triggered)
    limit, trigger_price = condition.limit_price, condition.trigger_price
    price = (limit or trigger_price) if is_limit else (trigger_price or limit)
    return Level(order, None if price is None else _turn(Decimal(price), is_of_base))


def _turn(price: Decimal, is_of_base: bool) -> Decimal | None:
    """A price in quote tokens, from one that may be in base tokens."""
    if is_of_base:
        return price
    return 1 / price if price else None

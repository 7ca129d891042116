"""The cell of the order table that says where an order is executed, at three widths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tui.model.orders import Order
from tui.model.routes.legs import Leg
from tui.text.format import Span, format_share
from tui.text.symbols import Symbols

SHARES_CELLS: Final = 27
_SHORT_NAME: Final = 3
"""Characters of the name of an exchange where there is no room for all of it."""


def format_venue_short(order: Order, _now_ms: int, symbols: Symbols) -> Span:
    """``raydium``; ``ray +1`` for two legs."""
    return _format_venue(order, symbols, _SHORT_NAME)


def format_venue(order: Order, _now_ms: int, symbols: Symbols) -> Span:
    """``raydium``; ``raydium +1`` for two legs."""
    return _format_venue(order, symbols, None)


def format_shares(order: Order, now_ms: int, symbols: Symbols) -> Span:
    """``raydium 62% · meteora 38%``, ``raydium → meteora`` for legs that follow each other."""
    if order.leg_count < 2 or order.route is None:
        return format_venue(order, now_ms, symbols)
    legs = order.route.legs
    for text in _describe_legs(legs, order, symbols):
        if len(text) <= SHARES_CELLS:
            return Span(text)
    return format_venue(order, now_ms, symbols)


def _format_venue(order: Order, symbols: Symbols, name_cells: int | None) -> Span:
    if not order.dex:
        return Span(symbols.dot, "muted")
    others = order.leg_count - 1
    return Span(f"{order.dex[:name_cells]} +{others}" if others > 0 else order.dex)


def _describe_legs(legs: tuple[Leg, ...], order: Order, symbols: Symbols) -> Iterator[str]:
    """Descriptions of several legs, the longest first."""
    if all((leg.token_in, leg.token_out) == (order.token_in, order.token_out) for leg in legs):
        yield f" {symbols.dot} ".join(_name_share(leg, None) for leg in legs)
        yield f" {symbols.dot} ".join(_name_share(leg, _SHORT_NAME) for leg in legs)
    elif len({leg.token_in for leg in legs}) == len(legs):
        yield f" {symbols.arrow} ".join(leg.venue.dex for leg in legs)
        yield f" {symbols.arrow} ".join(leg.venue.dex[:_SHORT_NAME] for leg in legs)


def _name_share(leg: Leg, name_cells: int | None) -> str:
    name = leg.venue.dex[:name_cells]
    return name if leg.share is None else f"{name} {format_share(leg.share)}"

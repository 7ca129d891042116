"""The route of an order as lines: its legs, what splitting it brought, and the pools' quotes."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from tui.model.orders import Order
from tui.model.pairs import shorten_token
from tui.model.routes.legs import Leg, group_by_path
from tui.model.routes.quotes import MissingQuote, Quote
from tui.model.routes.route import Route
from tui.output.timeline import TextContext
from tui.text.format import (
    Line,
    Span,
    fit_text,
    format_exact,
    format_percent,
    format_price,
    format_share,
    sanitize_text,
    shorten_text,
    wrap_text,
)

_NAME_CELLS: Final = 15
_CODE_CELLS: Final = 21
_TABLE_CELLS: Final = 38
"""Cells of a line of the tables without the address of its pool."""
_POOL_CELLS_MIN: Final = 9
_POOL_CELLS: Final = 17
"""Cells of an address for which there is no room in full."""


def render_route(order: Order, context: TextContext) -> Iterator[Line]:
    """Render the legs of the latest routing and what they pay; nothing of a record without legs."""
    route = order.route
    if route is None or not route.leg_venues:
        return
    yield [Span(f"{'ROUTE':<17}{'share':>7}{'fee':>7}{'impact':>7}", "title")]
    paths = group_by_path(route.legs, order.token_in, order.token_out)
    for tokens, legs in paths:
        if tokens and (len(paths) > 1 or len(tokens) > 2):
            arrow = f" {context.symbols.arrow} "
            yield [Span(f"  {arrow.join(map(shorten_token, tokens))}", "strong")]
        for leg in legs:
            yield from _render_leg(leg, context)
    for text in (_describe_gain(route), _describe_residuals(route)):
        for line in wrap_text(text, context.cells - 2) if text else ():
            yield [Span(f"  {line}", "muted")]
    yield from _render_floor(order)


def _render_leg(leg: Leg, context: TextContext) -> Iterator[Line]:
    share = "" if leg.share is None else format_share(leg.share)
    yield [
        Span(f"  {fit_text(leg.venue.name, _NAME_CELLS)}"),
        Span(f"{share:>7}", "strong"),
        Span(f"{_format_rate(leg.fee):>7}{_format_rate(leg.impact):>7}", "muted"),
    ]
    amount_in = f"{format_exact(leg.amount_in)} {shorten_token(leg.token_in)}"
    amount_out = f"{format_exact(leg.amount_out)} {shorten_token(leg.token_out)}"
    amounts = wrap_text(f"{amount_in} {context.symbols.arrow} {amount_out}", context.cells - 2)
    lines = [[Span(f"  {text}")] for text in amounts]
    room = context.cells - len(amounts[-1]) - 4
    if room < _POOL_CELLS_MIN:
        lines.append([])
        room = context.cells - 2
    lines[-1].append(Span(f"  {_fit_pool(leg.venue.pool, room, context)}", "muted"))
    yield from lines


def _fit_pool(pool: str, cells: int, context: TextContext) -> str:
    """The whole address if there is room, else both of its ends."""
    if len(pool) <= cells:
        return pool
    return shorten_text(pool, max(min(cells, _POOL_CELLS), 3), context.symbols.more)


def _format_rate(rate: Decimal | None) -> str:
    return "" if rate is None else format_percent(rate)


def _describe_gain(route: Route) -> str:
    """The price impact of several legs together, and what they pay beyond the best single pool."""
    if len(route.leg_venues) < 2:
        return ""
    parts = [] if route.impact is None else [f"price impact {format_percent(route.impact)}"]
    bps = route.improvement_bps
    if bps is not None:
        comparison = "better" if bps >= 0 else "worse"
        parts.append(f"{abs(bps):.1f} bps {comparison} than the best single pool")
    return ", ".join(parts)


def _describe_residuals(route: Route) -> str:
    """What is expected to stay in the wallet of the tokens that the route leads through."""
    amounts = [f"{format_exact(amount)} {shorten_token(name)}" for name, amount in route.residuals]
    return f"leaves about {' and '.join(amounts)}" if amounts else ""


def _render_floor(order: Order) -> Iterator[Line]:
    if order.route_min_out is not None:
        floor = format_exact(order.route_min_out)
        as_asked = ", as asked" if order.min_amount_out == order.route_min_out else ""
        yield [Span(f"  at least {floor} {order.token_out[:8]}{as_asked}", "muted")]


def render_quotes(order: Order, context: TextContext) -> Iterator[Line]:
    """Render the quotes that the route was chosen from; of pools, those that pay most first."""
    route = order.route
    if route is None:
        return
    quotes = route.quotes
    if route.has_pools:
        yield from _render_pools(order, route, context)
    elif quotes:
        yield from _render_exchanges(order, route, context)
    gap = route.gap
    if gap is not None and len(route.leg_venues) < 2:
        yield [Span(f"  {route.main_venue.name} pays {gap.bps:.1f} bps more", "muted")]
    if not route.leg_venues:
        yield from _render_floor(order)


def _render_pools(order: Order, route: Route, context: TextContext) -> Iterator[Line]:
    """A line for each pool, with its address where the width allows it."""
    room = context.cells - _TABLE_CELLS - 2
    has_address = room >= _POOL_CELLS_MIN
    title = f"{'QUOTES':<17}{'price':>9}{'fee':>5}{'impact':>7}"
    yield [Span(f"{title}  pool" if has_address else title, "title")]
    quotes = sorted(route.quotes, key=lambda quote: quote.amount_out, reverse=True)
    lines = [(quote.venue, _render_pool(order, route, quote, context)) for quote in quotes]
    lines += [(each.venue, _render_missing_pool(each, context)) for each in route.missing]
    for venue, line in lines:
        if has_address and venue.pool:
            line.append(Span(f"  {_fit_pool(venue.pool, room, context)}", "muted"))
        yield line
    if route.left_out:
        pools = "1 pool was" if route.left_out == 1 else f"{route.left_out} pools were"
        yield [Span(f"  {pools} not quoted", "muted")]


def _render_pool(order: Order, route: Route, quote: Quote, context: TextContext) -> Line:
    mark, role = (context.symbols.winner, "strong") if route.uses(quote.venue) else (" ", "")
    return [
        Span(f"{mark} {fit_text(quote.venue.name, _NAME_CELLS)}", role),
        Span(f"{_format_quoted_price(order, quote, context):>9}"),
        Span(f"{format_percent(quote.fee):>6}{format_percent(quote.impact):>6}", "muted"),
    ]


def _render_missing_pool(missing: MissingQuote, context: TextContext) -> Line:
    mark = context.symbols.status["failed"]
    code = f"{sanitize_text(missing.code):<{_CODE_CELLS}}"
    return [Span(f"{mark} {fit_text(missing.venue.name, _NAME_CELLS)}{code}", "worse")]


def _render_exchanges(order: Order, route: Route, context: TextContext) -> Iterator[Line]:
    """A line for each exchange: what there is of an order that was routed by them alone."""
    yield [Span(f"{'QUOTES':<13}{'price':>9}{'fee':>8}{'impact':>8}", "title")]
    for quote in route.quotes:
        is_used = route.uses(quote.venue)
        mark, role = (context.symbols.winner, "strong") if is_used else (" ", "")
        yield [
            Span(f"{mark} {quote.venue.name:<11}", role),
            Span(f"{_format_quoted_price(order, quote, context):>9}"),
            Span(f"{format_percent(quote.fee):>8}{format_percent(quote.impact):>8}", "muted"),
        ]
    for missing in route.missing:
        yield [Span(f"  {missing.venue.name:<11}{sanitize_text(missing.code)}", "worse")]


def _format_quoted_price(order: Order, quote: Quote, context: TextContext) -> str:
    price = order.pair.price(Decimal(order.amount_in), quote.amount_out)
    return context.symbols.dash if price is None else format_price(price)

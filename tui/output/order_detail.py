"""The detail of one order as lines: timeline, route, execution, failure and identifiers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final

from tui.model.counts.rates import Rates
from tui.model.orders import Order
from tui.model.routes.quotes import BPS
from tui.output.cancellation import describe_cancelled_slices, describe_sold
from tui.output.failure_advice import get_advice
from tui.output.order_condition import render_condition, render_expiry
from tui.output.order_route import render_quotes, render_route
from tui.output.order_waiting import render_relatives, render_waiting
from tui.output.timeline import TextContext, render_timeline
from tui.table.columns import LOSS_MIN_BPS
from tui.text.format import (
    Line,
    Span,
    format_exact,
    format_percent,
    format_price,
    format_time_of_day,
    sanitize_text,
    shorten_text,
    wrap_text,
)

_SOL_DECIMALS: Final = 9
_SHORT_CELLS: Final = 17
_LONG_CELLS: Final = 88
"""From this width on, signatures are shown in full."""


def render_order_detail(order: Order, rates: Rates, context: TextContext) -> list[Line]:
    """Render an order in full, its sections separated by empty lines."""
    sections = [
        [
            *_render_head(order, context),
            *render_condition(order, context),
            *render_waiting(order, context),
            *render_relatives(order, context),
            *render_expiry(order, context),
        ],
        list(_render_timeline(order, rates, context)),
        *(list(render(order, context)) for render in _SECTIONS),
    ]
    lines: list[Line] = []
    for section in filter(None, sections):
        lines += [[], *section] if lines else section
    return lines


def _render_head(order: Order, context: TextContext) -> Iterator[Line]:
    pair = order.pair
    amount = describe_sold(order)
    yield [
        Span(order.short_id, "strong"),
        Span(f"  {pair.side} {pair.name}", pair.side),
        Span(f"  {amount}", "strong"),
    ]
    properties = [order.type]
    if order.condition is None:  # else it is said with what it becomes
        slippage = format_percent(Decimal(order.slippage_bps) / BPS)
        properties.append(f"slippage {context.symbols.at_most} {slippage}")
    dot = f" {context.symbols.dot} "
    yield [
        Span(f"{context.symbols.status[order.status]} {order.status}", order.status),
        Span(dot + dot.join(properties), "muted"),
    ]


def _render_timeline(order: Order, rates: Rates, context: TextContext) -> Iterator[Line]:
    if order.has_full_history:
        yield from render_timeline(order, rates, context)
    else:
        yield [Span("TIMELINE", "title")]
        yield [Span("the steps of this order are being loaded", "muted")]


def _render_execution(order: Order, context: TextContext) -> Iterator[Line]:
    price = order.price
    if order.amount_out is None or price is None:
        if order.status == "confirmed":
            yield [Span("EXECUTED  ", "title"), Span("amount not known yet", "muted")]
        return
    received = f"{format_exact(order.amount_out)} {order.token_out[:8]}"
    place = f"in {order.leg_count} pools" if order.leg_count > 1 else f"on {order.dex}"
    yield [Span("EXECUTED  ", "title"), Span(received, "strong"), Span(f" {place}")]
    yield [Span(f"  at {format_price(price)} {order.pair.quote} per {order.pair.base}")]
    improvement_bps = order.improvement_bps
    if improvement_bps is not None:
        comparison = "better" if improvement_bps >= 0 else "worse"
        role = "worse" if improvement_bps <= -LOSS_MIN_BPS else "muted"
        yield [Span(f"  {abs(improvement_bps):.1f} bps {comparison} than its quote", role)]


def _render_costs(order: Order, context: TextContext) -> Iterator[Line]:
    """The fees: the network's of every attempt that landed, the venue's of what was executed."""
    route = order.route
    fees = route.fees if route is not None and order.status == "confirmed" else ()
    if not fees and not order.network_fee_lamports:
        return
    yield [Span("FEES", "title")]
    recipient = "the pools" if order.leg_count > 1 else order.dex
    for token, amount in fees:
        yield [Span(f"  {format_exact(amount)} {token[:8]}"), Span(f" to {recipient}", "muted")]
    for lamports, purpose in (
        (order.network_fee_lamports, "to the network"),
        (order.tip_lamports, "as a tip"),
        (order.rent_lamports, "as rent of new token accounts"),
    ):
        if lamports:
            sol = Decimal(lamports).scaleb(-_SOL_DECIMALS)
            yield [Span(f"  {sol.normalize():f} SOL"), Span(f" {purpose}", "muted")]


def _render_failure(order: Order, context: TextContext) -> Iterator[Line]:
    failure = order.failure
    if failure is None:
        return
    title, role = _FAILURE_TITLES.get(order.status, ("LAST ATTEMPT", "failed"))
    yield [Span(f"{title}  ", "title"), Span(sanitize_text(failure.code), role)]
    code_advice = get_advice(failure.code)
    meaning = code_advice.meaning
    if order.status == "cancelled" and context.groups is not None:
        meaning = describe_cancelled_slices(order, context.groups) or meaning
    for text, role in ((meaning, ""), (failure.reason, "muted")):
        for line in wrap_text(text, context.cells - 2) if text else ():
            yield [Span(f"  {line}", role)]
    if order.status == "failed":
        for number, line in enumerate(wrap_text(code_advice.action, context.cells - 4)):
            yield [Span(f"  {' ' if number else context.symbols.arrow} {line}", "action")]


def _render_deadline(order: Order, context: TextContext) -> Iterator[Line]:
    """Until when the transaction of an order that is submitted can land."""
    if order.status == "submitted" and order.may_land_until is not None:
        yield [Span("MAY LAND  ", "title"), Span(f"up to block height {order.may_land_until:,}")]


def _render_identifiers(order: Order, context: TextContext) -> Iterator[Line]:
    id_cells, more = context.cells - 7, context.symbols.more
    if order.tx_hash is not None:
        cells = id_cells if id_cells >= _LONG_CELLS else _SHORT_CELLS
        yield _render_identifier("TX", shorten_text(order.tx_hash, cells, more), "t copies")
    yield [Span("ID ", "title"), Span(order.id)]
    if order.batch_id is not None:
        yield _render_identifier(
            "BATCH", f"#{order.batch_id[-4:]}", f"/ batch:{order.batch_id[-4:]}"
        )
    if order.client_order_id is not None:
        name = sanitize_text(order.client_order_id)
        yield _render_identifier("YOURS", shorten_text(name, id_cells, more), "")
    yield _render_identifier("AT", format_time_of_day(order.created_ms, context.timezone), "")


def _render_identifier(title: str, text: str, hint: str) -> Line:
    return [Span(f"{title:<7}", "title"), Span(text), Span(f"  {hint}" if hint else "", "muted")]


_FAILURE_TITLES: Final = {"failed": ("ERROR", "failed"), "cancelled": ("CANCELLED", "cancelled")}
_SECTIONS: Final[tuple[Callable[[Order, TextContext], Iterator[Line]], ...]] = (
    render_route,
    render_quotes,
    _render_execution,
    _render_costs,
    _render_failure,
    _render_deadline,
    _render_identifiers,
)

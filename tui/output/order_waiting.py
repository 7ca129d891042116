"""What an order that waits is told of, as lines of its detail: distance, slices, guards, relatives.

A relative is the other order of an OCO, a parent or a child.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from tui.model.conditions import (
    SNIPER,
    TOKEN_IN,
    compute_trail_trigger,
    describe_awaited,
    format_trail,
    format_written_price,
    name_price_unit,
)
from tui.model.orders import Order
from tui.model.waiting import Distance, Relations, Slices
from tui.output.cancellation import describe_sold
from tui.output.failure_meanings import MEANINGS
from tui.output.timeline import TextContext
from tui.text.format import (
    SECOND_MS,
    Line,
    Span,
    draw_bar,
    format_exact,
    format_price,
    format_time_left,
    format_time_of_day,
    sanitize_text,
    wrap_text,
)
from tui.text.symbols import STATUSES, Symbols

TITLE_CELLS: Final = 10
_BAR_CELLS: Final = 20
_BAR_REST_CELLS: Final = TITLE_CELLS + 16
_CHILDREN_MAX: Final = 4
"""More children than these are counted by status."""


def render_waiting(order: Order, context: TextContext) -> Iterator[Line]:
    """Render how far the market is from what the order waits for, and what it was seen at.

    First what it waits for before anything is signed, if it does.
    """
    if order.outage is not None:
        code, since_ms = order.outage
        meaning = MEANINGS.get(code) or sanitize_text(code)
        since = format_time_of_day(since_ms, context.timezone)
        yield from render_wrapped("OUTAGE", f"{meaning}, since {since}", "failed", context)
    if order.distance is not None and order.status == "waiting":
        for title, text in _describe_distance(order, order.distance):
            yield from render_wrapped(title, text, "", context)
    if order.slices is not None:
        yield from _render_slices(order, order.slices, context)
    if order.guards:
        guards = ", ".join(_describe_guard(name, value) for name, value in order.guards)
        title = "GUARDS" if order.type == SNIPER else "ROUTED"
        yield from render_wrapped(title, guards, "", context)


def render_relatives(order: Order, context: TextContext) -> Iterator[Line]:
    """Render the other order of an OCO, the parent, and the children or what is to become them."""
    groups, relations = context.groups, order.relations
    if groups is None:
        return
    sibling = groups.find_sibling(order)
    if sibling is not None:
        yield from _render_relative("OCO WITH", sibling, context)
    parent = groups.find_parent(order)
    if parent is not None:
        yield from _render_relative("PARENT", parent, context)
    elif order.parent_id is not None:
        yield from render_wrapped("PARENT", order.parent_id, "", context)
    children = groups.list_children(order)
    if len(children) > _CHILDREN_MAX:
        counts = Counter(child.status for child in children)
        yield [
            Span(f"{'CHILDREN':<{TITLE_CELLS}}", "title"),
            *(
                Span(f"{context.symbols.status[status]} {counts[status]:,} {status}  ", status)
                for status in STATUSES
                if counts[status]
            ),
        ]
    else:
        for number, child in enumerate(children):
            yield from _render_relative("" if number else "CHILDREN", child, context)
    if relations is not None and relations.bracket and not children:
        text = describe_bracket(order, relations, context.symbols)
        yield from render_wrapped("BRACKET", text, "waiting" if not order.is_end else "", context)


def describe_bracket(order: Order, relations: Relations, symbols: Symbols) -> str:
    """What follows an entry that is filled: ``take-profit ≥ 160, stop ≤ 140 USDC per SOL``."""
    legs = relations.bracket or {}
    texts = []
    for name, label in (("takeProfit", "take-profit"), ("stop", "stop")):
        leg: Mapping[str, Any] | None = legs.get(name)
        if not leg:
            continue
        trail, price = leg.get("trailBps"), leg.get("triggerPrice")
        if trail is not None:
            texts.append(f"{label} trails {format_trail(trail)} %")
        elif price is not None:
            is_of_sold = leg.get("priceOf", TOKEN_IN) == TOKEN_IN
            is_at_least = (name == "takeProfit") == is_of_sold
            sign = symbols.at_least if is_at_least else symbols.at_most
            # What a leg sells is what the entry receives.
            unit = name_price_unit(leg.get("priceOf", TOKEN_IN), order.token_out, order.token_in)
            texts.append(f"{label} {sign} {format_written_price(price)} {unit}")
    return ", ".join(texts)


def describe_awaited_order(order: Order, symbols: Symbols) -> str:
    """What an order waits for, in a few words; empty for one that waits for nothing."""
    if order.condition is None:
        return ""
    return describe_awaited(
        order.condition,
        order.token_in,
        order.token_out,
        symbols,
        is_triggered=order.is_triggered,
    )


def render_wrapped(title: str, text: str, role: str, context: TextContext) -> Iterator[Line]:
    """Render a text behind its title, on as many lines as it needs."""
    for number, line in enumerate(wrap_text(text, context.cells - TITLE_CELLS)):
        yield [Span(f"{'' if number else title:<{TITLE_CELLS}}", "title"), Span(line, role)]


def _describe_distance(order: Order, distance: Distance) -> Iterator[tuple[str, str]]:
    condition = order.condition
    price_of = TOKEN_IN if condition is None else condition.price_of
    unit = name_price_unit(price_of, order.token_in, order.token_out)
    market = f"{format_written_price(distance.executable_price)} {unit}"
    if distance.distance_bps is not None:
        percent = f"{abs(Decimal(distance.distance_bps)) / 100:.2f} %"
        text = f"{percent} to go" if distance.distance_bps > 0 else f"met, by {percent}"
        yield "DISTANCE", f"{text}; the market is at {market}"
    else:
        yield "MARKET", market
    if distance.highest_price is not None and condition is not None and condition.trail_bps:
        high = Decimal(distance.highest_price)
        trigger = compute_trail_trigger(high, condition.trail_bps, price_of)
        best = format_written_price(distance.highest_price)
        yield "BEST", f"{best} so far, so it triggers at {format_price(trigger)} {unit}"
    elif distance.best_price is not None:
        yield "BEST", f"{format_written_price(distance.best_price)} since it was placed"


def _render_slices(order: Order, slices: Slices, context: TextContext) -> Iterator[Line]:
    symbols = context.symbols
    cells = max(min(_BAR_CELLS, context.cells - _BAR_REST_CELLS), 0)
    bar = draw_bar(slices.share_placed, cells, symbols.full, symbols.empty)
    yield [
        Span(f"{'SLICES':<{TITLE_CELLS}}", "title"),
        Span(bar, order.status),
        Span(f" {slices.placed:,} of {slices.slice_count:,}", "strong"),
    ]
    token_in, token_out = order.token_in[:8], order.token_out[:8]
    told = Decimal(slices.filled_amount_in)
    amount = told if context.groups is None else context.groups.sum_filled(order)
    filled = f"{format_exact(f'{amount:f}')} of {format_exact(order.amount_in)} {token_in}"
    if slices.amount_out is not None and amount == told:
        filled += f", for {format_exact(slices.amount_out)} {token_out}"
    yield from render_wrapped("FILLED", filled, "", context)
    if slices.average_price is not None:
        price_of = TOKEN_IN if order.condition is None else order.condition.price_of
        unit = name_price_unit(price_of, order.token_in, order.token_out)
        average = f"{format_written_price(slices.average_price)} {unit}"
        yield from render_wrapped("AVERAGE", average, "", context)
    jitter = f", give or take {Decimal(slices.jitter_bps) / 100:g} %" if slices.jitter_bps else ""
    pace = f"every {format_time_left(slices.interval_s * SECOND_MS)}{jitter}"
    if slices.next_ms is not None and not order.is_end:
        left_ms = slices.next_ms - context.now_ms
        pace += f", next in {format_time_left(left_ms)}" if left_ms > 0 else ", next now"
    yield from render_wrapped("PACE", pace, "", context)


def _render_relative(title: str, order: Order, context: TextContext) -> Iterator[Line]:
    symbols = context.symbols
    awaited = describe_awaited_order(order, symbols)
    text = f"{order.type} {awaited}" if awaited else f"{order.type} {order.pair.side}"
    if not awaited:
        text += f" {describe_sold(order)}"
    first, *rest = wrap_text(text, context.cells - TITLE_CELLS - 11) or [""]
    yield [
        Span(f"{title:<{TITLE_CELLS}}", "title"),
        Span(f"{symbols.status[order.status]} {order.short_id} ", order.status),
        Span(first),
    ]
    for line in rest:
        yield [Span(" " * (TITLE_CELLS + 11)), Span(line)]


def _describe_guard(name: str, value: Any) -> str:
    text = _GUARD_TEXTS[name]
    if isinstance(value, list):
        return f"{text} {', '.join(sanitize_text(str(each)) for each in value)}"
    if name.endswith("Bps"):
        return f"{text} {Decimal(value) / 100:g} %"
    if name == "maxPoolAgeS":
        return f"{text} {format_time_left(value * SECOND_MS)}"
    if name == "maxHops" and value == 1:
        return "direct"
    return text if value is True else f"{text} {sanitize_text(str(value))}"


_GUARD_TEXTS: Final = {
    "minLiquidity": "liquidity at least",
    "mintAuthorityRevoked": "nobody can mint",
    "freezeAuthorityNone": "nobody can freeze",
    "maxTransferFeeBps": "transfer fee at most",
    "maxFeeBps": "fee of the pool at most",
    "lpLockedMinBps": "locked at least",
    "maxPoolAgeS": "pool not older than",
    "dexes": "only",
    "looks": "looks that agree:",
    "excludeDexes": "not",
    "pools": "in no pool but",
    "maxLegs": "legs at most",
    "maxHops": "swaps in a row at most",
}

"""One order in full, as lines: its way, what was offered, what came of it, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final

from tui.model.orders import BPS, Order, Quote
from tui.model.rates import Rates
from tui.output.failure_advice import advice
from tui.output.timeline import Paper, timeline
from tui.table.columns import WORSE_BPS
from tui.text import format as as_text
from tui.text.format import Line, Span

_SHORT_CELLS: Final = 17
_LONG_CELLS: Final = 88
"""From this width on, signatures are shown whole."""


def detail(order: Order, rates: Rates, paper: Paper) -> list[Line]:
    """An order in full, its parts with an empty line between them."""
    parts = [
        list(_head(order, paper)),
        list(_way(order, rates, paper)),
        *(list(part(order, paper)) for part in _PARTS),
    ]
    lines: list[Line] = []
    for part in filter(None, parts):
        lines += [[], *part] if lines else part
    return lines


def _head(order: Order, paper: Paper) -> Iterator[Line]:
    pair = order.pair
    given = f"{as_text.exact(order.amount_in)} {order.token_in[:8]}"
    yield [
        Span(order.short_id, "strong"),
        Span(f"  {pair.side} {pair.name}", pair.side),
        Span(f"  {given}", "strong"),
    ]
    at_most = "<=" if paper.marks.is_ascii else "≤"
    facts = [order.type, f"slippage {at_most} {as_text.percent(Decimal(order.slippage_bps) / BPS)}"]
    facts += [f"limit {order.limit_price}"] if order.limit_price else []
    dot = f" {paper.marks.dot} "
    yield [
        Span(f"{paper.marks.status[order.status]} {order.status}", order.status),
        Span(dot + dot.join(facts), "muted"),
    ]


def _way(order: Order, rates: Rates, paper: Paper) -> Iterator[Line]:
    if order.is_told:
        yield from timeline(order, rates, paper)
    else:
        yield [Span("TIMELINE", "title")]
        yield [Span("the steps of this order are being loaded", "muted")]


def _quotes(order: Order, paper: Paper) -> Iterator[Line]:
    quotes = order.quotes
    if not quotes:
        return
    yield [Span(f"{'QUOTES':<13}{'price':>9}{'fee':>8}{'impact':>8}", "title")]
    for quote in quotes:
        yield _quote(order, quote, paper)
    for dex, code, _ in order.unavailable:
        yield [Span(f"  {dex:<11}{as_text.clean(code)}", "worse")]
    gap_bps = order.gap_bps
    if gap_bps is not None:
        yield [Span(f"  {order.dex} pays {gap_bps:.1f} bps more", "muted")]
    if order.floor_out is not None:
        floor = as_text.exact(order.floor_out)
        asked = ", as asked" if order.min_amount_out == order.floor_out else ""
        yield [Span(f"  at least {floor} {order.token_out[:8]}{asked}", "muted")]


def _quote(order: Order, quote: Quote, paper: Paper) -> Line:
    mark, role = (paper.marks.winner, "strong") if quote.dex == order.dex else (" ", "")
    price = order.pair.price(Decimal(order.amount_in), quote.amount_out)
    shown = paper.marks.dash if price is None else as_text.price(price)
    return [
        Span(f"{mark} {quote.dex:<11}", role),
        Span(f"{shown:>9}"),
        Span(f"{as_text.percent(quote.fee):>8}{as_text.percent(quote.impact):>8}", "muted"),
    ]


def _outcome(order: Order, paper: Paper) -> Iterator[Line]:
    price = order.price
    if order.amount_out is None or price is None:
        return
    got = f"{as_text.exact(order.amount_out)} {order.token_out[:8]}"
    yield [Span("EXECUTED  ", "title"), Span(got, "strong"), Span(f" on {order.dex}")]
    yield [Span(f"  at {as_text.price(price)} {order.pair.name}")]
    slip_bps = order.slip_bps
    if slip_bps is not None:
        sense = "better" if slip_bps >= 0 else "worse"
        role = "worse" if slip_bps <= -WORSE_BPS else "muted"
        yield [Span(f"  {abs(slip_bps):.1f} bps {sense} than its quote", role)]


def _trouble(order: Order, paper: Paper) -> Iterator[Line]:
    trouble = order.trouble
    if trouble is None:
        return
    is_over = order.status == "failed"
    title = "ERROR  " if is_over else "LAST ATTEMPT  "
    yield [Span(title, "title"), Span(as_text.clean(trouble.code), "failed")]
    known = advice(trouble.code)
    for text, role in ((known.meaning, ""), (trouble.reason, "muted")):
        for line in as_text.wrap(text, paper.cells - 2) if text else ():
            yield [Span(f"  {line}", role)]
    if is_over:
        for number, line in enumerate(as_text.wrap(known.action, paper.cells - 4)):
            yield [Span(f"  {' ' if number else paper.marks.arrow} {line}", "action")]


def _names(order: Order, paper: Paper) -> Iterator[Line]:
    keep, more = paper.cells - 7, paper.marks.more
    if order.tx_hash is not None:
        cells = keep if keep >= _LONG_CELLS else _SHORT_CELLS
        yield _name("TX", as_text.shorten(order.tx_hash, cells, more), "t copies")
    yield [Span("ID ", "title"), Span(order.id)]
    if order.batch_id is not None:
        yield _name("BATCH", f"#{order.batch_id[-4:]}", f"/ batch:{order.batch_id[-4:]}")
    if order.client_order_id is not None:
        name = as_text.clean(order.client_order_id)
        yield _name("YOURS", as_text.shorten(name, keep, more), "")
    yield _name("AT", as_text.clock(order.created_ms, paper.zone), "")


def _name(title: str, text: str, hint: str) -> Line:
    return [Span(f"{title:<7}", "title"), Span(text), Span(f"  {hint}" if hint else "", "muted")]


_PARTS: Final[tuple[Callable[[Order, Paper], Iterator[Line]], ...]] = (
    _quotes,
    _outcome,
    _trouble,
    _names,
)

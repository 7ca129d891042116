"""The text of a market: the chart, the prices of all pools, open orders and the latest fills."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal
from typing import Final

from tui.model.desk.levels import Level
from tui.model.desk.market import Market, MarketChoice, PoolPrices, find_best_prices
from tui.output.desk.chart import ChartContext, render_chart
from tui.text.format import (
    SECOND_MS,
    Line,
    Span,
    fit_text,
    format_amount,
    format_bps,
    format_distance,
    format_moment,
    format_percent,
    format_price,
    format_seconds,
    format_time_left,
    format_time_of_day,
    line_width,
    sanitize_text,
    truncate_line,
)
from tui.text.symbols import TYPE_LABELS, Symbols

_WIDE_CELLS: Final = 100
_SIDE_CELLS: Final = 47
_POOLS_MAX: Final = 12
_FILLS_MAX: Final = 8
_NARROW_ORDERS_MAX: Final = 4
_STALE_MS: Final = 2 * SECOND_MS
"""A price that is older is shown with its age."""
_STEP_NAMES: Final = {
    1: "1 s",
    5: "5 s",
    15: "15 s",
    60: "1 min",
    300: "5 min",
    900: "15 min",
    3_600: "1 h",
    14_400: "4 h",
    86_400: "1 day",
}


@dataclass(frozen=True, slots=True)
class MarketContext:
    """The inputs of the view; ``pair_count`` is how many pairs there are to choose from."""

    market: Market
    choice: MarketChoice
    levels: Sequence[Level]
    pair_count: int
    symbols: Symbols
    cells: int
    lines: int
    now_ms: int
    timezone: tzinfo
    problem: str = ""

    @property
    def is_shown(self) -> bool:
        """Whether what is known is of the pair that was chosen."""
        return self.choice.pair is not None and self.market.pair == self.choice.pair.name


def render_market(context: MarketContext) -> list[Line]:
    """Render the view in the lines that there are."""
    if context.choice.pair is None:
        return [[Span(" No order yet, so no pair. o places an order.", "muted")]]
    head = [_render_head(context)]
    if context.problem:
        head.append([Span(f" ! {sanitize_text(context.problem)}", "warn")])
    if context.cells >= _WIDE_CELLS:
        return [*head, *_render_wide(context, context.lines - len(head))]
    below = [_render_best(context), *_render_orders(context, _NARROW_ORDERS_MAX, context.cells)]
    chart = _render_chart(context, context.cells, context.lines - len(head) - len(below))
    return [truncate_line(line, context.cells) for line in (*head, *chart, *below)]


def _render_wide(context: MarketContext, lines: int) -> list[Line]:
    chart_cells = context.cells - _SIDE_CELLS - 1
    chart = _render_chart(context, chart_cells, lines)
    side = [truncate_line(line, _SIDE_CELLS) for line in _render_side(context, lines)]
    rail = Span(context.symbols.rail, "muted")
    rows: list[Line] = []
    for number in range(lines):
        left = chart[number] if number < len(chart) else []
        right = side[number] if number < len(side) else []
        rows.append([*left, Span(" " * (chart_cells - line_width(left))), rail, *right])
    return rows


def _render_chart(context: MarketContext, cells: int, lines: int) -> list[Line]:
    market, choice = context.market, context.choice
    is_of_step = context.is_shown and market.step_s == choice.step_s
    return render_chart(
        ChartContext(
            market.bars if is_of_step else {},
            market.fills if context.is_shown else (),
            context.levels,
            choice.step_s,
            choice.end_ms or context.now_ms,
            cells,
            max(lines, 0),
            context.symbols,
            context.timezone,
            choice.has_all_orders,
            choice.order_id,
        )
    )


def _render_head(context: MarketContext) -> Line:
    """The pair, its price and the step; arrows and steps can be clicked."""
    choice, market = context.choice, context.market
    assert choice.pair is not None
    name = f"{_shorten(choice.pair.base)}/{_shorten(choice.pair.quote)}"
    line = [
        Span(" [ ", "key", "step_pair(-1)"),
        Span(name, "strong"),
        Span(" ]", "key", "step_pair(1)"),
    ]
    count = context.pair_count
    line.append(Span(f" of {count} pairs" if count > 1 else "", "muted"))
    newest = market.newest_ms
    if context.is_shown and newest is not None and market.step_s == choice.step_s:
        bar, first = market.bars[newest], market.bars[min(market.bars)]
        line.append(Span(f"  {format_price(bar.close)} ", "strong"))
        line.append(_format_change(bar.close / first.open - 1 if first.open else Decimal(0)))
        length_ms = newest - min(market.bars) + market.step_s * SECOND_MS
        line.append(Span(f" in {format_time_left(length_ms)}", "muted"))
        age_ms = context.now_ms - newest - market.step_s * SECOND_MS
        if age_ms > _STALE_MS:
            line.append(Span(f"  read {format_seconds(age_ms)} ago", "warn"))
    if choice.end_ms is not None:
        at = format_moment(choice.end_ms, context.timezone)
        line += [Span(f"   chart until {at} ", "warn"), Span("0 now", "key", "follow_now")]
    line += [
        Span("   "),
        Span("- ", "key", "zoom(1)"),
        Span(f"bars of {_STEP_NAMES[choice.step_s]}"),
        Span(" +", "key", "zoom(-1)"),
    ]
    return line


def _format_change(change: Decimal) -> Span:
    sign = "+" if change >= 0 else ""
    return Span(f"{sign}{format_percent(change)}", "worse" if change < 0 else "good")


def _render_best(context: MarketContext) -> Line:
    """The best prices of all pools, and what the exchanges differ by."""
    best = find_best_prices(context.market.pools if context.is_shown else ())
    if best.bid is None and best.ask is None:
        return [Span(" no quote yet", "muted")]
    line = [Span(" bid ", "muted"), _format_optional(best.bid, context.symbols)]
    line += [Span("  ask ", "muted"), _format_optional(best.ask, context.symbols)]
    if best.spread_bps is not None:
        line += [Span("  spread ", "muted"), Span(f"{format_bps(best.spread_bps).strip()} bps")]
    if best.venues_bps is not None:
        first, second = (sanitize_text(dex) for dex, _ in best.by_dex[:2])
        line += [
            Span(f"  {first} pays ", "muted"),
            Span(f"{format_bps(best.venues_bps).strip()} bps"),
        ]
        line.append(Span(f" over {second}", "muted"))
    return line


def _render_side(context: MarketContext, lines: int) -> Iterator[Line]:
    pools = context.market.pools if context.is_shown else []
    yield [
        Span(" POOLS NOW           ", "title"),
        Span(f"{'bid':>9}{'ask':>10}{'bps':>6}", "muted"),
    ]
    for pool in pools[:_POOLS_MAX]:
        yield _render_pool(pool, context.symbols)
    if len(pools) > _POOLS_MAX:
        yield [Span(f" and {len(pools) - _POOLS_MAX} more", "muted")]
    best = find_best_prices(pools)
    if best.venues_bps is not None:
        first, second = (sanitize_text(dex) for dex, _ in best.by_dex[:2])
        text = f" {first} pays {format_bps(best.venues_bps).strip()} bps over {second}"
        yield [Span(text, "muted")]
    if best.spread_bps is not None:
        yield [Span(f" best ask over best bid {format_bps(best.spread_bps).strip()} bps", "muted")]
    if not pools:
        yield [Span(" no quote yet", "muted")]
    yield []
    shown = min(len(pools), _POOLS_MAX) + 6
    room = max(lines - shown - min(len(context.market.fills), _FILLS_MAX) - 4, 3)
    yield from _render_orders(context, room, _SIDE_CELLS)
    yield []
    yield from _render_fills(context)


def _render_pool(pool: PoolPrices, symbols: Symbols) -> Line:
    name = f"{pool.dex} {pool.program}".strip()
    spread = pool.spread_bps
    return [
        Span(f" {fit_text(sanitize_text(name), 15)} {fit_text(sanitize_text(pool.pool), 4)}"),
        Span(f"{_format_optional(pool.bid, symbols).text:>9}"),
        Span(f"{_format_optional(pool.ask, symbols).text:>10}"),
        Span(f"{'' if spread is None else format_bps(spread):>6}", "muted"),
    ]


def _render_orders(context: MarketContext, room: int, cells: int) -> Iterator[Line]:
    """The open orders of the pair, around the one at the cursor."""
    levels = context.levels
    yield [Span(f" WAITING {len(levels):,}", "title"), Span("   j k choose one", "muted")]
    ids = [level.order.id for level in levels]
    at = ids.index(context.choice.order_id) if context.choice.order_id in ids else 0
    first = max(min(at - room // 2, len(levels) - room), 0)
    for number, level in enumerate(levels[first : first + room], start=first):
        yield truncate_line(_render_order(context, level, number), cells)


def _render_order(context: MarketContext, level: Level, number: int) -> Line:
    order, symbols = level.order, context.symbols
    is_lit = order.id == context.choice.order_id
    role, marker = ("accent" if is_lit else ""), symbols.cursor if is_lit else " "
    action = f"choose_order({number})"
    price = symbols.dot if level.price is None else format_price(level.price)
    unit = order.pair.base if order.pair.side == "sell" else order.pair.quote
    text = (
        f"{marker}{TYPE_LABELS.get(order.type, order.type):<3} {order.pair.side:<4} "
        f"{format_amount(Decimal(order.amount_in)):>7} {unit[:4]:<4} {price:>9} "
    )
    line = [Span(text, role, action)]
    slices = order.slices
    if slices is not None:
        line.append(Span(f"{slices.placed}/{slices.slice_count} slices", "share"))
    elif order.distance is not None and order.distance.distance_bps is not None:
        line.append(Span(f"{format_distance(order.distance.distance_bps):>5} away", "waiting"))
    else:
        line.append(Span(order.status, order.status))
    return line


def _render_fills(context: MarketContext) -> Iterator[Line]:
    fills = context.market.fills if context.is_shown else []
    yield [Span(" LATEST FILLS", "title")]
    if not fills:
        yield [Span(" none in this time", "muted")]
    for fill in fills[:_FILLS_MAX]:
        mark = context.symbols.fill_marks[fill.side, True]
        role = "confirmed" if fill.side == "buy" else "submitted"
        at = format_time_of_day(fill.at_ms, context.timezone)
        yield [
            Span(f" {at} ", "muted"),
            Span(f"{mark} {fill.side:<4}", role),
            Span(f" {format_amount(fill.amount):>7} at {format_price(fill.price):>9}"),
        ]


def _format_optional(price: Decimal | None, symbols: Symbols) -> Span:
    return Span(symbols.dot, "muted") if price is None else Span(format_price(price))


def _shorten(token: str) -> str:
    return sanitize_text(token if len(token) <= 9 else token[:9])

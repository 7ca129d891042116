"""The chart of a pair: bars, fills as marks, and the prices of open orders as lines.

A time without a bar stays blank: nothing was read then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Final

from tui.model.desk.levels import Level
from tui.model.desk.market import Bar, Fill
from tui.output.desk.canvas import DOTS_ACROSS, DOTS_DOWN, Canvas
from tui.text.format import DAY_MS, SECOND_MS, Line, Span, fit_text, format_distance, format_price
from tui.text.symbols import TYPE_LABELS, Symbols

AXIS_CELLS: Final = 10
_LABEL_EACH_LINES: Final = 4
_TIME_EACH_CELLS: Final = 18
_PADDING: Final = Decimal("0.08")
"""Room above and below the prices, as a part of their range."""
_FLAT_RANGE: Final = Decimal("0.001")
"""The range of prices that do not differ, as a part of the price."""


@dataclass(frozen=True, slots=True)
class ChartContext:
    """The inputs of a chart, which ends at ``end_ms``; ``lit_id`` is the order at the cursor."""

    bars: Mapping[int, Bar]
    fills: Sequence[Fill]
    levels: Sequence[Level]
    step_s: int
    end_ms: int
    cells: int
    lines: int
    symbols: Symbols
    timezone: tzinfo = UTC
    has_all_orders: bool = False
    lit_id: str = ""

    @property
    def width(self) -> int:
        """The cells beside the axis."""
        return max(self.cells - AXIS_CELLS, 1)

    @property
    def start_ms(self) -> int:
        """The beginning of the first bar for which there is room."""
        step_ms = self.step_s * SECOND_MS
        return self.end_ms // step_ms * step_ms - (self.width * DOTS_ACROSS - 1) * step_ms


class _Scale:
    """Prices as rows of dots."""

    def __init__(self, prices: Iterable[Decimal], lines: int) -> None:
        told = list(prices)
        low, high = min(told), max(told)
        padding = (high - low) * _PADDING or high * _FLAT_RANGE
        self.low, self.high = low - padding, high + padding
        self._dots = lines * DOTS_DOWN - 1

    def to_dot(self, price: Decimal) -> int:
        """The row of dots of a price, from the top."""
        return int((self.high - price) / (self.high - self.low) * self._dots)

    def to_price(self, line: int) -> Decimal:
        """The price in the middle of a line of cells."""
        dot = Decimal(line * DOTS_DOWN + DOTS_DOWN / 2)
        return self.high - dot / self._dots * (self.high - self.low)


def render_chart(context: ChartContext) -> list[Line]:
    """Render the chart with its axes; one line in words if nothing was read."""
    start = context.start_ms
    bars = {at: bar for at, bar in context.bars.items() if start <= at <= context.end_ms}
    if not bars or context.lines < 2:
        return [[Span(" no price was read in this time", "muted")]]
    lines = context.lines - 1
    scale = _Scale(_list_prices(context, bars), lines)
    canvas = Canvas(context.width, lines, is_ascii=context.symbols.is_ascii)
    _draw_bars(canvas, scale, bars, context)
    _draw_fills(canvas, scale, context)
    _draw_levels(canvas, scale, context)  # their names are above all else
    last = bars[max(bars)].close
    rows = [
        [*canvas.render(line, "spark"), _render_price(line, scale, last)] for line in range(lines)
    ]
    return [*rows, _render_times(context)]


def _list_prices(context: ChartContext, bars: Mapping[int, Bar]) -> list[Decimal]:
    prices = [price for bar in bars.values() for price in (bar.low, bar.high)]
    prices += [fill.price for fill in context.fills if fill.at_ms >= context.start_ms]
    if context.has_all_orders:
        prices += [level.price for level in context.levels if level.price is not None]
    return prices


def _draw_bars(
    canvas: Canvas, scale: _Scale, bars: Mapping[int, Bar], context: ChartContext
) -> None:
    step_ms = context.step_s * SECOND_MS
    for at, bar in bars.items():
        low, high = bar.low, bar.high
        before = bars.get(at - step_ms)
        if before is not None:  # the line goes on from the bar before, if there is one
            low, high = min(low, before.close), max(high, before.close)
        x = (at - context.start_ms) // step_ms
        canvas.draw_column(x, scale.to_dot(high), scale.to_dot(low))


def _draw_levels(canvas: Canvas, scale: _Scale, context: ChartContext) -> None:
    line_shape = "-" if context.symbols.is_ascii else "┄"
    mark_shape = "." if context.symbols.is_ascii else "┈"
    for level in sorted(context.levels, key=lambda each: each.order.id == context.lit_id):
        role = "accent" if level.order.id == context.lit_id else level.order.status
        if level.follows is not None:
            canvas.draw_level(scale.to_dot(level.follows) // DOTS_DOWN, mark_shape, role)
        if level.price is None:
            continue
        line = scale.to_dot(level.price) // DOTS_DOWN
        canvas.draw_level(line, line_shape, role)
        canvas.draw_text(line, 1, f" {describe_level(level)} ", role)


def describe_level(level: Level) -> str:
    """Name an order on the chart, its price, and how far that is: ``LMT sell 110.0000 8.6%``."""
    order, slices = level.order, level.order.slices
    price = "" if level.price is None else f" {format_price(level.price)}"
    bps = None if order.distance is None else order.distance.distance_bps
    far = "" if bps is None else f" {format_distance(bps)}"
    if slices is not None:
        far = f" {slices.placed}/{slices.slice_count}"
    return f"{TYPE_LABELS.get(order.type, order.type)} {order.pair.side}{price}{far}"


def _draw_fills(canvas: Canvas, scale: _Scale, context: ChartContext) -> None:
    step_ms, symbols = context.step_s * SECOND_MS, context.symbols
    shown = [fill for fill in context.fills if context.start_ms <= fill.at_ms <= context.end_ms]
    largest = max((fill.amount for fill in shown), default=Decimal(0))
    for fill in shown:
        is_large = fill.amount * 2 >= largest
        shape = symbols.fill_marks[fill.side, is_large]
        x = (fill.at_ms - context.start_ms) // step_ms // DOTS_ACROSS
        role = "confirmed" if fill.side == "buy" else "submitted"
        canvas.draw_text(scale.to_dot(fill.price) // DOTS_DOWN, x, shape, role)


def _render_price(line: int, scale: _Scale, last: Decimal) -> Span:
    if line == scale.to_dot(last) // DOTS_DOWN:
        return Span(fit_text(f"{format_price(last)} ", AXIS_CELLS, is_right=True), "strong")
    if line % _LABEL_EACH_LINES:
        return Span(" " * AXIS_CELLS)
    return Span(
        fit_text(f"{format_price(scale.to_price(line))} ", AXIS_CELLS, is_right=True), "muted"
    )


def _render_times(context: ChartContext) -> Line:
    width, step_ms = context.width, context.step_s * SECOND_MS
    length_ms = width * DOTS_ACROSS * step_ms
    pattern = "%H:%M:%S" if length_ms < DAY_MS // 8 else "%H:%M" if length_ms < DAY_MS else "%d %b"
    text = ""
    for x in range(0, width, _TIME_EACH_CELLS):
        at_ms = context.start_ms + x * DOTS_ACROSS * step_ms
        label = datetime.fromtimestamp(at_ms / SECOND_MS, tz=context.timezone).strftime(pattern)
        if x + len(label) < width:
            text = f"{text.ljust(x)}{label}"
    return [Span(text.ljust(context.cells), "muted")]

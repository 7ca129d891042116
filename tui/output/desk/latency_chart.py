"""Charts of the times of fills, and of the orders that ended in each second."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from typing import Final

from tui.model.desk.quality import FillTimes
from tui.output.desk.canvas import DOTS_ACROSS, DOTS_DOWN, Canvas
from tui.text.format import Line, Span, fit_text, format_seconds
from tui.text.symbols import Symbols

_AXIS_CELLS: Final = 9
_LABEL_EACH_LINES: Final = 4
_THROUGHPUT_LINES: Final = 3


def render_latency(
    times: Sequence[FillTimes], cells: int, lines: int, symbols: Symbols
) -> list[Line]:
    """A dot for each fill, the newest at the right; the axis of times is logarithmic."""
    title = [
        Span(" TIME FROM ACCEPTANCE TO CONFIRMATION", "title"),
        Span("  oldest to newest", "muted"),
    ]
    if len(times) < 2:
        return [title, [Span(" fewer than two fills in this time", "muted")]]
    width, newest_last = max(cells - _AXIS_CELLS, 1), list(reversed(times))
    canvas = Canvas(width, lines, is_ascii=symbols.is_ascii)
    values = [log10(max(each.total, 1)) for each in newest_last]
    low, high = min(values), max(values) + 0.01
    columns, rows = width * DOTS_ACROSS, lines * DOTS_DOWN - 1
    for number, value in enumerate(values):
        x = number * (columns - 1) // (len(values) - 1)
        y = round((high - value) / (high - low) * rows)
        canvas.draw_column(x, y, y)
    drawn: list[Line] = [title]
    for line in range(lines):
        label = ""
        if line % _LABEL_EACH_LINES == 0:
            label = format_seconds(round(10 ** (high - (high - low) * line * DOTS_DOWN / rows)))
        drawn.append(
            [
                Span(fit_text(f"{label} ", _AXIS_CELLS, is_right=True), "muted"),
                *canvas.render(line, "spark"),
            ]
        )
    return drawn


def render_throughput(ends: Sequence[int], cells: int, symbols: Symbols) -> list[Line]:
    """A column for each of the last seconds, the latest at the right."""
    shown = list(ends)[-(cells - _AXIS_CELLS) :]
    top = max(shown, default=0)
    shapes = symbols.spark
    title = f" ORDERS ENDED IN EACH OF THE LAST {len(shown)} SECONDS"
    lines: list[Line] = [[Span(title, "title")]]
    for line in range(_THROUGHPUT_LINES):
        label = f"{top:,}/s " if line == 0 else "0 " if line == _THROUGHPUT_LINES - 1 else ""
        text = "".join(_draw_part(number, top, line, shapes) for number in shown)
        axis = Span(fit_text(label, _AXIS_CELLS, is_right=True), "muted")
        lines.append([axis, Span(text, "spark")])
    return lines


def _draw_part(number: int, top: int, line: int, shapes: str) -> str:
    """The part of a column that is in a line, counted from the top."""
    if not top or not number:
        return shapes[0] if line == _THROUGHPUT_LINES - 1 else " "
    filled = number * _THROUGHPUT_LINES * len(shapes) // top
    above = filled - (_THROUGHPUT_LINES - 1 - line) * len(shapes)
    return shapes[min(above, len(shapes)) - 1] if above > 0 else " "

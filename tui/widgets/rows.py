"""Rows and header of the blotter as finished lines, and the finished lines of rows at rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from tui.model.orders import Order
from tui.table.columns import Column, columns_for
from tui.table.view import View
from tui.text.format import fit
from tui.text.symbols import Marks
from tui.widgets.theme import Pen

PARTS: Final = frozenset(
    {
        "blotter--cursor",
        "blotter--dimmed",
        "blotter--header",
        "blotter--hint",
        "blotter--sorted",
    }
)
_KEPT_MAX: Final = 1_000


class Rows:
    """Draws for a widget. Only orders that have ended are kept: all others tell the time."""

    def __init__(self, widget: Widget, marks: Marks) -> None:
        self.columns: tuple[Column, ...] = ()
        self.is_dimmed = False
        self._marks = marks
        self._width = 0
        self._pen = Pen(widget)
        self._kept: dict[tuple[Order, int, bool], Strip] = {}

    def fit(self, width: int, optional: Iterable[str]) -> None:
        """Choose the columns for a width."""
        self._width = width
        self.columns = columns_for(width, optional)
        self.forget()

    def forget(self) -> None:
        """Colours or columns are other ones."""
        self._pen.reset()
        self._kept.clear()

    def row(self, order: Order, now_ms: int, *, is_cursor: bool) -> Strip:
        """An order."""
        if not order.is_end:
            return self._drawn(order, now_ms, is_cursor=is_cursor)
        key = (order, order.version, is_cursor)
        line = self._kept.get(key)
        if line is None:
            if len(self._kept) >= _KEPT_MAX:
                self._kept.clear()
            line = self._kept[key] = self._drawn(order, now_ms, is_cursor=is_cursor)
        return line

    def header(self, view: View) -> Strip:
        """The titles, with an arrow at the one that is sorted by."""
        style = self._pen.style("blotter--header")
        segments = [Segment(" ", style)]
        for column in self.columns:
            title, role = column.title, "blotter--header"
            if column.key == view.sort.key:
                arrow = self._marks.down if view.is_descending else self._marks.up
                title, role = f"{title}{arrow}"[-column.cells :], "blotter--header blotter--sorted"
            cell = fit(title, column.cells, is_right=column.is_right)
            segments.append(Segment(f"{cell} ", self._pen.style(role)))
        return Strip(segments).adjust_cell_length(self._width, style)

    def blank(self, hint: str) -> Strip:
        """A line without an order, which may say why."""
        if not hint:
            return Strip.blank(self._width, self._pen.style(""))
        text = hint[: self._width].center(self._width)
        return Strip([Segment(text, self._pen.style("blotter--hint"))])

    def _drawn(self, order: Order, now_ms: int, *, is_cursor: bool) -> Strip:
        ground = "blotter--cursor" if is_cursor else ""
        ground += " blotter--dimmed" if self.is_dimmed else ""
        mark = self._marks.cursor if is_cursor else " "
        segments = [Segment(mark, self._pen.style("accent", ground))]
        for column in self.columns:
            text, role, _ = column.cell(order, now_ms, self._marks)
            cell = fit(text, column.cells, is_right=column.is_right)
            segments.append(Segment(f"{cell} ", self._pen.style(role, ground)))
        return Strip(segments).adjust_cell_length(self._width, self._pen.style("", ground))

"""Renders the rows and the header of the order table, with a cache of the lines of ended orders."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Final

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from tui.model.orders import Order
from tui.table.columns import Column
from tui.table.layouts import Layout, select_columns
from tui.table.view import OrderView
from tui.text.format import fit_text, to_ascii
from tui.text.symbols import Symbols
from tui.widgets.theme import RoleStyles

TABLE_CLASSES: Final = frozenset(
    {
        "order-table--cursor",
        "order-table--dimmed",
        "order-table--header",
        "order-table--hint",
        "order-table--sorted",
    }
)
_MARK: Final = "*"
_CACHED_ROWS_MAX: Final = 1_000


class RowRenderer:
    """Renders lines in the styles of a widget.

    Only orders that have ended are cached: all others show a running time. The ids in ``marked``
    have a mark; ``clear_cache`` after another one was marked.
    """

    def __init__(self, widget: Widget, symbols: Symbols, marked: Container[str] = ()) -> None:
        self.columns: tuple[Column, ...] = ()
        self.is_dimmed = False
        self._symbols = symbols
        self._marked = marked
        self._width = 0
        self._styles = RoleStyles(widget)
        self._cache: dict[tuple[Order, int, bool], Strip] = {}

    def fit_columns(self, width: int, optional: Iterable[str], layout: Layout) -> None:
        """Choose the columns for a width."""
        self._width = width
        self.columns = select_columns(width, optional, layout)
        self.clear_cache()

    def clear_cache(self) -> None:
        """Drop all styles and lines: the colours or the columns changed."""
        self._styles.reset()
        self._cache.clear()

    def render_row(self, order: Order, now_ms: int, *, is_cursor: bool) -> Strip:
        """Render an order, or return its cached line."""
        if not order.is_end:
            return self._render(order, now_ms, is_cursor=is_cursor)
        key = (order, order.version, is_cursor)
        line = self._cache.get(key)
        if line is None:
            if len(self._cache) >= _CACHED_ROWS_MAX:
                self._cache.clear()
            line = self._cache[key] = self._render(order, now_ms, is_cursor=is_cursor)
        return line

    def render_header(self, view: OrderView) -> Strip:
        """Render the titles, with an arrow at the sort column."""
        style = self._styles.style("order-table--header")
        segments = [Segment(" ", style)]
        for column in self.columns:
            title, role = column.title, "order-table--header"
            if column.key == view.sort_column.key:
                arrow = self._symbols.down if view.is_descending else self._symbols.up
                title, role = (
                    f"{title}{arrow}"[-column.cells :],
                    "order-table--header order-table--sorted",
                )
            cell = fit_text(title, column.cells, is_right=column.is_right)
            segments.append(Segment(f"{cell} ", self._styles.style(role)))
        return Strip(segments).adjust_cell_length(self._width, style)

    def render_blank(self, hint: str) -> Strip:
        """Render a line without an order, with a hint in its middle if there is one."""
        if not hint:
            return Strip.blank(self._width, self._styles.style(""))
        text = hint[: self._width].center(self._width)
        return Strip([Segment(text, self._styles.style("order-table--hint"))])

    def _render(self, order: Order, now_ms: int, *, is_cursor: bool) -> Strip:
        background = "order-table--cursor" if is_cursor else ""
        background += " order-table--dimmed" if self.is_dimmed else ""
        marker = _MARK if order.id in self._marked else " "
        marker = self._symbols.cursor if is_cursor else marker
        segments = [Segment(marker, self._styles.style("accent", background))]
        for column in self.columns:
            text, role, _ = column.format_cell(order, now_ms, self._symbols)
            text = to_ascii(text) if self._symbols.is_ascii else text
            cell = fit_text(text, column.cells, is_right=column.is_right)
            segments.append(Segment(f"{cell} ", self._styles.style(role, background)))
        return Strip(segments).adjust_cell_length(self._width, self._styles.style("", background))

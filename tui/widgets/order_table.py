"""The table of orders, rendered line by line.

Textual's ``DataTable`` stores a cell for every row and repaints all visible rows when one of them
changes. This widget stores nothing but a cache of rendered lines, and repaints only the rows that
changed: the cost of a frame depends on the height of the terminal, not on the number of orders.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Set
from typing import ClassVar, Final

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from tui.model.orders import Order
from tui.table.columns import Column
from tui.table.cursor import Cursor
from tui.table.open_columns import OPEN_COLUMNS
from tui.table.view import OrderView
from tui.text.symbols import Symbols
from tui.widgets.row_renderer import TABLE_CLASSES, RowRenderer
from tui.widgets.theme import ROLE_CLASSES, use_ascii_scrollbars

_HEADER: Final = 1


class OrderTable(ScrollView, can_focus=True):
    """Orders as rows under a header, with a cursor."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*ROLE_CLASSES, *TABLE_CLASSES}
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False),
        Binding("home,g", "top", "Top", show=False),
        Binding("end,G", "bottom", "Bottom", show=False),
    ]

    class CursorMoved(Message):
        """Posted when the cursor moves to another order."""

    class OrderOpened(Message):
        """Posted when the order at the cursor is double-clicked."""

    class HeaderClicked(Message):
        """Posted when the title of a column is clicked."""

        def __init__(self, column: Column) -> None:
            super().__init__()
            self.column = column

    def __init__(
        self,
        view: OrderView,
        cursor: Cursor,
        symbols: Symbols,
        now_ms: Callable[[], int],
        optional: Iterable[str],
        marked: Container[str] = (),
    ) -> None:
        super().__init__(id="order-table")
        self.cursor = cursor
        self.optional = tuple(optional)
        self._view = view
        self._now_ms = now_ms
        self._rows = RowRenderer(self, symbols, marked)
        self._hint: list[str] = []

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that fit into the present width."""
        return self._rows.columns

    # What changed

    def repaint_orders(self, orders: Set[Order]) -> None:
        """Repaint those of the orders that are visible."""
        for y in self._visible_rows():
            if self._view[y] in orders:
                self._refresh_row(y)

    def add_rows(self, added: int) -> None:
        """Take account of rows added at the newest end of the view."""
        self.cursor.shift_for_new_rows(added)
        self._update_virtual_size()
        if self.cursor.is_following:
            self._scroll_to_cursor()
            self.refresh()
        elif self._view.is_descending:
            self._hold_scroll_position(added)
        else:
            self.refresh()

    def reset_rows(self) -> None:
        """Show a view that was filtered or sorted anew; the cursor stays at its screen line."""
        on_screen = self.cursor.y - self.scroll_offset.y
        self.cursor.restore_position()
        self._update_virtual_size()
        if self.cursor.is_following:
            self._scroll_to_cursor()
        else:
            self.scroll_to(y=max(self.cursor.y - on_screen, 0), animate=False)
            self._scroll_to_cursor()
        self.refresh()

    def repaint_running(self) -> None:
        """Repaint the visible orders that have not ended: they show their time so far."""
        for y in self._visible_rows():
            if not self._view[y].is_end:
                self._refresh_row(y)

    def set_dimmed(self, *, is_dimmed: bool) -> None:
        """Dim the rows while they may be out of date."""
        if is_dimmed != self._rows.is_dimmed:
            self._rows.is_dimmed = is_dimmed
            self.restyle()

    def restyle(self) -> None:
        """Fit the columns and repaint everything: colours, width or columns changed."""
        self._rows.fit_columns(self._width, self.optional, self._view.layout)
        self.refresh()

    def set_hint(self, lines: list[str]) -> None:
        """Set the text that stands in the middle of an empty table."""
        if lines != self._hint:
            self._hint = lines
            self.refresh()

    def move_to(self, y: int) -> None:
        """Move the cursor to a row."""
        self._refresh_row(self.cursor.y)
        self.cursor.move_to(y)
        self._show_cursor()

    def follow(self) -> None:
        """Move the cursor to the newest order, and keep it on the newest."""
        self._refresh_row(self.cursor.y)
        self.cursor.follow_newest()
        self._show_cursor()

    # Keys and mouse

    def action_move(self, step: int) -> None:
        """Move the cursor by rows."""
        self.move_to(self.cursor.y + step)

    def action_page(self, step: int) -> None:
        """Move the cursor by screens."""
        self.move_to(self.cursor.y + step * max(self._height - 1, 1))

    def action_top(self) -> None:
        """Move the cursor to the first row."""
        self.move_to(0)

    def action_bottom(self) -> None:
        """Move the cursor to the last row."""
        self.move_to(len(self._view) - 1)

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the clicked row, or report a click on a column's title."""
        if event.y < _HEADER:
            column = self._column_at(event.x)
            if column is not None:
                self.post_message(self.HeaderClicked(column))
            return
        y = self.scroll_offset.y + event.y - _HEADER
        if y < len(self._view):
            self.move_to(y)
            if event.chain == 2:
                self.post_message(self.OrderOpened())

    def on_mouse_scroll_up(self) -> None:
        """Stop following the newest order."""
        self.cursor.is_following = False

    def on_mouse_scroll_down(self) -> None:
        """Stop following the newest order."""
        self.cursor.is_following = False

    def on_mount(self) -> None:
        """Use ASCII scrollbars on terminals that need them."""
        use_ascii_scrollbars(self)

    def on_resize(self) -> None:
        """Choose the columns that fit, and keep the cursor visible."""
        self._update_virtual_size()
        self.restyle()
        self._scroll_to_cursor()

    def notify_style_update(self) -> None:
        """Drop the rendered lines: the theme changed."""
        super().notify_style_update()
        self._rows.clear_cache()

    # Drawing

    def render_line(self, y: int) -> Strip:
        """Render one line of the screen: the header, a row or a blank."""
        if y < _HEADER:
            return self._rows.render_header(self._view)
        y += self.scroll_offset.y - _HEADER
        if y < len(self._view):
            now_ms = self._view.now_ms(self._now_ms())
            return self._rows.render_row(
                self._view.get_displayed_at(y), now_ms, is_cursor=y == self.cursor.y
            )
        hint_line = y - (self._height - len(self._hint)) // 2
        is_hint = not len(self._view) and 0 <= hint_line < len(self._hint)
        return self._rows.render_blank(self._hint[hint_line] if is_hint else "")

    @property
    def _width(self) -> int:
        return self.scrollable_content_region.width

    @property
    def _height(self) -> int:
        return max(self.scrollable_content_region.height - _HEADER, 0)

    def _visible_rows(self) -> range:
        top = self.scroll_offset.y
        return range(top, min(top + self._height, len(self._view)))

    def _column_at(self, x: int) -> Column | None:
        right = 1
        for column in self._rows.columns:
            right += column.cells + 1
            if x < right:
                return column
        return None

    def _refresh_row(self, y: int) -> None:
        self.refresh(Region(0, y - self.scroll_offset.y + _HEADER, self.size.width, 1))

    def _update_virtual_size(self) -> None:
        # Set without triggering the reactive, which would lay out the whole screen for a scrollbar.
        height = len(self._view) + _HEADER
        self.set_reactive(Widget.virtual_size, Size(self.size.width, height))
        self.vertical_scrollbar.window_virtual_size = height
        if self.scroll_offset.y > self.max_scroll_y:
            self.scroll_to(y=self.max_scroll_y, animate=False)

    def _hold_scroll_position(self, added: int) -> None:
        # The same orders stay visible, so that nothing but the scrollbar is repainted. Set without
        # triggering the reactives, which would repaint everything.
        y = self.scroll_offset.y + added
        self.set_reactive(Widget.scroll_y, float(y))
        self.set_reactive(Widget.scroll_target_y, float(y))
        self.vertical_scrollbar.position = y

    def _show_cursor(self) -> None:
        self._refresh_row(self.cursor.y)
        self._scroll_to_cursor()
        self.post_message(self.CursorMoved())

    def _scroll_to_cursor(self) -> None:
        top, y, height = self.scroll_offset.y, self.cursor.y, self._height
        if not top - height < y < top + 2 * height - 1:
            self.scroll_to(y=y - height // 2, animate=False)  # far away: centre it
        elif y < top:
            self.scroll_to(y=y, animate=False)
        elif y >= top + height:
            self.scroll_to(y=y - height + 1, animate=False)


def next_column(key: str, columns: Iterable[Column]) -> Column:
    """Return the column behind the one with this key; behind the last comes the first."""
    keys = [column.key for column in columns] or [key]
    index = keys.index(key) + 1 if key in keys else 0
    return OPEN_COLUMNS[keys[index % len(keys)]]

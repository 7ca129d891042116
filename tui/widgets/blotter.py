"""The table of orders, drawn line by line.

A table widget keeps a cell for everything it could show and draws all that is visible when one of
them changes. This one keeps nothing but finished lines of orders that have not changed since, and
asks for new ones only where something did: what a frame costs depends on the height of the
terminal and not on the number of orders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from typing import ClassVar, Final

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from tui.model.orders import Order
from tui.table.columns import COLUMNS, Column
from tui.table.cursor import Cursor
from tui.table.view import View
from tui.text.symbols import Marks
from tui.widgets.rows import PARTS, Rows
from tui.widgets.theme import INK, plain_bars

_HEADER: Final = 1


class Blotter(ScrollView, can_focus=True):
    """Orders as rows under a header, and a cursor."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*INK, *PARTS}
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False),
        Binding("home,g", "top", "Top", show=False),
        Binding("end,G", "bottom", "Bottom", show=False),
    ]

    class Moved(Message):
        """The cursor is on another order."""

    class Opened(Message):
        """The order at the cursor is to be shown in full."""

    class HeaderClicked(Message):
        """The rows are to be sorted by a column."""

        def __init__(self, column: Column) -> None:
            super().__init__()
            self.column = column

    def __init__(
        self,
        view: View,
        cursor: Cursor,
        marks: Marks,
        now_ms: Callable[[], int],
        optional: Iterable[str],
    ) -> None:
        super().__init__(id="blotter")
        self.cursor = cursor
        self.optional = tuple(optional)
        self._view = view
        self._now_ms = now_ms
        self._rows = Rows(self, marks)
        self._hint: list[str] = []

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that fit."""
        return self._rows.columns

    # What changed

    def changed(self, orders: Set[Order]) -> None:
        """Draw these orders again, if they can be seen."""
        for y in self._visible():
            if self._view[y] in orders:
                self._refresh_row(y)

    def grown(self, added: int) -> None:
        """Rows were added beside the newest."""
        self.cursor.grown(added)
        self._resize()
        if self.cursor.is_following:
            self._reveal()
            self.refresh()
        elif self._view.is_descending:
            self._anchor(added)
        else:
            self.refresh()

    def rebuilt(self) -> None:
        """The rows are other ones."""
        on_screen = self.cursor.y - self.scroll_offset.y
        self.cursor.rebuilt()
        self._resize()
        if self.cursor.is_following:
            self._reveal()
        else:
            self.scroll_to(y=max(self.cursor.y - on_screen, 0), animate=False)
            self._reveal()
        self.refresh()

    def ticked(self) -> None:
        """Time passed: orders that go on show how long they have taken."""
        for y in self._visible():
            if not self._view[y].is_end:
                self._refresh_row(y)

    def dim(self, *, is_dimmed: bool) -> None:
        """Show that the rows are not up to date, or that they are."""
        if is_dimmed != self._rows.is_dimmed:
            self._rows.is_dimmed = is_dimmed
            self.restyle()

    def restyle(self) -> None:
        """Colours or columns changed: draw everything again."""
        self._rows.fit(self._width, self.optional)
        self.refresh()

    def hint(self, lines: list[str]) -> None:
        """What to say while there are no rows."""
        if lines != self._hint:
            self._hint = lines
            self.refresh()

    def go(self, y: int) -> None:
        """Move the cursor to a row."""
        self._refresh_row(self.cursor.y)
        self.cursor.move(y)
        self._moved()

    def follow(self) -> None:
        """Move to the newest order and stay with the newest."""
        self._refresh_row(self.cursor.y)
        self.cursor.follow()
        self._moved()

    # Keys and mouse

    def action_move(self, step: int) -> None:
        """Move by rows."""
        self.go(self.cursor.y + step)

    def action_page(self, step: int) -> None:
        """Move by screens."""
        self.go(self.cursor.y + step * max(self._height - 1, 1))

    def action_top(self) -> None:
        """Move to the first row."""
        self.go(0)

    def action_bottom(self) -> None:
        """Move to the last row."""
        self.go(len(self._view) - 1)

    def on_click(self, event: events.Click) -> None:
        """Choose the row under the mouse, or sort by the column."""
        if event.y < _HEADER:
            column = self._column_at(event.x)
            if column is not None:
                self.post_message(self.HeaderClicked(column))
            return
        y = self.scroll_offset.y + event.y - _HEADER
        if y < len(self._view):
            self.go(y)
            if event.chain == 2:
                self.post_message(self.Opened())

    def on_mouse_scroll_up(self) -> None:
        """Whoever looks around does not follow."""
        self.cursor.is_following = False

    def on_mouse_scroll_down(self) -> None:
        """Whoever looks around does not follow."""
        self.cursor.is_following = False

    def on_mount(self) -> None:
        """Draw scrollbars as the terminal can."""
        plain_bars(self)

    def on_resize(self) -> None:
        """Choose the columns that fit."""
        self._resize()
        self.restyle()
        self._reveal()

    def notify_style_update(self) -> None:
        """The theme changed."""
        super().notify_style_update()
        self._rows.forget()

    # Drawing

    def render_line(self, y: int) -> Strip:
        """One line of the screen: the header, or a row."""
        if y < _HEADER:
            return self._rows.header(self._view)
        y += self.scroll_offset.y - _HEADER
        if y < len(self._view):
            now_ms = self._view.now_ms(self._now_ms())
            return self._rows.row(self._view.shown_at(y), now_ms, is_cursor=y == self.cursor.y)
        at = y - (self._height - len(self._hint)) // 2
        is_hint = not len(self._view) and 0 <= at < len(self._hint)
        return self._rows.blank(self._hint[at] if is_hint else "")

    @property
    def _width(self) -> int:
        return self.scrollable_content_region.width

    @property
    def _height(self) -> int:
        return max(self.scrollable_content_region.height - _HEADER, 0)

    def _visible(self) -> range:
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

    def _resize(self) -> None:
        # Assigned past the reactive: it would lay out the whole screen for a scrollbar.
        height = len(self._view) + _HEADER
        self.set_reactive(Widget.virtual_size, Size(self.size.width, height))
        self.vertical_scrollbar.window_virtual_size = height
        if self.scroll_offset.y > self.max_scroll_y:
            self.scroll_to(y=self.max_scroll_y, animate=False)

    def _anchor(self, added: int) -> None:
        # What is seen stays the same, so that nothing but the scrollbar has to be drawn.
        y = self.scroll_offset.y + added
        self.set_reactive(Widget.scroll_y, float(y))
        self.set_reactive(Widget.scroll_target_y, float(y))
        self.vertical_scrollbar.position = y

    def _moved(self) -> None:
        self._refresh_row(self.cursor.y)
        self._reveal()
        self.post_message(self.Moved())

    def _reveal(self) -> None:
        top, y, height = self.scroll_offset.y, self.cursor.y, self._height
        if not top - height < y < top + 2 * height - 1:
            self.scroll_to(y=y - height // 2, animate=False)  # a leap: show what is around
        elif y < top:
            self.scroll_to(y=y, animate=False)
        elif y >= top + height:
            self.scroll_to(y=y - height + 1, animate=False)


def next_column(key: str, shown: Iterable[Column]) -> Column:
    """The column behind another one, in a circle."""
    keys = [column.key for column in shown] or [key]
    at = keys.index(key) + 1 if key in keys else 0
    return COLUMNS[keys[at % len(keys)]]

"""The list of orders of the main screen: its filter, its sorting and its cursor."""

from __future__ import annotations

from time import monotonic
from typing import Final

from textual.screen import Screen

from tui.model.filters import OrderFilter
from tui.session import Session
from tui.table.columns import COLUMNS, Column
from tui.widgets.filter_bar import FilterBar
from tui.widgets.order_table import OrderTable, next_column
from tui.widgets.panels import empty_table_hint

_REBUILD_COST_FACTOR: Final = 10
"""Pause between two rebuilds, in multiples of the last one's duration: bounds their CPU share."""

_REBUILD_PAUSE_MAX_S: Final = 3
"""However long one took: the machine may have stood still."""


class OrderListScreen(Screen[None]):
    """A screen with the table of orders; the main screen lays it out."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._next_rebuild_s = 0.0
        self.order_table = OrderTable(
            session.view,
            session.cursor,
            session.symbols,
            lambda: session.server_now_ms,
            session.settings.columns,
            session.marked,
        )
        self.filter_bar = FilterBar()

    def refresh_panels(self) -> None:
        """Repaint the changed lines of all panes around the table."""
        raise NotImplementedError

    def show_orders(self) -> None:
        """Show a list of orders, unless one is shown."""
        raise NotImplementedError

    def focus_view(self) -> None:
        """Give the view the keyboard focus."""
        raise NotImplementedError

    @property
    def can_rebuild_again(self) -> bool:
        """Whether the last rebuild was long enough ago."""
        return monotonic() >= self._next_rebuild_s

    def rebuild(self) -> None:
        """Filter and sort all orders again, and repaint everything."""
        began_s = monotonic()
        self._session.view.rebuild(self._session.server_now_ms)
        pause_s = _REBUILD_COST_FACTOR * (monotonic() - began_s)
        self._next_rebuild_s = monotonic() + min(pause_s, _REBUILD_PAUSE_MAX_S)
        self.order_table.set_hint(empty_table_hint(self._session))
        self.order_table.reset_rows()
        self.refresh_panels()

    # What is shown

    def action_filter(self) -> None:
        """Open the filter bar."""
        self.filter_bar.open()

    def action_set_filter(self, text: str) -> None:
        """Put a text into the filter bar, which applies it."""
        self.show_orders()
        self.filter_bar.set_text(text)

    def action_clear_filter(self) -> None:
        """Remove the filter, its statuses included."""
        self.filter_bar.set_text("")
        self._apply_filter(OrderFilter())
        self.order_table.focus()

    def action_toggle_status(self, status: str) -> None:
        """Add a status to the filter, or remove it."""
        self.show_orders()
        self._apply_filter(self._session.view.filter.with_status_toggled(status))

    def action_all_statuses(self) -> None:
        """Remove the statuses from the filter; its text stays."""
        self.show_orders()
        self._apply_filter(OrderFilter.parse(self._session.view.filter.text))

    def on_filter_bar_changed(self, message: FilterBar.Changed) -> None:
        """Apply the filter that was typed."""
        self._apply_filter(OrderFilter.parse(message.text, self._session.view.filter.statuses))

    def on_filter_bar_closed(self) -> None:
        """Give the keyboard focus back to the view."""
        self.focus_view()

    def _apply_filter(self, new_filter: OrderFilter) -> None:
        self._session.view.set_filter(new_filter)
        self.rebuild()

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._sort_by(next_column(self._session.view.sort_column.key, self.order_table.columns))

    def action_reverse(self) -> None:
        """Reverse the sort direction."""
        view = self._session.view
        view.sort_by(view.sort_column, is_descending=not view.is_descending)
        self._apply_sort()

    def on_order_table_header_clicked(self, message: OrderTable.HeaderClicked) -> None:
        """Sort by the clicked column; a second click reverses the direction."""
        self.sort_by(message.column)

    def sort_by(self, column: Column) -> None:
        """Sort by a column; the second time the other way round."""
        self.show_orders()
        if column.key == self._session.view.sort_column.key:
            self.action_reverse()
        else:
            self._sort_by(column)

    def _sort_by(self, column: Column) -> None:
        self._session.view.sort_by(column, is_descending=self._session.view.is_descending)
        self._apply_sort()

    def _apply_sort(self) -> None:
        view = self._session.view
        if not view.is_open_list:
            self._session.settings.sort = view.sort_column.key
            self._session.settings.is_descending = view.is_descending
        self.rebuild()

    def toggle_column(self, key: str) -> None:
        """Show or hide an optional column."""
        self.order_table.optional = tuple(set(self.order_table.optional) ^ {COLUMNS[key].key})
        self._session.settings.columns = sorted(self.order_table.optional)
        self.order_table.restyle()

    # The cursor

    def action_follow(self) -> None:
        """Move the cursor to the newest order, and keep it on the newest."""
        self.order_table.follow()

    def action_failed(self, step: int) -> None:
        """Move to the next failed order (``step`` 1) or to the previous one (-1)."""
        y = self._session.view.find_row(
            self._session.cursor.y, step, lambda order: order.status == "failed"
        )
        if y is None:
            self.notify(f"no failed order {'below' if step > 0 else 'above'}", timeout=2)
        else:
            self.order_table.move_to(y)

    def action_pause(self) -> None:
        """Freeze the rows at their present state, or return to live rows."""
        view = self._session.view
        if view.is_paused:
            view.resume()
        else:
            view.pause(self._session.server_now_ms)
        self.rebuild()

    # Marks

    def action_mark(self) -> None:
        """Mark the order at the cursor, or take its mark away, and go to the next one."""
        order, marked = self._session.cursor.order, self._session.marked
        if order is None:
            return
        if marked.pop(order.id, None) is None:
            marked[order.id] = order
        self.order_table.action_move(1)
        self.order_table.restyle()
        self.refresh_panels()

    def action_unmark(self) -> None:
        """Take all marks away."""
        self._session.marked.clear()
        self.order_table.restyle()
        self.refresh_panels()

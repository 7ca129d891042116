"""The main screen: summary, order table, detail of the order at the cursor, log and keys."""

from __future__ import annotations

from time import monotonic
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Static

from tui.model.connection_state import ConnectionStatus
from tui.model.filters import OrderFilter
from tui.session import Session
from tui.table.columns import COLUMNS, Column
from tui.text.symbols import STATUSES
from tui.widgets.filter_bar import FilterBar
from tui.widgets.frame_scheduler import FrameScheduler
from tui.widgets.order_table import OrderTable, next_column
from tui.widgets.panels import (
    DetailPane,
    DifferencePane,
    KeyBar,
    LogPane,
    StatusBar,
    SummaryPane,
    empty_table_hint,
)

_TICK_S: Final = 0.5
_REBUILD_COST_FACTOR: Final = 10
"""Pause between two rebuilds, in multiples of the last one's duration: bounds their CPU share."""
_TALL_LINES: Final = 30


class MainScreen(Screen[None]):
    """The screen below all dialogs; repaints from the model at a limited frame rate."""

    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [  # noqa: RUF012 - as in Textual
        (0, "-tiny"),
        (60, "-narrow"),
        (110, "-wide"),
    ]
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [  # noqa: RUF012 - as in Textual
        (0, "-flat"),
        (15, "-short"),
        (_TALL_LINES, "-tall"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter"),
        Binding("s", "sort", "Sort by the next column"),
        Binding("S", "reverse", "Turn the order around"),
        Binding("right_square_bracket", "failed(1)", "Next failed"),
        Binding("left_square_bracket", "failed(-1)", "Previous failed"),
        Binding("f", "follow", "Follow"),
        Binding("space", "pause", "Pause"),
        Binding("y", "app.copy('id')", "Copy the id"),
        Binding("Y", "app.copy('json')", "Copy as JSON"),
        Binding("t", "app.copy('tx')", "Copy the signature"),
        Binding("p", "app.copy('pools')", "Copy the pools"),
        Binding("e", "app.export", "Export"),
        Binding("R", "app.resubmit", "Resubmit failures"),
        Binding("a", "app.amend", "Amend the order"),
        Binding("x", "app.cancel", "Cancel the order"),
        Binding("X", "app.cancel_shown", "Cancel all open orders shown"),
        Binding("F", "app.reasons", "Failures by reason"),
        Binding("enter", "app.open", "Detail"),
        Binding("n", "app.batch", "New batch"),
        Binding("o", "app.order", "Order"),
        Binding("r", "app.retry_now", "Connect again now"),
        Binding("m", "app.mouse", "Mouse"),
        Binding("q", "app.quit", "Quit"),
        Binding("question_mark", "app.help", "Help"),
        Binding("l", "log", "Log"),
        Binding("d", "dismiss_difference", "Dismiss a difference of a balance"),
        Binding("escape", "clear_filter", "Clear the filter"),
        Binding("0", "all_statuses", "All statuses"),
        *(
            Binding(str(digit), f"toggle_status('{status}')", status)
            for digit, status in enumerate(STATUSES, start=1)
        ),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._frames = FrameScheduler(self, self._paint)
        self._next_rebuild_s = 0.0
        self.order_table = OrderTable(
            session.view,
            session.cursor,
            session.symbols,
            lambda: session.server_now_ms,
            session.settings.columns,
        )
        self._summary = SummaryPane(session)
        self._differences = DifferencePane(session)
        self._detail = DetailPane(session)
        self._log = LogPane(session)
        self._status = StatusBar(session)
        self._filter_bar = FilterBar()

    def compose(self) -> ComposeResult:
        """Lay out the panes from top to bottom."""
        yield self._summary
        yield self._differences
        with Horizontal(id="body"):
            yield self.order_table
            yield self._detail
        yield self._log
        yield self._status
        yield self._filter_bar
        yield KeyBar()
        yield Static(id="small")

    def on_mount(self) -> None:
        """Focus the table and start the half-second tick."""
        self.order_table.focus()
        self.set_interval(_TICK_S, self._tick)
        self.wake()

    def on_resize(self) -> None:
        """Update the too-small notice, and the panes once they have their new sizes."""
        size = self.app.size
        text = f"needs 60x15, this is {size.width}x{size.height}"
        self.query_one("#small", Static).update(text, layout=False)
        self.call_after_refresh(self.refresh_panels)

    # Frames

    @property
    def is_due(self) -> bool:
        """Whether a frame is scheduled."""
        return self._frames.is_due

    def wake(self) -> None:
        """Schedule a frame: the model changed."""
        self._frames.wake()

    def refresh_panels(self) -> None:
        """Repaint the changed lines of all panes around the table."""
        self._summary.paint()
        self._differences.paint()
        self._log.paint()
        self._status.paint()
        self._detail.paint(self._session.cursor.order)

    def _paint(self) -> bool:
        view, now_ms = self._session.view, self._session.server_now_ms
        row_changes = view.apply_changes(now_ms)
        if row_changes.new_rows:
            self.order_table.add_rows(row_changes.new_rows)
        if row_changes.changed_orders:
            self.order_table.repaint_orders(row_changes.changed_orders)
        is_postponed = view.is_stale and not self._can_rebuild()
        if view.is_stale and not is_postponed:
            self.rebuild()
        self._detail.paint(self._session.cursor.order)
        return is_postponed

    def _can_rebuild(self) -> bool:
        model = self._session.model
        if (
            model.connection.status is ConnectionStatus.LOADING
            and not model.orders
            and len(self._session.view)
        ):
            # Keep the rows of the previous journal until the first page of the new one is here.
            return False
        return monotonic() >= self._next_rebuild_s

    def rebuild(self) -> None:
        """Filter and sort all orders again, and repaint everything."""
        began_s = monotonic()
        self._session.view.rebuild(self._session.server_now_ms)
        self._next_rebuild_s = monotonic() + _REBUILD_COST_FACTOR * (monotonic() - began_s)
        self.order_table.set_hint(empty_table_hint(self._session))
        self.order_table.reset_rows()
        self.refresh_panels()

    def _tick(self) -> None:
        view = self._session.view
        self.order_table.set_dimmed(
            is_dimmed=self._session.model.connection.status is ConnectionStatus.OFFLINE
        )
        self.order_table.set_hint(empty_table_hint(self._session))
        if not view.is_paused:
            view.is_stale |= view.filter.is_time_dependent
            self.order_table.repaint_running()
        if view.is_stale:
            self.wake()
        self.refresh_panels()

    # What is shown

    def action_filter(self) -> None:
        """Open the filter bar."""
        self._filter_bar.open()

    def action_set_filter(self, text: str) -> None:
        """Put a text into the filter bar, which applies it."""
        self._filter_bar.set_text(text)

    def action_clear_filter(self) -> None:
        """Remove the filter, its statuses included."""
        self._filter_bar.set_text("")
        self._apply_filter(OrderFilter())
        self.order_table.focus()

    def action_toggle_status(self, status: str) -> None:
        """Add a status to the filter, or remove it."""
        self._apply_filter(self._session.view.filter.with_status_toggled(status))

    def action_all_statuses(self) -> None:
        """Remove the statuses from the filter; its text stays."""
        self._apply_filter(OrderFilter.parse(self._session.view.filter.text))

    def on_filter_bar_changed(self, message: FilterBar.Changed) -> None:
        """Apply the filter that was typed."""
        self._apply_filter(OrderFilter.parse(message.text, self._session.view.filter.statuses))

    def on_filter_bar_closed(self) -> None:
        """Give the keyboard focus back to the table."""
        self.order_table.focus()

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
        if message.column.key == self._session.view.sort_column.key:
            self.action_reverse()
        else:
            self._sort_by(message.column)

    def _sort_by(self, column: Column) -> None:
        self._session.view.sort_by(column, is_descending=self._session.view.is_descending)
        self._apply_sort()

    def _apply_sort(self) -> None:
        self._session.settings.sort = self._session.view.sort_column.key
        self._session.settings.is_descending = self._session.view.is_descending
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

    def action_log(self) -> None:
        """Show or hide the log."""
        self.toggle_class("-unlogged" if self.size.height >= _TALL_LINES else "-logged")

    def action_dismiss_difference(self) -> None:
        """Dismiss the difference of a balance that is shown."""
        self._session.dismiss_difference()
        self._differences.paint()

    def on_order_table_cursor_moved(self) -> None:
        """Show the order that is at the cursor now."""
        self.refresh_panels()

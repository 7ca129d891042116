"""The main screen: summary, tabs, the view that is shown, log and keys."""

from __future__ import annotations

from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Static

from tui.model.connection_state import ConnectionStatus
from tui.session import Session
from tui.text.views import ORDER_VIEWS, ORDERS, step_view
from tui.views.bindings import MAIN_BINDINGS
from tui.views.desk_pane import DeskPane
from tui.views.order_list import OrderListScreen
from tui.views.panes import build_panes
from tui.views.tabs import ViewTabs
from tui.widgets.frame_scheduler import FrameScheduler
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
_TALL_LINES: Final = 30
_ROW_ACTIONS: Final = frozenset(
    {
        *("filter", "clear_filter", "sort", "reverse", "failed", "follow", "pause"),
        *("mark", "unmark"),
    }
)
"""What needs the rows of orders."""


class MainScreen(OrderListScreen):
    """The screen below all dialogs; repaints from the model at a limited frame rate."""

    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [  # noqa: RUF012 - as in Textual
        (0, "-tiny"),
        (60, "-narrow"),
        (110, "-wide"),
        (180, "-broad"),
    ]
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [  # noqa: RUF012 - as in Textual
        (0, "-flat"),
        (15, "-short"),
        (_TALL_LINES, "-tall"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = [*MAIN_BINDINGS]

    class ViewShown(Message):
        """Posted when another view is shown."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._frames = FrameScheduler(self, self._paint)
        self.panes = build_panes(session)
        self._summary = SummaryPane(session)
        self._tabs = ViewTabs(session)
        self._keys = KeyBar()
        self._differences = DifferencePane(session)
        self._detail = DetailPane(session)
        self._log = LogPane(session)
        self._status = StatusBar(session)

    def compose(self) -> ComposeResult:
        """Lay out the panes from top to bottom."""
        yield self._summary
        yield self._differences
        yield self._tabs
        with Horizontal(id="body"):
            yield self.order_table
            yield self._detail
            yield from self.panes.values()
        yield self._log
        yield self._status
        yield self.filter_bar
        yield self._keys
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
        self._tabs.paint()
        self._log.paint()
        self._status.paint()
        if self._pane is None:
            self._detail.paint(self._session.cursor.order)
        else:
            self._pane.paint()

    def _paint(self) -> bool:
        view, now_ms = self._session.view, self._session.server_now_ms
        if self._pane is not None:  # it is painted with each tick; the rows when they are shown
            row_changes = view.apply_changes(now_ms)
            view.is_stale |= bool(row_changes.new_rows)
            return False
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
        return self.can_rebuild_again

    def _tick(self) -> None:
        view = self._session.view
        self.order_table.set_dimmed(
            is_dimmed=self._session.model.connection.status is ConnectionStatus.OFFLINE
        )
        self.order_table.set_hint(empty_table_hint(self._session))
        if not view.is_paused and self._pane is None:
            view.is_stale |= view.filter.is_time_dependent
            self.order_table.repaint_running()
        if view.is_stale and self._pane is None:
            self.wake()
        self.refresh_panels()

    # Views

    @property
    def _pane(self) -> DeskPane | None:
        """The view that is shown, unless its rows are orders."""
        return self.panes.get(self._session.shown_view)

    def action_show_view(self, name: str) -> None:
        """Show a view."""
        session = self._session
        if name == session.shown_view:
            return
        session.show_view(name)
        is_order_view = name in ORDER_VIEWS
        self.set_class(not is_order_view, "-desk")
        for each in self.panes.values():
            each.display = each.id == name
        self._keys.show_view(name)
        if is_order_view:
            self.filter_bar.set_text(session.view.filter.text)
            self.order_table.restyle()
            self.rebuild()
        self.focus_view()
        self.call_after_refresh(self.refresh_panels)
        self.post_message(self.ViewShown(name))

    def action_step_view(self, step: int) -> None:
        """Show the next view (``step`` 1) or the one before (-1)."""
        self.action_show_view(step_view(self._session.shown_view, step))

    async def action_in_view(self, action: str) -> None:
        """Run an action of the view that is shown."""
        if self._pane is not None:
            await self._pane.run_action(action)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that act on rows of orders do nothing where there are none."""
        return self._pane is None or action not in _ROW_ACTIONS

    def focus_view(self) -> None:
        """Give the view the keyboard focus."""
        (self._pane or self.order_table).focus()

    def show_orders(self) -> None:
        """Show a list of orders, unless one is shown."""
        if self._pane is not None:
            self.action_show_view(ORDERS)

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

"""The dashboard: the strip, the blotter, the detail beside it, the log and the keys."""

from __future__ import annotations

from time import monotonic
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Static

from tui.model.connection_state import State
from tui.model.filters import Filter
from tui.session import Desk
from tui.table.columns import COLUMNS, Column
from tui.text.symbols import STATUSES
from tui.widgets.blotter import Blotter, next_column
from tui.widgets.filter_bar import FilterBar
from tui.widgets.frame_scheduler import Pump
from tui.widgets.panels import Keys, LogPane, Side, StatusLine, Summary, hint

_TICK_S: Final = 0.5
_REBUILD_SHARE: Final = 10
"""Times as long as filtering and sorting took is waited before they are done again."""
_TALL: Final = 30


class MainScreen(Screen[None]):
    """Everything that is seen when no dialog is open."""

    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [  # noqa: RUF012 - as in Textual
        (0, "-tiny"),
        (60, "-narrow"),
        (110, "-wide"),
    ]
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [  # noqa: RUF012 - as in Textual
        (0, "-flat"),
        (15, "-short"),
        (_TALL, "-tall"),
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
        Binding("e", "app.export", "Export"),
        Binding("R", "app.resubmit", "Resubmit failures"),
        Binding("x", "app.reasons", "Failures by reason"),
        Binding("enter", "app.open", "Detail"),
        Binding("n", "app.batch", "New batch"),
        Binding("o", "app.order", "Order"),
        Binding("r", "app.retry_now", "Connect again now"),
        Binding("m", "app.mouse", "Mouse"),
        Binding("q", "app.quit", "Quit"),
        Binding("question_mark", "app.help", "Help"),
        Binding("l", "log", "Log"),
        Binding("escape", "clear_filter", "Clear the filter"),
        Binding("0", "all_statuses", "All statuses"),
        *(
            Binding(str(digit), f"toggle_status('{status}')", status)
            for digit, status in enumerate(STATUSES, start=1)
        ),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._pump = Pump(self, self._paint)
        self._next_rebuild_s = 0.0
        self.blotter = Blotter(
            desk.view, desk.cursor, desk.marks, lambda: desk.server_ms, desk.settings.columns
        )
        self._strip = Summary(desk)
        self._side = Side(desk)
        self._log = LogPane(desk)
        self._status = StatusLine(desk)
        self._filter = FilterBar()

    def compose(self) -> ComposeResult:
        """From the top to the bottom."""
        yield self._strip
        with Horizontal(id="body"):
            yield self.blotter
            yield self._side
        yield self._log
        yield self._status
        yield self._filter
        yield Keys()
        yield Static(id="small")

    def on_mount(self) -> None:
        """Start the clock."""
        self.blotter.focus()
        self.set_interval(_TICK_S, self._tick)
        self.wake()

    def on_resize(self) -> None:
        """Everything has another size."""
        size = self.app.size
        text = f"needs 60x15, this is {size.width}x{size.height}"
        self.query_one("#small", Static).update(text, layout=False)
        self.call_after_refresh(self.refresh_panels)

    # Frames

    @property
    def is_due(self) -> bool:
        """Whether something waits to be drawn."""
        return self._pump.is_due

    def wake(self) -> None:
        """The model changed: draw soon."""
        self._pump.wake()

    def refresh_panels(self) -> None:
        """Draw everything around the rows again, as far as it changed."""
        self._strip.paint()
        self._log.paint()
        self._status.paint()
        self._side.paint(self._desk.cursor.order)

    def _paint(self) -> bool:
        view, now_ms = self._desk.view, self._desk.server_ms
        shift = view.absorb(now_ms)
        if shift.added:
            self.blotter.grown(shift.added)
        if shift.changed:
            self.blotter.changed(shift.changed)
        is_late = view.is_stale and not self._may_rebuild()
        if view.is_stale and not is_late:
            self.rebuild()
        self._side.paint(self._desk.cursor.order)
        return is_late

    def _may_rebuild(self) -> bool:
        model = self._desk.model
        if model.link.state is State.LOADING and not model.orders and len(self._desk.view):
            return False  # better the last rows of another journal than none for a moment
        return monotonic() >= self._next_rebuild_s

    def rebuild(self) -> None:
        """Filter and sort again, and draw everything."""
        began_s = monotonic()
        self._desk.view.rebuild(self._desk.server_ms)
        self._next_rebuild_s = monotonic() + _REBUILD_SHARE * (monotonic() - began_s)
        self.blotter.hint(hint(self._desk))
        self.blotter.rebuilt()
        self.refresh_panels()

    def _tick(self) -> None:
        view = self._desk.view
        self.blotter.dim(is_dimmed=self._desk.model.link.state is State.OFFLINE)
        self.blotter.hint(hint(self._desk))
        if not view.is_paused:
            view.is_stale |= view.filter.heeds_time
            self.blotter.ticked()
        if view.is_stale:
            self.wake()
        self.refresh_panels()

    # What is shown

    def action_filter(self) -> None:
        """Type a filter."""
        self._filter.open()

    def action_narrow(self, text: str) -> None:
        """Show what a filter says."""
        self._filter.fill(text)

    def action_clear_filter(self) -> None:
        """Show everything."""
        self._filter.fill("")
        self._show(Filter())
        self.blotter.focus()

    def action_toggle_status(self, status: str) -> None:
        """Switch a status on or off."""
        self._show(self._desk.view.filter.toggled(status))

    def action_all_statuses(self) -> None:
        """Show every status."""
        self._show(Filter.parse(self._desk.view.filter.text))

    def on_filter_bar_filtered(self, message: FilterBar.Filtered) -> None:
        """Another filter was typed."""
        self._show(Filter.parse(message.text, self._desk.view.filter.statuses))

    def on_filter_bar_left(self) -> None:
        """The rows have the keys again."""
        self.blotter.focus()

    def _show(self, which: Filter) -> None:
        self._desk.view.show(which)
        self.rebuild()

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._sort_by(next_column(self._desk.view.sort.key, self.blotter.columns))

    def action_reverse(self) -> None:
        """Turn the order around."""
        view = self._desk.view
        view.sort_by(view.sort, is_descending=not view.is_descending)
        self._sorted()

    def on_blotter_header_clicked(self, message: Blotter.HeaderClicked) -> None:
        """A click sorts, another one turns the order around."""
        if message.column.key == self._desk.view.sort.key:
            self.action_reverse()
        else:
            self._sort_by(message.column)

    def _sort_by(self, column: Column) -> None:
        self._desk.view.sort_by(column, is_descending=self._desk.view.is_descending)
        self._sorted()

    def _sorted(self) -> None:
        self._desk.settings.sort = self._desk.view.sort.key
        self._desk.settings.is_descending = self._desk.view.is_descending
        self.rebuild()

    def toggle_column(self, key: str) -> None:
        """Show or hide an optional column."""
        self.blotter.optional = tuple(set(self.blotter.optional) ^ {COLUMNS[key].key})
        self._desk.settings.columns = sorted(self.blotter.optional)
        self.blotter.restyle()

    # The cursor

    def action_follow(self) -> None:
        """Stay with the newest order."""
        self.blotter.follow()

    def action_failed(self, step: int) -> None:
        """Go to the next failed order, or to the one before."""
        y = self._desk.view.find(self._desk.cursor.y, step, lambda order: order.status == "failed")
        if y is None:
            self.notify(f"no failed order {'below' if step > 0 else 'above'}", timeout=2)
        else:
            self.blotter.go(y)

    def action_pause(self) -> None:
        """Hold the view still, or let it go on."""
        view = self._desk.view
        if view.is_paused:
            view.resume()
        else:
            view.pause(self._desk.server_ms)
        self.rebuild()

    def action_log(self) -> None:
        """Show or hide the log."""
        self.toggle_class("-unlogged" if self.size.height >= _TALL else "-logged")

    def on_blotter_moved(self) -> None:
        """Another order is at the cursor."""
        self.refresh_panels()

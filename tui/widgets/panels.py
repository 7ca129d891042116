"""The panes around the order table; each renders its lines from the session when painted."""

from __future__ import annotations

from typing import Final

from tui import keys
from tui.model.activity_log import LogEntry
from tui.model.connection_state import ConnectionState, ConnectionStatus
from tui.model.orders import Order
from tui.output.balances import render_differences
from tui.output.order_detail import render_order_detail
from tui.output.summary import SummaryContext, render_summary
from tui.output.timeline import TextContext
from tui.session import Session
from tui.text.format import Line, Span, format_time_of_day, line_width, truncate_line
from tui.text.symbols import STATUSES
from tui.text.views import ORDER_VIEWS, ORDERS
from tui.widgets.text_pane import TextPane

LOG_LINES: Final = 5


class SummaryPane(TextPane):
    """Connection, counts and rates at a glance."""

    def __init__(self, session: Session) -> None:
        super().__init__(id="summary")
        self._session = session

    def paint(self) -> None:
        """Render the lines anew; only those that differ are repainted."""
        session = self._session
        now_ms = session.source.now_ms()
        self.show_lines(
            render_summary(
                SummaryContext(
                    session.model,
                    session.view,
                    session.symbols,
                    self.size.width,
                    now_ms,
                    session.recording,
                )
            )
        )


class DifferencePane(TextPane):
    """A balance that differs from what orders explain; the screen has no such line without one."""

    def __init__(self, session: Session) -> None:
        super().__init__(id="differences")
        self._session = session

    def paint(self) -> None:
        """Render the line anew, or take it away."""
        session = self._session
        self.show_lines(
            render_differences(
                session.list_differences(),
                session.symbols,
                self.app.size.width,
                session.server_now_ms,
                session.timezone,
            )
        )
        self.screen.set_class(bool(self.lines), "-differs")


class DetailPane(TextPane):
    """The order at the cursor in full."""

    def __init__(self, session: Session, *, id: str = "detail", can_focus: bool = False) -> None:  # noqa: A002
        super().__init__(id=id, can_focus=can_focus)
        self._session = session
        self._painted_key: tuple[Order, int, int, int, int] | None = None

    def paint(self, order: Order | None) -> None:
        """Render an order, unless its present version and time are shown already."""
        # The last column is for the scrollbar, there or not: text that fits does not move for it.
        session, cells = self._session, self.content_size.width - 1
        if order is None or cells <= 0:
            self._painted_key = None
            self.show_lines([])
            return
        if not order.has_full_history:
            session.request_history(order)
        now_ms = session.view.now_ms(session.server_now_ms)
        groups = session.model.groups
        relatives = sum(each.version for each in groups.list_relatives(order))
        now = 0 if order.is_end else now_ms
        key = (order, order.version, relatives, cells, now)
        if key != self._painted_key:
            if self._painted_key is None or self._painted_key[0] is not order:
                self.scroll_home(animate=False)
            self._painted_key = key
            context = TextContext(session.symbols, session.timezone, cells, now_ms, groups)
            self.show_lines(render_order_detail(order, session.model.counters.rates, context))


class LogPane(TextPane):
    """The last entries of the log, the newest at the top, and the cursor's position."""

    def __init__(self, session: Session) -> None:
        super().__init__(id="log")
        self._session = session

    def paint(self) -> None:
        """Render the lines anew; only those that differ are repainted."""
        entries = list(self._session.model.log.entries)[-LOG_LINES:]
        self.show_lines([self._render_entry(entry) for entry in reversed(entries)])
        position = format_cursor_position(self._session)
        if position != self.border_title:  # assigning it repaints the border
            self.border_title = position

    def _render_entry(self, entry: LogEntry) -> Line:
        return [
            Span(f" {format_time_of_day(entry.at_ms, self._session.timezone)} ", "muted"),
            *format_log_entry(self._session, entry),
        ]


class StatusBar(TextPane):
    """The last log entry and the cursor's position in one line, for small terminals."""

    def __init__(self, session: Session) -> None:
        super().__init__(id="status")
        self._session = session

    def paint(self) -> None:
        """Render the lines anew; only those that differ are repainted."""
        entries = self._session.model.log.entries
        line = [Span(" "), *(format_log_entry(self._session, entries[-1]) if entries else [])]
        position = f"{format_cursor_position(self._session)}  l log "
        cells = self.size.width
        room = cells - len(position) - 2
        line = truncate_line(line, room)
        gap = Span(" " * max(cells - line_width(line) - len(position), 0))
        self.show_lines([[*line, gap, Span(position, "muted")]])


class KeyBar(TextPane):
    """The footer with as many keys of the view as fit."""

    def __init__(self) -> None:
        super().__init__(id="keys")
        self._view = ORDERS

    def show_view(self, view: str) -> None:
        """Show the keys of a view."""
        self._view = view
        self.show_lines([keys.render_footer(self.size.width, view)])

    def on_resize(self) -> None:
        """Choose the keys that fit."""
        self.show_view(self._view)


def empty_table_hint(session: Session) -> list[str]:
    """Return the text for a table without rows: why it is empty, and what to do."""
    model, order_filter = session.model, session.view.filter
    if model.connection.status is ConnectionStatus.LIVE and session.view.is_open_list:
        is_none = order_filter.is_empty
        return _NO_OPEN_ORDER if is_none else [f"no open order matches  {order_filter}", *_CLEAR]
    if model.orders:
        return [f"0 of {len(model.orders):,} match  {order_filter}", *_CLEAR]
    return _explain_no_orders(model.connection)


_CLEAR: Final = ("", "Esc clears the filter.")
_NO_OPEN_ORDER: Final = ["Nothing waits, and nothing is in flight.", "", "o places an order."]


def _explain_no_orders(connection: ConnectionState) -> list[str]:
    match connection.status:
        case ConnectionStatus.LIVE:
            return ["No orders yet.", "", "n creates a batch, o places a single order."]
        case ConnectionStatus.LOADING:
            return ["loading"]
        case ConnectionStatus.CONNECTING:
            return [f"connecting to {connection.url}"]
        case ConnectionStatus.OFFLINE if connection.retry_at_ms is None:
            return [connection.reason, "", "r tries again."]
        case ConnectionStatus.OFFLINE:
            return [connection.reason, "", "Trying again; r tries at once."]


def format_cursor_position(session: Session) -> str:
    """Format the position of the cursor: ``row 7 of 38 (2,012 in all)``."""
    rows, orders = len(session.view), len(session.model.orders)
    if session.shown_view not in ORDER_VIEWS:
        return ""
    if not orders:
        return "no orders"
    following = f" {session.symbols.dot} following" if session.cursor.is_following else ""
    filtered = f" ({orders:,} in all)" if session.view.is_filtered else ""
    row = f"row {session.cursor.y + 1:,} of {rows:,}" if rows else "no rows"
    marks = f"{len(session.marked):,} marked {session.symbols.dot} " if session.marked else ""
    return f"{marks}{row}{filtered}{following}"


def format_log_entry(session: Session, entry: LogEntry) -> Line:
    """Format a log entry without its time."""
    symbol = session.symbols.status[entry.role] if entry.role in STATUSES else "!"
    if entry.role in {"", "muted"}:
        symbol = session.symbols.dot
    return [Span(f"{symbol} ", entry.role), Span(entry.text)]

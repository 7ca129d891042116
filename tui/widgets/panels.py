"""The panels around the blotter: each makes its lines from the desk when it is told to."""

from __future__ import annotations

from typing import Final

from tui import keys
from tui.model.activity_log import Entry
from tui.model.connection_state import State
from tui.model.orders import Order
from tui.output.order_detail import detail
from tui.output.summary import Scene, summary
from tui.output.timeline import Paper
from tui.session import Desk
from tui.text.format import Line, Span, clock, width
from tui.text.symbols import STATUSES
from tui.widgets.lines import Lines

LOG_LINES: Final = 5


class Summary(Lines):
    """How it goes, at a glance."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(id="strip")
        self._desk = desk

    def paint(self) -> None:
        """Draw what changed."""
        desk = self._desk
        now_ms = desk.source.now_ms()
        self.show(
            summary(
                Scene(desk.model, desk.view, desk.marks, self.size.width, now_ms, desk.recording)
            )
        )


class Side(Lines):
    """The order at the cursor in full."""

    def __init__(self, desk: Desk, *, id: str = "side", can_focus: bool = False) -> None:  # noqa: A002
        super().__init__(id=id, can_focus=can_focus)
        self._desk = desk
        self._drawn: tuple[Order, int, int, int] | None = None

    def paint(self, order: Order | None) -> None:
        """Draw an order, if it is not drawn as it is already."""
        desk, cells = self._desk, self.scrollable_content_region.width - 1
        if order is None or cells <= 0:
            self._drawn = None
            self.show([])
            return
        if not order.is_told:
            desk.ask(order)
        now_ms = desk.view.now_ms(desk.server_ms)
        drawn = (order, order.version, cells, 0 if order.is_end else now_ms)
        if drawn != self._drawn:
            if self._drawn is None or self._drawn[0] is not order:
                self.scroll_home(animate=False)
            self._drawn = drawn
            paper = Paper(desk.marks, desk.zone, cells, now_ms)
            self.show(detail(order, desk.model.tally.rates, paper))


class LogPane(Lines):
    """The last things that are worth a line, the newest at the top."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(id="log")
        self._desk = desk

    def paint(self) -> None:
        """Draw what changed."""
        entries = list(self._desk.model.log.entries)[-LOG_LINES:]
        self.show([self._line(entry) for entry in reversed(entries)])
        where = place(self._desk)
        if where != self.border_title:  # setting it draws the border again
            self.border_title = where

    def _line(self, entry: Entry) -> Line:
        return [
            Span(f" {clock(entry.at_ms, self._desk.zone)} ", "muted"),
            *entry_spans(self._desk, entry),
        ]


class StatusLine(Lines):
    """The last thing worth a line, where there is no room for more, and the place in the rows."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(id="status")
        self._desk = desk

    def paint(self) -> None:
        """Draw what changed."""
        entries = self._desk.model.log.entries
        line = [Span(" "), *(entry_spans(self._desk, entries[-1]) if entries else [])]
        where = f"{place(self._desk)}  l log "
        cells = self.size.width
        room = cells - len(where) - 2
        line = _cut(line, room)
        gap = Span(" " * max(cells - width(line) - len(where), 0))
        self.show([[*line, gap, Span(where, "muted")]])


class Keys(Lines):
    """The keys, as far as there is room."""

    def __init__(self) -> None:
        super().__init__(id="keys")

    def on_resize(self) -> None:
        """There is other room."""
        self.show([keys.footer(self.size.width)])


def hint(desk: Desk) -> list[str]:
    """What to say while there are no rows."""
    model = desk.model
    if model.orders:
        orders = f"0 of {len(model.orders):,} match  {desk.view.filter}"
        return [orders, "", "Esc clears the filter."]
    match model.link.state:
        case State.LIVE:
            return ["No orders yet.", "", "n creates a batch, o places a single order."]
        case State.LOADING:
            return ["loading"]
        case State.CONNECTING:
            return [f"connecting to {model.link.url}"]
        case State.OFFLINE:
            return [model.link.reason, "", "Trying again; r tries at once."]


def place(desk: Desk) -> str:
    """Where the cursor is: ``row 7 of 38 (2,012 in all)``."""
    rows, orders = len(desk.view), len(desk.model.orders)
    if not orders:
        return "no orders"
    following = f" {desk.marks.dot} following" if desk.cursor.is_following else ""
    filtered = "" if desk.view.filter.is_empty else f" ({orders:,} in all)"
    row = f"row {desk.cursor.y + 1:,} of {rows:,}" if rows else "no rows"
    return f"{row}{filtered}{following}"


def entry_spans(desk: Desk, entry: Entry) -> Line:
    """A line of the log without its time."""
    mark = desk.marks.status[entry.role] if entry.role in STATUSES else "!"
    if entry.role in {"", "muted"}:
        mark = desk.marks.dot
    return [Span(f"{mark} ", entry.role), Span(entry.text)]


def _cut(line: Line, cells: int) -> Line:
    kept: Line = []
    for span in line:
        kept.append(span._replace(text=span.text[: max(cells - width(kept), 0)]))
    return kept

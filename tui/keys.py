"""The table of key bindings: the footer shows the most important ones, the help page all."""

from __future__ import annotations

from typing import Final, NamedTuple

from tui.text.format import Line, Span, line_width
from tui.text.views import BATCHES, MARKETS, OPEN, ORDERS, POSITIONS, QUALITY, VIEWS


class KeyHelp(NamedTuple):
    """A key: its label in the footer, the action that a click on it runs, and a description."""

    key: str
    label: str
    action: str
    meaning: str


FOOTER_KEYS: Final = (
    KeyHelp("n", "New batch", "app.batch", "make a batch of orders"),
    KeyHelp("o", "Order", "app.order", "place a single order"),
    KeyHelp("/", "Filter", "screen.filter", "show only some orders; words add up"),
    KeyHelp("s", "Sort", "screen.sort", "sort by the next column; S turns the order around"),
    KeyHelp("]", "Failed", "screen.failed(1)", "go to the next failed order; [ to the one before"),
    KeyHelp("x", "Cancel", "app.cancel", "cancel the order; X all open ones shown; asks first"),
    KeyHelp("a", "Amend", "app.amend", "change the order while it waits; e in its full view too"),
    KeyHelp("f", "Follow", "screen.follow", "stay with the newest order"),
    KeyHelp("space", "Pause", "screen.pause", "hold the view still; the engine goes on"),
    KeyHelp(
        "y", "Copy", "app.copy('id')", "copy the id; Y the order as JSON, t its tx, p its pools"
    ),
    KeyHelp("e", "Export", "app.export", "write the orders that are shown to a file"),
    KeyHelp("?", "Help", "app.help", "show this"),
)
_BY_KEY: Final = {each.key: each for each in FOOTER_KEYS}
_OPEN_KEYS: Final = (
    _BY_KEY["o"],
    _BY_KEY["x"],
    KeyHelp("X", "Cancel all", "app.cancel_shown", "cancel all open orders that are shown"),
    *(_BY_KEY[key] for key in ("a", "/", "s", "f", "space", "y", "e", "?")),
)
_DESK_KEYS: Final = (
    KeyHelp("tab", "Next view", "screen.step_view(1)", ""),
    *(_BY_KEY[key] for key in ("n", "o", "?")),
)
_BATCH_KEYS: Final = (
    _BY_KEY["n"],
    KeyHelp("enter", "Its orders", "screen.in_view('show_orders')", "show the orders of a batch"),
    KeyHelp("R", "Resubmit", "screen.in_view('resubmit')", "send what of a batch can pass again"),
    KeyHelp("x", "Cancel", "screen.in_view('cancel')", "cancel what is open of a batch"),
    _BY_KEY["e"]._replace(action="screen.in_view('export')"),
    _BY_KEY["?"],
)
_MARKET_KEYS: Final = (
    KeyHelp("]", "Next pair", "screen.in_view('step_pair(1)')", "the next pair; [ the one before"),
    KeyHelp("-", "Zoom out", "screen.in_view('zoom(1)')", "longer bars; + shorter ones"),
    KeyHelp("left", "Earlier", "screen.in_view('pan(-1)')", "earlier bars; right later, 0 now"),
    KeyHelp("v", "All orders", "screen.in_view('fit_orders')", "make room for all open orders"),
    *(_BY_KEY[key] for key in ("x", "a", "o", "?")),
)
_QUALITY_KEYS: Final = (
    KeyHelp("]", "Period", "screen.in_view('step_period(1)')", "the next period; [ the one before"),
    KeyHelp("b", "By pair or DEX", "screen.in_view('step_group')", "rows by pair or by DEX"),
    *(_BY_KEY[key] for key in ("n", "o", "?")),
)
VIEW_KEYS: Final = {
    ORDERS: FOOTER_KEYS,
    OPEN: _OPEN_KEYS,
    BATCHES: _BATCH_KEYS,
    POSITIONS: _DESK_KEYS,
    MARKETS: _MARKET_KEYS,
    QUALITY: _QUALITY_KEYS,
}
"""The keys in the footer of each view."""
_DROPPED_FIRST: Final = ("y", "e", "f", "s", "space", "]", "a", "o", "n", "/")
"""What a footer leaves out that is too narrow for all keys, in this order."""

OTHER_KEYS: Final = (
    *(KeyHelp(view.key, "", "", f"show the view {view.title}") for view in VIEWS),
    KeyHelp("tab", "", "", "show the next view; shift+tab the one before"),
    KeyHelp("1-9", "", "", "switch a status on or off; 0 shows all"),
    KeyHelp("enter", "", "", "show the order in full; escape goes back"),
    KeyHelp("j k g G", "", "", "move, as do arrows, page keys, home and end"),
    KeyHelp("O .", "", "", "fill the form with the last order, to place it again"),
    KeyHelp("R", "", "", "send failed orders again as a new batch (asks first)"),
    KeyHelp("v", "", "", "mark the order, or take its mark away; X, R and e are for marked ones"),
    KeyHelp("V", "", "", "take all marks away"),
    KeyHelp("u", "", "", "open the signature in an explorer (setting `explorer`)"),
    KeyHelp("F", "", "", "failures grouped by reason"),
    KeyHelp("l", "", "", "show or hide the log"),
    KeyHelp("m", "", "", "give the mouse to the terminal, to select text; again to take it back"),
    KeyHelp("r", "", "", "connect again now"),
    KeyHelp("d", "", "", "hide the line of a balance that no order explains"),
    KeyHelp("escape", "", "", "clear the filter, close a dialog"),
    KeyHelp("ctrl+p", "", "", "palette: all of this, and themes, columns, screenshot, connect"),
    KeyHelp("q", "", "", "quit; settings are kept (opened by `up`, it stops the engine)"),
)

_SHORT_LABELS: Final = {"New batch": "New"}
_SHORT_LABELS_BELOW_CELLS: Final = 121
_PALETTE_KEY: Final = KeyHelp("^p", "palette", "app.command_palette", "")


def render_footer(cells: int, view: str = ORDERS) -> Line:
    """Render the keys of a view that fit into a line of ``cells`` cells."""
    end = _render_key(_PALETTE_KEY)
    items = {key.key: _render_key(_shorten_label(key, cells)) for key in VIEW_KEYS[view]}
    for key in _DROPPED_FIRST:
        if sum(map(line_width, items.values())) + line_width(end) <= cells:
            break
        items.pop(key, None)
    line = [span for item in items.values() for span in item]
    gap = cells - line_width([*line, *end])
    return [*line, Span(" " * gap), *end]


def _shorten_label(key: KeyHelp, cells: int) -> KeyHelp:
    if cells >= _SHORT_LABELS_BELOW_CELLS:
        return key
    return key._replace(label=_SHORT_LABELS.get(key.label, key.label))


def _render_key(key: KeyHelp) -> Line:
    return [
        Span(f" {key.key}", "key", key.action),
        Span(f" {key.label} ", "muted", key.action),
    ]

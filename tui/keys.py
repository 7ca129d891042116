"""The keys, in one table: the footer shows the first of them, help shows all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from tui.text.format import Line, Span, width


class Key(NamedTuple):
    """A key: what it is called in the footer, what a click on it does, and what it does."""

    key: str
    label: str
    action: str
    meaning: str


FOOTER: Final = (
    Key("n", "New batch", "app.batch", "make a batch of orders"),
    Key("o", "Order", "app.order", "place a single order"),
    Key("/", "Filter", "screen.filter", "show only some orders; words add up"),
    Key("s", "Sort", "screen.sort", "sort by the next column; S turns the order around"),
    Key("]", "Next failed", "screen.failed(1)", "go to the next failed order; [ to the one before"),
    Key("f", "Follow", "screen.follow", "stay with the newest order"),
    Key("space", "Pause", "screen.pause", "hold the view still; the engine goes on"),
    Key("y", "Copy", "app.copy('id')", "copy the order's id; Y the order as JSON, t its tx"),
    Key("e", "Export", "app.export", "write the orders that are shown to a file"),
    Key("?", "Help", "app.help", "show this"),
)
"""The most needed first: the footer drops the last ones where there is little room."""

OTHERS: Final = (
    Key("1-8", "", "", "switch a status on or off; 0 shows all"),
    Key("enter", "", "", "show the order in full; escape goes back"),
    Key("j k g G", "", "", "move, as do arrows, page keys, home and end"),
    Key("R", "", "", "send failed orders again as a new batch (asks first)"),
    Key("x", "", "", "failures grouped by reason"),
    Key("l", "", "", "show or hide the log"),
    Key("m", "", "", "give the mouse to the terminal, to select text; again to take it back"),
    Key("r", "", "", "connect again now"),
    Key("escape", "", "", "clear the filter, close a dialog"),
    Key("ctrl+p", "", "", "palette: all of this, and themes, columns, screenshot, connect"),
    Key("q", "", "", "quit; settings are kept"),
)

_SHORT: Final = {"New batch": "New", "Next failed": "Failed"}
_PALETTE: Final = Key("^p", "palette", "app.command_palette", "")


def footer(cells: int) -> Line:
    """The keys that fit into one line."""
    end = _shown(_PALETTE)
    line: Line = []
    for key in _needed(cells):
        item = _shown(key._replace(label=_SHORT.get(key.label, key.label)) if cells < 100 else key)
        if width([*line, *item, *end]) > cells:
            break
        line += item
    gap = cells - width([*line, *end])
    return [*line, Span(" " * gap), *end]


def _needed(cells: int) -> Iterable[Key]:
    """All keys, or without those that a small footer can do without."""
    if cells >= 100:
        return FOOTER
    return [key for key in FOOTER if key.key not in {"o", "f", "y", "e"}]


def _shown(key: Key) -> Line:
    return [
        Span(f" {key.key}", "key", key.action),
        Span(f" {key.label} ", "muted", key.action),
    ]

"""The views of the main screen: names, titles and keys, in the order of the tabs."""

from __future__ import annotations

from typing import Final, NamedTuple

ORDERS: Final = "orders"
OPEN: Final = "open"
BATCHES: Final = "batches"
POSITIONS: Final = "positions"
MARKETS: Final = "markets"
QUALITY: Final = "quality"
LIMITS: Final = "limits"
"""No view, but a part of that of positions, which is read by itself."""


class View(NamedTuple):
    """A view: its name, its title, and the key that shows it."""

    name: str
    title: str
    key: str


VIEWS: Final = (
    View(ORDERS, "Orders", "f2"),
    View(OPEN, "Open", "f3"),
    View(BATCHES, "Batches", "f4"),
    View(POSITIONS, "Positions", "f5"),
    View(MARKETS, "Markets", "f6"),
    View(QUALITY, "Quality", "f7"),
)
ORDER_VIEWS: Final = frozenset({ORDERS, OPEN})
"""The views whose rows are orders: keys that act on an order work there."""


def step_view(name: str, step: int) -> str:
    """Return the view ``step`` tabs further, around the ends."""
    names = [view.name for view in VIEWS]
    return names[(names.index(name) + step) % len(names)]

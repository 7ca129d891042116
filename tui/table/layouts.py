"""Which columns a list of orders has, and which of them fit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from tui.table.columns import COLUMNS, Column
from tui.table.open_columns import OPEN_COLUMNS


class Layout(NamedTuple):
    """The columns of a list, by their keys.

    ``shown`` is the order on the screen; ``needed`` are selected first, in the order of their
    importance, ``extra`` where there is room behind those that were asked for.
    """

    shown: tuple[str, ...]
    needed: tuple[str, ...]
    extra: tuple[str, ...]


OPTIONAL_KEYS: Final = tuple(key for key, column in COLUMNS.items() if column.is_optional)
ORDERS_LAYOUT: Final = Layout(
    tuple(COLUMNS),
    ("status", "time", "pair", "side", "amount", "dex", "price", "took"),
    ("bps", "type"),
)
OPEN_LAYOUT: Final = Layout(
    (
        *("time", "pair", "side", "type", "amount", "status", "awaited", "market", "away"),
        *("age", "until", "tries", "batch", "tx"),
    ),
    ("status", "time", "pair", "side", "amount", "awaited", "away", "market"),
    ("type", "until", "age"),
)


def select_columns(
    cells: int, optional: Iterable[str] = (), layout: Layout = ORDERS_LAYOUT
) -> tuple[Column, ...]:
    """Select the columns that fit into ``cells``, by importance; returned in display order.

    If no ``optional`` ones are asked for, all of them fill the room that is left.
    """
    asked = set(optional)
    candidates = (
        *layout.needed,
        *(key for key in OPTIONAL_KEYS if key in asked),
        *layout.extra,
    )
    selected: dict[str, Column] = {}
    room = _add_columns(selected, candidates, layout, cells)
    for key, column in selected.items():
        selected[key] = column.fit(room)
        room -= selected[key].cells - column.cells
    if not asked:
        _add_columns(selected, OPTIONAL_KEYS, layout, room)
    return tuple(selected[key] for key in layout.shown if key in selected)


def _add_columns(
    selected: dict[str, Column], keys: Iterable[str], layout: Layout, room: int
) -> int:
    """Add the columns that fit, until one does not; returns how many cells are left."""
    for key in keys:
        if key in selected or key not in layout.shown:
            continue
        if OPEN_COLUMNS[key].cells + 1 > room:
            break
        selected[key] = OPEN_COLUMNS[key]
        room -= OPEN_COLUMNS[key].cells + 1
    return room

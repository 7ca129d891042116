"""Which orders are shown, in which order: the rows of the blotter, without the blotter.

Rows are kept sorted upwards and read from the end when the order is downwards, so that a new
order, the usual change, is one append. Everything else only marks the rows as stale; whoever
draws decides when to pay for sorting them again.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Any, NamedTuple

from tui.model.filters import Filter
from tui.model.model import Model
from tui.model.orders import Order
from tui.table.columns import COLUMNS, Column


class Shift(NamedTuple):
    """What happened to the rows: new ones beside the newest, and orders that changed."""

    added: int = 0
    changed: Set[Order] = frozenset()


class View:
    """The rows; ``is_stale`` says that ``rebuild`` would change them."""

    def __init__(self, model: Model, *, sort: str = "time", is_descending: bool = True) -> None:
        self.filter = Filter()
        self.sort: Column = COLUMNS.get(sort, COLUMNS["time"])
        self.is_descending = is_descending
        self.is_stale = True
        self._model = model
        self._rows: list[Order] = []
        self._members: set[Order] = set()
        self._paused: _Paused | None = None
        self._keys: dict[Order, tuple[int, tuple[bool, Any, str]]] = {}
        """What orders were compared by, with the version for which that is true."""

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, y: int) -> Order:
        return self._rows[~y if self.is_descending else y]

    def shown_at(self, y: int) -> Order:
        """The order of a row as it is shown."""
        return self._model.shown(self[y])

    @property
    def is_paused(self) -> bool:
        """Whether the rows stay as they are."""
        return self._paused is not None

    @property
    def held(self) -> int:
        """How many transitions the pause holds back."""
        return self._model.events - self._paused.events if self._paused else 0

    def now_ms(self, now_ms: int) -> int:
        """The time as shown: it stands still while the view is paused."""
        return self._paused.now_ms if self._paused else now_ms

    def pause(self, now_ms: int) -> None:
        """Keep showing what is shown now; the model goes on."""
        newest = self._model.ordered[-1].id if self._model.ordered else ""
        self._model.freeze()
        self._paused = _Paused(now_ms, self._model.events, newest)

    def resume(self) -> None:
        """Show what is."""
        self._model.thaw()
        self._paused = None
        self.is_stale = True

    def show(self, which: Filter) -> None:
        """Show other orders."""
        self.filter = which
        self.is_stale = True

    def sort_by(self, column: Column, *, is_descending: bool) -> None:
        """Show them in another order."""
        self.sort, self.is_descending = column, is_descending
        self._keys = {}
        self.is_stale = True

    def absorb(self, now_ms: int) -> Shift:
        """Take from the model what happened since the last time."""
        changes = self._model.changes()
        if self.is_paused:
            return Shift()
        fresh = set(changes.added)
        matches = self.filter.matches
        added = [order for order in changes.added if matches(order, now_ms)]
        self.is_stale |= changes.is_reloaded
        if not self.filter.is_empty:
            self.is_stale |= any(
                matches(order, now_ms) != (order in self._members)
                for order in changes.changed
                if order not in fresh
            )
        if self.sort.key != "time":
            self.is_stale |= bool(changes.changed or added)
        if self.is_stale:
            return Shift(changed=changes.changed)
        self._rows += added
        if not self.filter.is_empty:
            self._members.update(added)
        return Shift(len(added), changes.changed)

    def rebuild(self, now_ms: int) -> None:
        """Filter and sort everything again."""
        self._model.changes()  # they are in what is read now
        now_ms = self.now_ms(now_ms)
        shown = self._model.shown
        orders = self._model.ordered
        if self._paused is not None:
            newest = self._paused.newest
            orders = [order for order in orders if order.id <= newest]
        if self.filter.is_empty:
            self._rows = list(orders)
            self._members = set()
        else:
            matches = self.filter.matches
            self._rows = [order for order in orders if matches(shown(order), now_ms)]
            self._members = set(self._rows)
        if self.sort.key != "time":
            if len(self._keys) > 2 * len(orders):
                self._keys = {}
            self._rows.sort(key=self._key(shown, now_ms))
        self.is_stale = False

    def index(self, order: Order) -> int | None:
        """The row of an order, if it is shown."""
        if not self.filter.is_empty and order not in self._members:
            return None
        try:
            at = self._rows.index(order)
        except ValueError:
            return None
        return len(self._rows) - 1 - at if self.is_descending else at

    def find(self, start: int, step: int, test: Callable[[Order], bool]) -> int | None:
        """The next row behind ``start`` (or before it, with ``step`` -1) that passes a test."""
        stop = len(self) if step > 0 else -1
        shown = self._model.shown
        return next((y for y in range(start + step, stop, step) if test(shown(self[y]))), None)

    def all(self) -> list[Order]:
        """The rows as they are shown, from the top."""
        return [self._model.shown(self[y]) for y in range(len(self))]

    def _key(self, shown: Callable[[Order], Order], now_ms: int) -> Callable[[Order], Any]:
        value, top, keys = self.sort.sort, self.is_descending, self._keys

        def key(order: Order) -> tuple[bool, Any, str]:
            as_shown = shown(order)
            known = keys.get(as_shown)
            if known is not None and known[0] == as_shown.version and as_shown.is_end:
                return known[1]
            by = value(as_shown, now_ms)
            # What has no value is at the bottom either way.
            found = ((by is not None) == top, by if by is not None else 0, order.id)
            keys[as_shown] = (as_shown.version, found)
            return found

        return key


class _Paused:
    """When the view was paused, and what was there then."""

    __slots__ = ("events", "newest", "now_ms")

    def __init__(self, now_ms: int, events: int, newest: str) -> None:
        self.now_ms = now_ms
        self.events = events
        self.newest = newest

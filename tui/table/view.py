"""The rows of the order table: the orders that pass the filter, sorted.

Rows are stored in ascending order and read from the end when the order is descending, so that a
new order, the usual change, is one append. Every other change only marks the rows as stale; the
screen decides when to spend the time for sorting them again.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Any, NamedTuple

from tui.model.filters import OrderFilter
from tui.model.model import Model
from tui.model.orders import Order
from tui.table.columns import COLUMNS, Column
from tui.table.layouts import OPEN_LAYOUT, ORDERS_LAYOUT, Layout


class RowChanges(NamedTuple):
    """Changes of the rows: the number of new rows at the newest end, and changed orders."""

    new_rows: int = 0
    changed_orders: Set[Order] = frozenset()


class _ListState(NamedTuple):
    """How a list that is not shown is filtered and sorted."""

    filter: OrderFilter
    sort_column: Column
    is_descending: bool


class OrderView:
    """The filtered and sorted rows; ``is_stale`` means that ``rebuild`` would change them.

    There are two lists, of all orders and of open ones, each with its own filter and sorting;
    ``is_open_list`` says which is shown.
    """

    def __init__(self, model: Model, *, sort: str = "time", is_descending: bool = True) -> None:
        self.filter = OrderFilter()
        self.sort_column: Column = COLUMNS.get(sort, COLUMNS["time"])
        self.is_descending = is_descending
        self.is_stale = True
        self.is_open_list = False
        self._other_list = _ListState(OrderFilter(), COLUMNS["time"], is_descending=True)
        self._model = model
        self._rows: list[Order] = []
        self._members: set[Order] = set()
        self._paused: _PauseState | None = None
        self._keys: dict[Order, tuple[int, tuple[bool, Any, str]]] = {}
        """Cached sort keys, each with the version of the order that it was computed from."""

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, y: int) -> Order:
        return self._rows[~y if self.is_descending else y]

    def get_displayed_at(self, y: int) -> Order:
        """Return the order of a row as it is displayed."""
        return self._model.get_displayed(self[y])

    @property
    def is_paused(self) -> bool:
        """Whether the view is paused."""
        return self._paused is not None

    @property
    def held_back_events(self) -> int:
        """The number of events since the view was paused."""
        return self._model.event_count - self._paused.event_count if self._paused else 0

    def now_ms(self, now_ms: int) -> int:
        """Return the displayed time; it stands still while the view is paused."""
        return self._paused.now_ms if self._paused else now_ms

    def pause(self, now_ms: int) -> None:
        """Freeze the rows as they are now; the model continues to change."""
        self._model.freeze()
        known = frozenset(self._model.sorted_orders)
        self._paused = _PauseState(now_ms, self._model.event_count, known)

    def resume(self) -> None:
        """Display the current state again."""
        self._model.unfreeze()
        self._paused = None
        self.is_stale = True

    @property
    def layout(self) -> Layout:
        """The columns of the list."""
        return OPEN_LAYOUT if self.is_open_list else ORDERS_LAYOUT

    @property
    def is_filtered(self) -> bool:
        """Whether the list may leave orders out."""
        return self.is_open_list or not self.filter.is_empty

    def switch_list(self) -> None:
        """Show the other list."""
        other = self._other_list
        self._other_list = _ListState(self.filter, self.sort_column, self.is_descending)
        self.filter = other.filter
        self.is_open_list = not self.is_open_list
        self.sort_by(other.sort_column, is_descending=other.is_descending)

    def _matches(self, order: Order, now_ms: int) -> bool:
        return not (self.is_open_list and order.is_end) and self.filter.matches(order, now_ms)

    def set_filter(self, order_filter: OrderFilter) -> None:
        """Set the filter."""
        self.filter = order_filter
        self.is_stale = True

    def sort_by(self, column: Column, *, is_descending: bool) -> None:
        """Set the column and the direction to sort by."""
        self.sort_column, self.is_descending = column, is_descending
        self._keys = {}
        self.is_stale = True

    def apply_changes(self, now_ms: int) -> RowChanges:
        """Apply the changes of the model since the last call to the rows."""
        changes = self._model.take_changes()
        if self.is_paused:
            return RowChanges()
        new_orders = set(changes.new_orders)
        matches = self._matches
        added = [order for order in changes.new_orders if matches(order, now_ms)]
        self.is_stale |= changes.is_reloaded
        if self.is_filtered:
            self.is_stale |= any(
                matches(order, now_ms) != (order in self._members)
                for order in changes.changed_orders
                if order not in new_orders
            )
        if self.sort_column.key != "time":
            self.is_stale |= bool(changes.changed_orders or added)
        if self.is_stale:
            return RowChanges(changed_orders=changes.changed_orders)
        self._rows += added
        if self.is_filtered:
            self._members.update(added)
        return RowChanges(len(added), changes.changed_orders)

    def rebuild(self, now_ms: int) -> None:
        """Filter and sort all orders again."""
        self._model.take_changes()  # the orders read below include them
        now_ms = self.now_ms(now_ms)
        get_displayed = self._model.get_displayed
        orders = self._model.sorted_orders
        if self._paused is not None:
            known = self._paused.known
            orders = [order for order in orders if order in known]
        if not self.is_filtered:
            self._rows = list(orders)
            self._members = set()
        else:
            matches = self._matches
            self._rows = [order for order in orders if matches(get_displayed(order), now_ms)]
            self._members = set(self._rows)
        if self.sort_column.key != "time":
            if len(self._keys) > 2 * len(orders):
                self._keys = {}
            self._rows.sort(key=self._build_sort_key(get_displayed, now_ms))
        self.is_stale = False

    def find_index(self, order: Order) -> int | None:
        """Return the row of an order, if it is in the view."""
        if self.is_filtered and order not in self._members:
            return None
        try:
            position = self._rows.index(order)
        except ValueError:
            return None
        return len(self._rows) - 1 - position if self.is_descending else position

    def find_row(self, start: int, step: int, test: Callable[[Order], bool]) -> int | None:
        """Return the next row after ``start`` (before it, with ``step`` -1) that passes a test."""
        stop = len(self) if step > 0 else -1
        get_displayed = self._model.get_displayed
        return next(
            (y for y in range(start + step, stop, step) if test(get_displayed(self[y]))), None
        )

    def list_displayed(self) -> list[Order]:
        """Return the orders of all rows as they are displayed, from the top."""
        return [self._model.get_displayed(self[y]) for y in range(len(self))]

    def list_open(self) -> list[Order]:
        """Return the orders of all rows that have not ended by now, from the top."""
        return [order for y in range(len(self)) if not (order := self[y]).is_end]

    def _build_sort_key(
        self, get_displayed: Callable[[Order], Order], now_ms: int
    ) -> Callable[[Order], Any]:
        value, top, keys = self.sort_column.sort_key, self.is_descending, self._keys

        def key(order: Order) -> tuple[bool, Any, str]:
            displayed = get_displayed(order)
            cached = keys.get(displayed)
            if cached is not None and cached[0] == displayed.version and displayed.is_end:
                return cached[1]
            key_value = value(displayed, now_ms)
            # Orders without a value sort to the bottom in both directions.
            sort_key = (
                (key_value is not None) == top,
                key_value if key_value is not None else 0,
                order.id,
            )
            keys[displayed] = (displayed.version, sort_key)
            return sort_key

        return key


class _PauseState:
    """The time, the event count and the orders at the time of the pause."""

    __slots__ = ("event_count", "known", "now_ms")

    def __init__(self, now_ms: int, event_count: int, known: frozenset[Order]) -> None:
        self.now_ms = now_ms
        self.event_count = event_count
        self.known = known

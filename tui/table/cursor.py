"""The cursor of the order table: its row, and whether it follows the newest order."""

from __future__ import annotations

from tui.model.orders import Order
from tui.table.view import OrderView


class Cursor:
    """A position in the rows of a view. It stays on its order when rows are added or removed."""

    def __init__(self, view: OrderView) -> None:
        self.y = 0
        self.is_following = True
        self._view = view
        self._order: Order | None = None
        self._other_list: tuple[bool, Order | None] = (True, None)

    @property
    def order(self) -> Order | None:
        """The order at the cursor, as it is displayed."""
        return self._view.get_displayed_at(self.y) if len(self._view) else None

    @property
    def newest_y(self) -> int:
        """The row at which new orders appear."""
        return 0 if self._view.is_descending else max(len(self._view) - 1, 0)

    def move_to(self, y: int) -> None:
        """Move to a row, and stop following the newest order."""
        self.is_following = False
        self._go_to(y)

    def follow_newest(self) -> None:
        """Move to the newest order and follow it."""
        self.is_following = True
        self._go_to(self.newest_y)

    def shift_for_new_rows(self, count: int) -> None:
        """Adjust the position after new rows were added at the newest end."""
        if self.is_following:
            self._go_to(self.newest_y)
        elif self._view.is_descending:
            self.y += count

    def restore_position(self) -> None:
        """Restore the position after a rebuild of the rows: on the same order if still shown."""
        if self.is_following or self._order is None:
            self._go_to(self.newest_y if self.is_following else self.y)
            return
        y = self._view.find_index(self._order)
        self._go_to(self.y if y is None else y)

    def switch_list(self) -> None:
        """Take the position of the other list of the view; ``restore_position`` goes there."""
        self._other_list, (self.is_following, self._order) = (
            (self.is_following, self._order),
            self._other_list,
        )

    def _go_to(self, y: int) -> None:
        self.y = max(min(y, len(self._view) - 1), 0)
        self._order = self._view[self.y] if len(self._view) else None

"""Where the reader is: on which order, and whether new ones carry the place along."""

from __future__ import annotations

from tui.model.orders import Order
from tui.table.view import View


class Cursor:
    """A place in the rows of a view. It stays with its order when rows come and go."""

    def __init__(self, view: View) -> None:
        self.y = 0
        self.is_following = True
        self._view = view
        self._order: Order | None = None

    @property
    def order(self) -> Order | None:
        """The order at the cursor, as it is shown."""
        return self._view.shown_at(self.y) if len(self._view) else None

    @property
    def newest_y(self) -> int:
        """The row that new orders come to."""
        return 0 if self._view.is_descending else max(len(self._view) - 1, 0)

    def move(self, y: int) -> None:
        """Go to a row; whoever moves does not follow any more."""
        self.is_following = False
        self._go(y)

    def follow(self) -> None:
        """Go to the newest order, and stay with the newest."""
        self.is_following = True
        self._go(self.newest_y)

    def grown(self, added: int) -> None:
        """Rows were added beside the newest."""
        if self.is_following:
            self._go(self.newest_y)
        elif self._view.is_descending:
            self.y += added

    def rebuilt(self) -> None:
        """The rows are other ones: stay with the order if it is still there."""
        if self.is_following or self._order is None:
            self._go(self.newest_y if self.is_following else self.y)
            return
        y = self._view.index(self._order)
        self._go(self.y if y is None else y)

    def _go(self, y: int) -> None:
        self.y = max(min(y, len(self._view) - 1), 0)
        self._order = self._view[self.y] if len(self._view) else None

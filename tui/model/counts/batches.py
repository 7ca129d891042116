"""Progress of the batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tui.model.orders import Order
from tui.text.symbols import FINAL_STATUSES

_WAITING: Final = "waiting"
_BATCHES_MAX: Final = 500
_SHOWN_AFTER_END_MS: Final = 60_000


@dataclass(slots=True)
class Batch:
    """The progress of a batch: counts of its orders."""

    id: str
    total: int = 0
    ended: int = 0
    failed: int = 0
    waiting: int = 0
    first_ms: int = 0
    last_ms: int = 0

    @property
    def short_id(self) -> str:
        """The last four characters of the id; the ``batch:`` filter matches them."""
        return self.id[-4:]

    @property
    def is_finished(self) -> bool:
        """Whether all of its orders have ended."""
        return self.ended == self.total

    @property
    def left(self) -> int:
        """How many of its orders are being executed: not ended, and not waiting for a price."""
        return self.total - self.ended - self.waiting


class Batches:
    """The progress of all batches, by batch id."""

    def __init__(self) -> None:
        self._all: dict[str, Batch] = {}

    def get(self, batch_id: str) -> Batch | None:
        """Return a batch by its id."""
        return self._all.get(batch_id)

    def count_order(self, order: Order, old_status: str | None) -> None:
        """Update the counts after an order was added (no ``old_status``) or changed."""
        if order.batch_id is None:
            return
        batch = self._all.get(order.batch_id)
        if batch is None:
            batch = self._all[order.batch_id] = Batch(order.batch_id, first_ms=order.created_ms)
            if len(self._all) > _BATCHES_MAX:
                del self._all[min(self._all, key=lambda key: self._all[key].first_ms)]
        batch.total += old_status is None
        batch.waiting += (order.status == _WAITING) - (old_status == _WAITING)
        batch.last_ms = max(batch.last_ms, order.updated_ms)
        if order.is_end and old_status not in FINAL_STATUSES:
            batch.ended += 1
            batch.failed += order.status == "failed"

    def get_current(self, now_ms: int) -> Batch | None:
        """Return the newest running batch, or the newest one of the last minute.

        A batch of which all that is left waits for a price is not running.
        """
        latest = max(self._all.values(), key=lambda batch: batch.first_ms, default=None)
        running = [batch for batch in self._all.values() if batch.left]
        if running:
            return max(running, key=lambda batch: batch.first_ms)
        if latest is not None and now_ms - latest.last_ms < _SHOWN_AFTER_END_MS:
            return latest
        return None

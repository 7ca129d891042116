"""Progress of the batches: what was sent as one is one, in however many requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tui.model.orders import Order
from tui.text.symbols import FINAL_STATUSES

_WAITING: Final = "waiting"
_BATCHES_MAX: Final = 500
_SHOWN_AFTER_END_MS: Final = 60_000


@dataclass(slots=True)
class Batch:
    """The progress of a batch: counts of its orders.

    ``request_ids`` are the batches of the engine that it consists of.
    """

    id: str
    total: int = 0
    ended: int = 0
    failed: int = 0
    confirmed: int = 0
    waiting: int = 0
    first_ms: int = 0
    last_ms: int = 0
    request_ids: set[str] = field(default_factory=set)
    single_count: int = 0
    """How many of its orders came in a request of their own."""

    @property
    def request_count(self) -> int:
        """In how many requests its orders came."""
        return len(self.request_ids) + self.single_count

    @property
    def short_id(self) -> str:
        """The end of the id, by which the ``batch:`` filter finds it."""
        return self.id[-4:] if self.id in self.request_ids else self.id[-8:]

    @property
    def withdrawn(self) -> int:
        """How many were cancelled or have expired."""
        return self.ended - self.confirmed - self.failed

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

    def __len__(self) -> int:
        return len(self._all)

    def list_newest_first(self) -> list[Batch]:
        """Return all batches, the newest first."""
        return sorted(self._all.values(), key=lambda batch: batch.first_ms, reverse=True)

    def count_order(self, order: Order, old_status: str | None) -> None:
        """Update the counts after an order was added (no ``old_status``) or changed."""
        name = order.batch_name
        if name is None:
            return
        batch = self._all.get(name)
        if batch is None:
            batch = self._all[name] = Batch(name, first_ms=order.created_ms)
            if len(self._all) > _BATCHES_MAX:
                del self._all[min(self._all, key=lambda key: self._all[key].first_ms)]
        if order.batch_id is not None:
            batch.request_ids.add(order.batch_id)
        elif old_status is None:
            batch.single_count += 1
        batch.total += old_status is None
        batch.first_ms = min(batch.first_ms, order.created_ms)
        batch.waiting += (order.status == _WAITING) - (old_status == _WAITING)
        batch.last_ms = max(batch.last_ms, order.updated_ms)
        if order.is_end and old_status not in FINAL_STATUSES:
            batch.ended += 1
            batch.failed += order.status == "failed"
            batch.confirmed += order.status == "confirmed"

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

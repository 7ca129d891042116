"""All rows of orders, and what ends one of them: its owner, its time, or the other of its group."""

from __future__ import annotations

from uuid import UUID

from backend.domain.lifecycle import CANCELLABLE_STATUSES, Status
from backend.store.withdrawals.cancellations import CancelReason
from tests.simulation.model.rows import OrderRow


class RowSet:
    """The rows by the ids of their orders."""

    def __init__(self) -> None:
        self.rows: dict[UUID, OrderRow] = {}

    def withdraw(self, row: OrderRow, now: float, status: Status) -> None:
        """End an order whatever executes it."""
        row.status = status
        row.seq += 1
        row.epoch += 1
        row.lease_until = row.waiting_since = row.next_attempt_at = None
        row.updated_at = now
        row.append_event(now, "{}", row.epoch)

    def is_cancellable(self, row: OrderRow) -> bool:
        """Whether nothing of an order can still land."""
        return row.status in CANCELLABLE_STATUSES

    def may_release(self, row: OrderRow) -> bool:
        """Whether the other order of its group is not executed, and was not."""
        sibling = self.find_sibling(row)
        statuses = (Status.WAITING, Status.CANCELLED, Status.EXPIRED, Status.FAILED)
        return sibling is None or sibling.status in statuses

    def find_sibling(self, row: OrderRow) -> OrderRow | None:
        """The other order of a group."""
        if row.oco_group is None:
            return None
        legs = [each for each in self.rows.values() if each.oco_group == row.oco_group]
        return next(each for each in legs if each is not row)

    def cancel_sibling(self, now: float, row: OrderRow) -> None:
        """Cancel the other order of a group of which this one was filled."""
        sibling = self.find_sibling(row)
        if sibling is not None and self.is_cancellable(sibling):
            self.withdraw(sibling, now, Status.CANCELLED)
            sibling.cancel_reason = CancelReason.SIBLING_FILLED

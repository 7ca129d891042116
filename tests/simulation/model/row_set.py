"""All rows of orders, the leases on them, and what ends one: its owner, its time, or its group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from backend.domain.lifecycle import CANCELLABLE_STATUSES, Status
from backend.store.leases.outage_waits import NO_WAITS, OutageWaited
from backend.store.withdrawals.cancellations import CancelReason
from tests.simulation.model.rows import LeaseKey, OrderRow


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

    def take_due_amounts(
        self, now: float, limit: int, interval_s: float, interval_max_s: float
    ) -> list[OrderRow]:
        """``_TAKE_DUE``: returns the confirmed orders whose amount is to be asked for."""
        rows = [row for row in self.rows.values() if row.amount_pending]
        due = [row for row in rows if not now < row.kick_at <= now + interval_max_s]
        taken = sorted(due, key=lambda row: row.id)[:limit]
        for row in taken:
            wait_s = max((now - row.updated_at) / 10, interval_s)
            row.kick_at = now + min(wait_s, interval_max_s)
        return taken

    def renew(
        self,
        now: float,
        keys: Sequence[LeaseKey],
        lease_s: float,
        waits: Mapping[UUID, OutageWaited] = NO_WAITS,
    ) -> list[UUID]:
        """``_RENEW``: returns the orders that no other worker has claimed."""
        held = []
        for key in keys:
            row = self.rows.get(key.id)
            if row and row.epoch == key.epoch:
                held.append(row.id)
                if row.open and row.lease_until is not None:
                    row.lease_until = now + lease_s
                    row.keep_wait(now, waits)
        return held

    def release(
        self, now: float, keys: Sequence[LeaseKey], waits: Mapping[UUID, OutageWaited] = NO_WAITS
    ) -> None:
        """``_RELEASE``."""
        for key in keys:
            row = self.rows.get(key.id)
            if row and row.epoch == key.epoch and row.open:
                row.lease_until = None
                row.kick_at = now
                row.keep_wait(now, waits)

    def find_overdue_owners(self, now: float, ahead_s: float) -> list[str]:
        """``_FIND_OVERDUE_OWNERS``: the owners of open orders with an overdue job and no lease."""
        owners = {
            row.owner
            for row in self.rows.values()
            if row.open
            and row.status is not Status.WAITING
            and (row.kick_at <= now or row.kick_at > now + ahead_s)
            and row.is_free(now, ahead_s)
        }
        return sorted(owners)

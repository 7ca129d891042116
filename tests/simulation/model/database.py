"""A model of the tables of orders: the statements of the store, each as one atomic step.

It is the Python equivalent of the SQL in ``backend.store``; a test runs both side by side against a
real PostgreSQL. Times are seconds on the database's own clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from backend.domain.groups.brackets import Bracket
from backend.domain.groups.children import ChildOrder
from backend.domain.lifecycle import Status
from backend.domain.orders import OrderTerms, TimeInForce
from backend.domain.waiting.slices import SliceSchedule
from tests.simulation.model.row_set import RowSet
from tests.simulation.model.rows import LeaseKey, OrderRow
from tests.simulation.model.transition_write import TransitionWrite, apply_write, check_constraints


class DatabaseModel(RowSet):
    """The tables ``orders`` and ``order_events``."""

    def accept(
        self,
        now: float,
        order_id: UUID,
        terms: OrderTerms,
        rekick_s: float,
        *,
        time_in_force: TimeInForce = TimeInForce.GTC,
        expires_at: float | None = None,
        oco_group: UUID | None = None,
        bracket: Bracket | None = None,
        parent_id: UUID | None = None,
    ) -> None:
        """Store a new order with its first event."""
        row = self.rows[order_id] = OrderRow(
            order_id,
            terms,
            now + rekick_s,
            time_in_force=time_in_force,
            expires_at=expires_at,
            created_at=now,
            oco_group=oco_group,
            bracket=bracket,
            parent_id=parent_id,
        )
        row.append_event(now, "{}", 0)
        if terms.condition is not None and not time_in_force.has_one_attempt:
            row.status = Status.WAITING
            row.seq += 1
            row.append_event(now, "{}", 0)

    def find_leased_by(self, holder: str) -> list[UUID]:
        """The orders that a worker has not released."""
        rows = self.rows.values()
        return [row.id for row in rows if row.lease_until is not None and row.holder == holder]

    def claim(
        self,
        now: float,
        ids: Sequence[UUID],
        lease_s: float,
        ahead_s: float,
        *,
        holder: str = "",
    ) -> list[tuple[OrderRow, bool]]:
        """``_CLAIM``: returns the claimed rows, and whether each claim was the first."""
        claimed = []
        for order_id in ids:
            row = self.rows.get(order_id)
            if row is None or not self.is_claimable(row, now, ahead_s):
                continue
            is_first = row.status is Status.PENDING
            row.epoch += 1
            row.holder = holder
            row.lease_until = now + lease_s
            row.next_attempt_at = None
            if is_first:
                row.status = Status.ROUTING
                row.seq += 1
                row.append_event(now, "{}", row.epoch)
            claimed.append((row, is_first))
        return claimed

    def claim_waiting(
        self,
        now: float,
        places: Mapping[str, int],
        since: Mapping[str, UUID],
        lease_s: float,
        ahead_s: float,
        *,
        holder: str = "",
    ) -> list[tuple[OrderRow, bool]]:
        """``_CLAIM_WAITING``: returns as ``claim``."""
        ids: list[UUID] = []
        for owner, limit in places.items():
            rows = [row for row in self.rows.values() if row.owner == owner]
            waiting = [row.id for row in rows if self.is_claimable(row, now, ahead_s)]
            ids += sorted(each for each in waiting if each >= since[owner])[:limit]
        return self.claim(now, ids, lease_s, ahead_s, holder=holder)

    def is_claimable(self, row: OrderRow, now: float, ahead_s: float) -> bool:
        """Whether a worker may have an order: not after its expiry, unless it is submitted."""
        is_over = row.has_expired(now) and row.status is not Status.SUBMITTED
        is_waiting = row.status is Status.WAITING
        return row.is_claimable(now, ahead_s) and not is_over and not is_waiting

    def record(
        self,
        now: float,
        writes: Sequence[TransitionWrite],
        lease_s: float,
        rekick_s: float,
        *,
        holder: str = "",
    ) -> list[UUID]:
        """``_RECORD_TRANSITIONS``: returns the orders that moved; atomic for all writes."""
        applied: dict[UUID, TransitionWrite] = {}
        for write in writes:
            row = self.rows.get(write.id)
            if row is None or not self.may_record(row, write, now):
                continue
            if write.claim is not None:
                is_fenced = row.open and self.matches_claim(row, write)
            else:
                is_fenced = row.open and self.matches_fence(row, write.epoch, write.seq)
            if is_fenced:
                check_constraints(write, row.tx_hash, row.dex)
                applied.setdefault(write.id, write)  # an UPDATE uses one row for each order
        for order_id, write in applied.items():
            if write.claim is not None:
                self.rows[order_id].holder = holder
            apply_write(self.rows[order_id], write, now, lease_s, rekick_s)
        return list(applied)

    def may_record(self, row: OrderRow, write: TransitionWrite, now: float) -> bool:
        """Whether the expiry of an order permits a step: it is not submitted any more."""
        return not (write.status is Status.SUBMITTED and row.has_expired(now))

    def release_waiting(
        self, now: float, order_id: UUID, seq: int, rekick_s: float, ahead_s: float
    ) -> bool:
        """``_RELEASE`` of ``waiting_orders`` for one order: returns whether it is released."""
        row = self.rows.get(order_id)
        if row is None or row.status is not Status.WAITING or row.seq != seq:
            return False
        if isinstance(row.terms.condition, SliceSchedule):
            return False
        if row.has_expired(now) or row.is_cooling(now, ahead_s) or not self.may_release(row):
            return False
        row.status = Status.ROUTING
        row.seq += 1
        row.next_attempt_at = None
        row.kick_at = now + rekick_s
        row.append_event(now, "{}", row.epoch)
        return True

    def record_confirmations(
        self,
        now: float,
        writes: Sequence[TransitionWrite],
        children: Sequence[ChildOrder],
        lease_s: float,
        rekick_s: float,
    ) -> list[UUID]:
        """``_RECORD_CONFIRMATIONS``: as ``record``, with what follows for other orders."""
        moved = self.record(now, writes, lease_s, rekick_s)
        for order_id in moved:
            self.cancel_sibling(now, self.rows[order_id])
        self.place_children(now, [each for each in children if each.parent_id in moved])
        return moved

    def find_expired(self, now: float, keys: Sequence[LeaseKey], seqs: Sequence[int]) -> list[UUID]:
        """``_FIND_EXPIRED``: returns the orders that have not moved on from a seq, and expired."""
        return [
            key.id
            for key, seq in zip(keys, seqs, strict=True)
            if (row := self.rows.get(key.id)) is not None
            and row.open
            and (row.epoch, row.seq) == (key.epoch, seq)
            and row.has_expired(now)
        ]

    def find_recorded(
        self, writes: Iterable[tuple[UUID, int, int, str | None, str | None]]
    ) -> list[UUID]:
        """``_FIND_RECORDED``: returns the orders that moved on from a seq under the same epoch."""
        found = []
        for order_id, epoch, seq, via, claim in writes:
            row = self.rows.get(order_id)
            steps = 1 + (via is not None) + (claim is not None)
            if row is not None and self.matches_fence(row, epoch, seq + steps):
                found.append(row.id)
        return found

    def cancel(self, now: float, order_id: UUID) -> bool:
        """``_CANCEL_ORDERS`` for one order: returns whether it is cancelled by this."""
        row = self.rows.get(order_id)
        if row is None or not self.is_cancellable(row):
            return False
        self.withdraw(row, now, Status.CANCELLED)
        return True

    def expire_due(self, now: float, limit: int) -> list[UUID]:
        """``_EXPIRE_ORDERS``: returns the orders that it ends."""
        rows = [row for row in self.rows.values() if self.is_cancellable(row)]
        due = sorted(
            (row.expires_at, row.id)
            for row in rows
            if row.expires_at is not None and row.expires_at <= now
        )
        ids = [order_id for _, order_id in due[:limit]]
        for order_id in ids:
            self.withdraw(self.rows[order_id], now, Status.EXPIRED)
        return ids

    def store_amount(
        self,
        now: float,
        order_id: UUID,
        amount_out: int,
        executed_price: str,
        network_fee: int,
        children: Sequence[ChildOrder] = (),
    ) -> None:
        """``_STORE`` for one order, with its children."""
        row = self.rows[order_id]
        if row.amount_pending:
            self.place_children(now, [each for each in children if each.parent_id == order_id])
            row.amount_out, row.executed_price = amount_out, executed_price
            row.network_fee_lamports = (row.network_fee_lamports or 0) + network_fee
            row.amount_pending = None

    def place_children(self, now: float, children: Sequence[ChildOrder]) -> None:
        """Store the children of a row, unless they are there."""
        for child in children:
            if child.id not in self.rows:
                self.accept(
                    now,
                    child.id,
                    child.terms,
                    0,
                    oco_group=child.oco_group,
                    parent_id=child.parent_id,
                )

    def matches_claim(self, row: OrderRow, write: TransitionWrite) -> bool:
        """Whether a write may claim an order: nobody has, and its job has told the right terms."""
        is_unclaimed = (row.epoch, row.seq) == (write.epoch - 1, write.seq)
        return is_unclaimed and write.claim == row.terms_text

    def matches_fence(self, row: OrderRow, epoch: int, seq: int) -> bool:
        """Whether a write passes the fence: epoch and seq are those that the writer knows."""
        return row.epoch == epoch and row.seq == seq

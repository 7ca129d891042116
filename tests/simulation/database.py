"""A model of the orders' tables: the statements of the store, each as one atomic step.

It says in Python what the SQL of ``backend.store`` says; a test runs both side by side on a real
PostgreSQL. Times are seconds on the database's own clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

import asyncpg

from backend.domain.lifecycle import Status
from backend.domain.orders import Held, Signed, Terms
from backend.domain.quotes import Dex


class Key(NamedTuple):
    """An order as a worker knows it."""

    id: UUID
    epoch: int


class Write(NamedTuple):
    """One row of the statement that records transitions, as far as anything depends on it."""

    id: UUID
    epoch: int
    seq: int
    via: Status | None
    via_attempt: int | None
    via_data: str | None
    status: Status
    attempt: int
    data: str
    dex: str | None
    tx_hash: str | None
    signed_tx: bytes | None
    last_valid_height: int | None
    amount_out: int | None
    executed_price: str | None
    last_error: str | None
    wait_ms: int | None
    kept: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of ``order_events``, with the epoch of whoever wrote it and the one it had to have."""

    seq: int
    status: Status
    attempt: int
    at: float
    data: str
    epoch: int
    epoch_due: int
    wait_s: float = 0.0
    """How long the order was given back for."""


@dataclass(slots=True)
class Row:
    """A row of ``orders``."""

    id: UUID
    terms: Terms
    kick_at: float
    status: Status = Status.PENDING
    seq: int = 1
    attempts: int = 1
    epoch: int = 0
    holder: str = ""
    """Who claimed it last; no statement looks at it."""
    lease_until: float | None = None
    next_attempt_at: float | None = None
    dex: str | None = None
    tx_hash: str | None = None
    signed_tx: bytes | None = None
    last_valid_height: int | None = None
    amount_out: int | None = None
    executed_price: str | None = None
    last_error: str | None = None
    events: list[Entry] = field(default_factory=list)

    @property
    def open(self) -> bool:
        return not self.status.is_end

    def held(self) -> Held:
        """What a claim returns."""
        signed = None
        if self.signed_tx is not None:
            assert self.tx_hash is not None
            assert self.last_valid_height is not None
            signed = Signed(self.tx_hash, self.signed_tx, self.last_valid_height)
        dex = None if self.dex is None else Dex(self.dex)
        place = self.status, self.seq, self.attempts, self.epoch
        return Held(self.id, self.terms, *place, dex, signed)

    def is_free(self, now: float) -> bool:
        """Whether nobody holds it."""
        return self.lease_until is None or self.lease_until < now

    def note(self, at: float, data: str, epoch: int, wait_s: float = 0.0) -> None:
        """Write the event of where it is now."""
        if any(entry.seq == self.seq for entry in self.events):
            raise asyncpg.UniqueViolationError("order_events_pkey")
        entry = Entry(self.seq, self.status, self.attempts, at, data, epoch, self.epoch, wait_s)
        self.events.append(entry)


class Database:
    """The tables."""

    def __init__(self) -> None:
        self.rows: dict[UUID, Row] = {}

    def accept(self, now: float, order_id: UUID, terms: Terms, rekick_s: float) -> None:
        """Store a new order with its first event."""
        row = self.rows[order_id] = Row(order_id, terms, now + rekick_s)
        row.note(now, "{}", 0)

    def held_by(self, who: str) -> list[UUID]:
        """The orders whose lease somebody has."""
        rows = self.rows.values()
        return [row.id for row in rows if row.lease_until is not None and row.holder == who]

    def claim(
        self, now: float, ids: Sequence[UUID], lease_s: float, *, who: str = ""
    ) -> list[tuple[Row, bool]]:
        """``_CLAIM``: those that were free, and whether each was claimed for the first time."""
        claimed = []
        for order_id in ids:
            row = self.rows.get(order_id)
            if row is None or not row.open or not row.is_free(now):
                continue
            if row.next_attempt_at is not None and row.next_attempt_at > now:
                continue
            is_first = row.status is Status.PENDING
            row.epoch += 1
            row.holder = who
            row.lease_until = now + lease_s
            row.next_attempt_at = None
            if is_first:
                row.status = Status.ROUTING
                row.seq += 1
                row.note(now, "{}", row.epoch)
            claimed.append((row, is_first))
        return claimed

    def renew(self, now: float, keys: Sequence[Key], lease_s: float) -> list[UUID]:
        """``_RENEW``: those that are still held."""
        held = []
        for key in keys:
            row = self.rows.get(key.id)
            if row and row.epoch == key.epoch and row.open and row.lease_until is not None:
                row.lease_until = now + lease_s
                held.append(row.id)
        return held

    def release(self, now: float, keys: Sequence[Key]) -> None:
        """``_RELEASE``."""
        for key in keys:
            row = self.rows.get(key.id)
            if row and row.epoch == key.epoch and row.open:
                row.lease_until = None
                row.kick_at = now

    def sweep(self, now: float, limit: int, rekick_s: float, patience_s: float) -> list[UUID]:
        """``_SWEEP``: those that wait for nobody."""

        def is_due(row: Row) -> bool:
            least_s = patience_s if row.status is Status.PENDING else 0
            return row.open and row.kick_at <= now - least_s and row.is_free(now)

        due = [row for row in self.rows.values() if is_due(row)]
        found = sorted(due, key=lambda row: row.id)[:limit]
        for row in found:
            row.kick_at = now + rekick_s
        return [row.id for row in found]

    def record(
        self, now: float, writes: Sequence[Write], lease_s: float, rekick_s: float
    ) -> list[UUID]:
        """``_RECORD``: those that moved. All of it happens, or none."""
        moving: dict[UUID, Write] = {}
        for write in writes:
            row = self.rows.get(write.id)
            if row is not None and row.open and self.is_at(row, write.epoch, write.seq):
                _check(write)
                moving.setdefault(write.id, write)  # an UPDATE takes one row for each order
        for order_id, write in moving.items():
            _move(self.rows[order_id], write, now, lease_s, rekick_s)
        return list(moving)

    def recorded(
        self, keys: Sequence[Key], seqs: Sequence[int], vias: Sequence[str | None]
    ) -> list[UUID]:
        """``_RECORDED``: those that have moved on from a seq under the same epoch."""
        found = []
        for key, seq, via in zip(keys, seqs, vias, strict=True):
            row = self.rows.get(key.id)
            if row is not None and self.is_at(row, key.epoch, seq + (1 if via is None else 2)):
                found.append(row.id)
        return found

    def is_at(self, row: Row, epoch: int, seq: int) -> bool:
        """What fences a write: the order is where its driver left it, and its driver's still."""
        return row.epoch == epoch and row.seq == seq


def _move(row: Row, write: Write, now: float, lease_s: float, rekick_s: float) -> None:
    wait_s = (write.wait_ms or 0) / 1000
    if write.via is not None:
        assert write.via_attempt is not None
        assert write.via_data is not None
        row.status, row.attempts = write.via, write.via_attempt
        row.seq += 1
        row.note(now, write.via_data, write.epoch)
    row.status = write.status
    row.seq += 1
    row.attempts = write.attempt
    row.dex = write.dex or row.dex
    if write.status is Status.ROUTING:
        row.tx_hash = None
    else:
        row.tx_hash = write.tx_hash or row.tx_hash
    row.signed_tx = write.signed_tx
    row.last_valid_height = write.last_valid_height
    row.amount_out = write.amount_out
    row.executed_price = write.executed_price
    row.last_error = write.last_error or row.last_error
    row.lease_until = now + lease_s if write.kept else None
    row.next_attempt_at = None if write.wait_ms is None else now + wait_s
    row.kick_at = now + wait_s + rekick_s
    row.note(now, write.data, write.epoch, wait_s)


def _check(write: Write) -> None:
    """The constraints of the table."""
    is_complete = None not in (write.tx_hash, write.signed_tx, write.last_valid_height)
    if write.status is Status.SUBMITTED and not is_complete:
        raise asyncpg.CheckViolationError("a submitted order has its transaction")
    if write.status in (Status.ROUTING, Status.BUILDING) and write.signed_tx is not None:
        raise asyncpg.CheckViolationError("nothing is signed before submitted")
    if (write.status is Status.CONFIRMED) != (write.amount_out is not None):
        raise asyncpg.CheckViolationError("what is confirmed has its amount")
    if write.status is Status.FAILED and write.last_error is None:
        raise asyncpg.CheckViolationError("what failed says why")

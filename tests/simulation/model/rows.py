"""The rows of the database model; fields are named like the columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg

from backend.domain.errors import OUT_OF_COMPUTE
from backend.domain.groups.brackets import Bracket
from backend.domain.lifecycle import Status
from backend.domain.orders import (
    LeasedOrder,
    NewOrder,
    OrderTerms,
    SignedTransaction,
    TimeInForce,
)
from backend.domain.quotes import Dex
from backend.domain.terms_text import format_terms_text
from backend.store.groups.bracket_rows import encode_bracket
from backend.store.leases.outage_waits import OutageWaited
from backend.store.waiting.condition_rows import encode_condition

EVENT_COLUMNS: Final[dict[str, Any]] = {
    "owner": "local",
    "batch_id": None,
    "at": datetime.fromtimestamp(0, UTC),
}
"""What a statement returns for notifications only: no decision depends on it."""


class LeaseKey(NamedTuple):
    """A lease as a worker holds it: an order and an epoch."""

    id: UUID
    epoch: int


@dataclass(frozen=True, slots=True)
class EventRow:
    """A row of ``order_events``, with its writer's epoch and the epoch that was current."""

    seq: int
    status: Status
    attempt: int
    at: float
    data: str
    epoch: int
    epoch_due: int
    wait_s: float = 0.0
    """The backoff before its next attempt."""


@dataclass(slots=True)
class OrderRow:
    """A row of ``orders``."""

    id: UUID
    terms: OrderTerms
    kick_at: float
    owner: str = "local"
    status: Status = Status.PENDING
    seq: int = 1
    attempts: int = 1
    epoch: int = 0
    holder: str = ""
    """The worker that claimed it last; no statement reads it."""
    lease_until: float | None = None
    waiting_since: float | None = None
    next_attempt_at: float | None = None
    dex: str | None = None
    tx_hash: str | None = None
    signed_tx: bytes | None = None
    last_valid_height: int | None = None
    amount_out: int | None = None
    executed_price: str | None = None
    network_fee_lamports: int | None = None
    costs_unknown: bool = False
    amount_pending: bool | None = None
    last_error: str | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    expires_at: float | None = None
    parent_id: UUID | None = None
    slices_placed: int = 0
    next_slice_at: float | None = None
    oco_group: UUID | None = None
    bracket: Bracket | None = None
    cancel_reason: str | None = None
    created_at: float = 0.0
    updated_at: float = 0.0
    """As of its last transition; only for orders without an amount is it read."""
    events: list[EventRow] = field(default_factory=list)

    @property
    def open(self) -> bool:
        return not self.status.is_final

    @property
    def terms_text(self) -> str | None:
        """``TERMS_TEXT``."""
        return format_terms_text(self.to_new_order())

    def to_new_order(self) -> NewOrder:
        """The order as it was accepted; of its expiry, only that it has one."""
        return NewOrder(
            self.id,
            self.owner,
            self.terms,
            b"",
            time_in_force=self.time_in_force,
            expires_at=None if self.expires_at is None else datetime.fromtimestamp(0, UTC),
            oco_group=self.oco_group,
            bracket=self.bracket,
        )

    def to_leased_order(self, now: float) -> LeasedOrder:
        """Build the order that a claim returns."""
        signed = None
        if self.signed_tx is not None:
            assert self.tx_hash is not None
            assert self.last_valid_height is not None
            signed = SignedTransaction(self.tx_hash, self.signed_tx, self.last_valid_height)
        dex = None if self.dex is None else Dex(self.dex)
        position = self.status, self.seq, self.attempts, self.epoch
        return LeasedOrder(
            self.id,
            self.terms,
            *position,
            dex,
            signed,
            self.waited_s(now),
            time_in_force=self.time_in_force,
            can_expire=self.expires_at is not None,
            oco_group=self.oco_group,
            bracket=self.bracket,
        )

    def to_claim_result(self, now: float, is_first: bool) -> dict[str, Any]:
        """The columns that a claim returns, but for those of its events."""
        terms = self.terms
        return {
            "id": self.id,
            "type": terms.type,
            "token_in": terms.token_in.symbol,
            "token_out": terms.token_out.symbol,
            "amount_in": terms.amount_in,
            "min_amount_out": terms.min_amount_out,
            "slippage_bps": terms.slippage_bps,
            "max_price_impact_bps": terms.max_price_impact_bps,
            "condition": None
            if terms.condition is None
            else encode_condition(terms.condition, terms.price_of),
            "status": self.status,
            "seq": self.seq,
            "attempts": self.attempts,
            "epoch": self.epoch,
            "dex": self.dex,
            "tx_hash": self.tx_hash,
            "signed_tx": self.signed_tx,
            "last_valid_height": self.last_valid_height,
            "is_first": is_first,
            "waited_s": self.waited_s(now),
            "status_s": 0.0,  # for metrics alone
            "route_min_out": None,
            "time_in_force": self.time_in_force,
            "can_expire": self.expires_at is not None,
            "wallet": None,
            "oco_group": self.oco_group,
            "bracket": None if self.bracket is None else encode_bracket(self.bracket),
            "route_constraints": None,
            "fees": None,
            "lacks_units": (self.last_error or "").startswith(f"{OUT_OF_COMPUTE}:"),
        }

    def waited_s(self, now: float) -> float:
        """How long its attempt has waited for the end of an outage."""
        return 0.0 if self.waiting_since is None else max(now - self.waiting_since, 0)

    def keep_wait(self, now: float, waits: Mapping[UUID, OutageWaited]) -> None:
        """Store since when it waits, unless that is stored already and has passed."""
        if self.waiting_since is None or self.waiting_since > now:
            self.waiting_since = now - waits[self.id].seconds if self.id in waits else None

    def is_free(self, now: float, ahead_s: float) -> bool:
        """Whether it has no lease, or an expired one, or one too far ahead."""
        until = self.lease_until
        return until is None or until < now or until > now + ahead_s

    def has_expired(self, now: float) -> bool:
        """Whether its expiry has passed."""
        return self.expires_at is not None and self.expires_at <= now

    def is_claimable(self, now: float, ahead_s: float) -> bool:
        """``_IS_CLAIMABLE``, without the expiry."""
        return self.open and self.is_free(now, ahead_s) and not self.is_cooling(now, ahead_s)

    def is_cooling(self, now: float, ahead_s: float) -> bool:
        """Whether its next attempt is not due."""
        return now < (self.next_attempt_at or now) <= now + ahead_s

    def append_event(self, at: float, data: str, epoch: int, wait_s: float = 0.0) -> None:
        """Append the event of its current status."""
        if any(entry.seq == self.seq for entry in self.events):
            raise asyncpg.UniqueViolationError("order_events_pkey")
        entry = EventRow(self.seq, self.status, self.attempts, at, data, epoch, self.epoch, wait_s)
        self.events.append(entry)

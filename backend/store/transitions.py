"""Transitions of orders, which the journal records, and the rows that they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from backend.domain.lifecycle import Cause, Status, Step, advance
from backend.domain.orders import LeasedOrder, SignedTransaction
from backend.domain.quotes import Dex


class LeaseLost(Exception):
    """Another worker has the lease of the order: stop executing it, and write nothing more."""


@dataclass(frozen=True, slots=True)
class IntermediateStep:
    """A step between an order's stored step and that of a transition. ``data`` is JSON text."""

    step: Step
    data: str


CLAIM: Final = IntermediateStep(advance(Status.PENDING, 1, Cause.CLAIMED), "{}")


@dataclass(frozen=True, slots=True)
class Transition:
    """The next step of an order after its stored step, with the fields to store.

    ``data`` is JSON text. ``via`` is an intermediate step, whose event is in the same commit.
    ``claim`` is the text of the terms (``domain.terms_text``) of an order that nobody has claimed:
    the same commit claims it before these steps, if these are its terms. ``order`` is then as it is
    before, with the epoch that it gets.
    ``network_fee_lamports`` is added to what earlier attempts have paid.
    ``wait_ms`` releases the lease: no worker may claim the order before that time has passed.
    """

    order: LeasedOrder
    step: Step
    data: str
    via: IntermediateStep | None = None
    claim: str | None = None
    dex: Dex | None = None
    route: str | None = None
    signed: SignedTransaction | None = None
    amount_out: int | None = None
    executed_price: str | None = None
    network_fee_lamports: int | None = None
    last_error: str | None = None
    wait_ms: int | None = None

    @property
    def steps_before(self) -> list[IntermediateStep]:
        """The steps between the order's stored one and this one."""
        steps = [] if self.claim is None else [CLAIM]
        return steps if self.via is None else [*steps, self.via]


def to_columns(transitions: Sequence[Transition]) -> list[list[object]]:
    """The columns of the statement that records transitions."""
    rows = [
        (
            t.order.id,
            t.order.epoch,
            t.order.seq,
            *_flatten_via(t.via),
            t.step.status.value,
            t.step.attempt,
            t.data,
            t.dex,
            t.route,
            None if t.signed is None else t.signed.signature,
            None if t.signed is None else t.signed.wire,
            None if t.signed is None else t.signed.last_valid_height,
            None if t.amount_out is None else Decimal(t.amount_out),
            None if t.executed_price is None else Decimal(t.executed_price),
            t.network_fee_lamports,
            t.last_error,
            t.wait_ms,
            t.wait_ms is None and not t.step.status.is_final,
            t.claim,
        )
        for t in transitions
    ]
    return [list(column) for column in zip(*rows, strict=True)]


def _flatten_via(via: IntermediateStep | None) -> tuple[str | None, int | None, str | None]:
    if via is None:
        return None, None, None
    return via.step.status.value, via.step.attempt, via.data

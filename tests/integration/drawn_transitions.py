"""Transitions of orders as a seed draws them, for a store and its model."""

from __future__ import annotations

from random import Random

from backend.domain.groups.children import build_children
from backend.domain.lifecycle import TRANSITIONS, Cause, Status, advance
from backend.domain.orders import LeasedOrder, SignedTransaction
from backend.domain.quotes import Dex
from backend.store.leases.outage_waits import OutageWaited
from backend.store.transitions import IntermediateStep, Transition

WAIT_S = 50
"""The backoff of a step that has one."""
WAIT = OutageWaited(WAIT_S, "node_unavailable")
SIGNED_TRANSACTION = SignedTransaction("signature", b"bytes", 7)
_CAUSES_OF_OTHERS = frozenset(
    {Cause.CLAIMED, Cause.AMENDED, Cause.SLICED, Cause.SLICES_FILLED, Cause.SLICES_ENDED}
)
"""Those that no worker records."""
_GOOD_CAUSES = frozenset({Cause.ROUTED, Cause.SIGNED, Cause.LANDED})


def draw_transition(random: Random, order: LeasedOrder) -> Transition:
    """A next step of an order; half of them go on to the end of one that is filled."""
    via = None
    at = order.status
    if at is Status.ROUTING and random.random() < 0.5:
        via = IntermediateStep(advance(at, order.attempt, Cause.ROUTED), '"intermediate"')
        at = via.step.status
    causes = [cause for status, cause in TRANSITIONS if status is at]
    if order.terms.condition is None:
        causes = [each for each in causes if each is not Cause.UNMET]
    causes = [each for each in causes if each not in _CAUSES_OF_OTHERS]
    good = [each for each in causes if each in _GOOD_CAUSES]
    cause = random.choice(good if good and random.random() < 0.5 else causes)
    step = advance(at, order.attempt, cause)
    waits = step.is_retry or step.status is Status.WAITING
    is_end = step.status is Status.CONFIRMED and random.random() < 0.7
    return Transition(
        order,
        step,
        f'"{cause.value}"',
        via,
        dex=Dex.METEORA if via or cause is Cause.ROUTED else None,
        route="{}" if via or cause is Cause.ROUTED else None,
        signed=SIGNED_TRANSACTION if cause is Cause.SIGNED else None,
        amount_out=5 if is_end else None,
        executed_price="2.5" if is_end else None,
        last_error="error" if step.is_retry or step.status is Status.FAILED else None,
        wait_ms=WAIT_S * 1000 if waits else None,
        children=build_children(order.id, order.terms, order.bracket, 5) if is_end else (),
    )


def build_claim(order: LeasedOrder, terms_text: str) -> Transition:
    """The claim of an order whose job has told these terms, with its route and transaction."""
    routed = IntermediateStep(advance(Status.ROUTING, 1, Cause.ROUTED), '"intermediate"')
    step = advance(Status.BUILDING, 1, Cause.SIGNED)
    return Transition(
        order,
        step,
        "{}",
        routed,
        terms_text,
        dex=Dex.METEORA,
        route="{}",
        signed=SIGNED_TRANSACTION,
    )

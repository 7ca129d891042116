"""A cancellation while the database loses requests and responses of the order's worker."""

from __future__ import annotations

from dataclasses import replace

from tests.simulation.mutations import MUTATIONS
from tests.simulation.plan import Cancellation, Outage, OutageKind, Plan
from tests.simulation.schedule import simulate
from tests.simulation.test_every_step import PLAN

SEED = 0
OUTAGES_MS = range(200, 400, 10)
"""From before the route is stored until after the transaction is."""
GAPS_S = (0.1, 0.4)


def plan_cancellation(outage_ms: int, gap_s: float) -> Plan:
    """Plan a cancellation so long after the database began to lose most of its messages."""
    at = outage_ms / 1000
    return replace(
        PLAN,
        # With a preflight, the step to submitted has a commit of its own.
        settings=replace(PLAN.settings, preflight=True),
        faults=(Outage(at, OutageKind.DATABASE_LOSSY, 2, strength=0.9),),
        heal_at=4,
        cancellations=(Cancellation(at + gap_s, 0),),
    )


def find_violations() -> list[str]:
    return [
        violation
        for outage_ms in OUTAGES_MS
        for gap_s in GAPS_S
        for violation in simulate(SEED, plan_cancellation(outage_ms, gap_s)).violations
    ]


def test_a_cancellation_is_never_taken_for_a_write_that_is_in_doubt() -> None:
    assert find_violations() == []


def test_without_the_epoch_it_would_be_and_the_order_would_be_sent() -> None:
    with MUTATIONS["epoch of what is cancelled"]():
        violations = find_violations()
    assert any("cancelled, but executed" in violation for violation in violations)
    assert any(violation.startswith("unstored") for violation in violations)

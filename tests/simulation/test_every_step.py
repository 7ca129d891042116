"""One order, and something that happens at each of its moments in turn.

A worker is killed, paused or stopped at each step of each of its tasks; the chain is forked at
each moment between the send and the end.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.execution.context import Point
from tests.simulation.chain import Rules
from tests.simulation.mutations import MUTATIONS
from tests.simulation.plan import Blow, Fork, Plan, Spell, Strike, Trouble
from tests.simulation.postgres import Clock
from tests.simulation.schedule import simulate
from tests.simulation.worker import Terms

PLAN = Plan(
    terms=Terms(
        lease_s=3,
        sweep_s=0.7,
        rekick_s=1,
        attempts_max=3,
        backoff_s=0.3,
        backoff_jitter=0,
        poll_s=0.4,
        resend_s=1,
        shutdown_s=0,
        preflight=False,
        unsent_max=1_000,
    ),
    rules=Rules(
        slot_s=0.4,
        valid_blocks=20,
        confirmed_blocks=1,
        finalized_blocks=3,
        remembered_blocks=20,
    ),
    clock=Clock(0, 1),
    workers=1,
    orders=(0.05,),
    lands_within_s=1.5,
    refused=0,
    faults=(),
    heal_at=0.1,
)
PAUSE_S = 14.0
"""Longer than a lease, and than a transaction can land."""

# The first worker is killed when it has sent: the second one finds an order that may have landed,
# and whose transaction lands while it looks.
SENT = Strike(0, Blow.KILL, worker=0, lasts_s=60, point=Point.SENT, steps=0)
SLOW = Spell(0, Trouble.SLOW, lasts_s=60, strength=0.5)
RUNS = 0
TAKES_OVER = 1


def plan_with(blow: Blow, step: int, *, who: int) -> Plan:
    """The plan in which a blow falls at one step of one worker.

    While that one stands still there is another; when it is gone it has a successor.
    """
    lasts_s = PAUSE_S if blow is Blow.PAUSE else 0.5
    strike = Strike(0, blow, who, lasts_s, point=None, steps=step)
    if who == RUNS:
        workers = 2 if blow is Blow.PAUSE else 1
        return replace(PLAN, workers=workers, faults=(strike,), heal_at=lasts_s + 2)
    return replace(PLAN, workers=2, faults=(SENT, SLOW, strike), heal_at=lasts_s + 9)


def broken_at(blow: Blow, who: int) -> dict[int, tuple[str, ...]]:
    """The steps at which a blow breaks a promise."""
    broken = {}
    for step in range(steps_of(who)):
        outcome = simulate(1, plan_with(blow, step, who=who))
        if outcome.problems:
            broken[step] = outcome.problems
    return broken


def steps_of(who: int) -> int:
    """How many steps a worker that nothing befalls makes until the order has ended."""
    undisturbed = simulate(1, replace(plan_with(Blow.KILL, 10**9, who=who), heal_at=4))
    process = undisturbed.world.processes[who]
    assert any(f"{process}" in line and "confirmed" in line for line in undisturbed.report())
    return process.steps


@pytest.mark.parametrize("who", [RUNS, TAKES_OVER])
@pytest.mark.parametrize("blow", Blow)
def test_a_worker_may_be_hit_at_any_step(blow: Blow, who: int) -> None:
    assert broken_at(blow, who) == {}


@pytest.mark.parametrize(
    ("without", "blow", "who"),
    [
        ("intent before send", Blow.KILL, RUNS),
        ("height first", Blow.PAUSE, TAKES_OVER),
    ],
)
def test_some_step_would_double_the_swap(without: str, blow: Blow, who: int) -> None:
    with MUTATIONS[without]():
        broken = broken_at(blow, who)
    assert any("doubled" in problem for problems in broken.values() for problem in problems)


def forked_at(after_ms: int) -> Plan:
    """The plan in which the last two blocks vanish at a moment."""
    rules = replace(PLAN.rules, confirmed_blocks=2)
    return replace(PLAN, rules=rules, faults=(Fork(after_ms / 1000, 2),), heal_at=2)


MOMENTS_MS = range(300, 1_800, 20)


def test_the_chain_may_fork_at_any_moment() -> None:
    assert [at for at in MOMENTS_MS if simulate(2, forked_at(at)).problems] == []


def test_some_fork_takes_back_what_was_only_processed() -> None:
    with MUTATIONS["confirmation"]():
        assert any(simulate(2, forked_at(at)).problems for at in MOMENTS_MS)

"""Orders of which at most one is executed, and brackets: a worker may fail at any step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from backend.domain.conditions import Condition, Limit, Stop
from backend.domain.lifecycle import Status
from tests.simulation.mutations import MUTATIONS
from tests.simulation.plan import (
    BRACKET,
    PRICE,
    Fault,
    Outage,
    OutageKind,
    Plan,
    WorkerFault,
    WorkerFaultKind,
)
from tests.simulation.schedule import ScheduleResult, simulate
from tests.simulation.test_every_step import PAUSE_S, PLAN

REVERTS = Outage(0, OutageKind.TRANSACTIONS_REVERTED, 2, strength=1.25)
NO_HISTORY = Outage(0, OutageKind.HISTORY_MISSING, 25, strength=1)
FAILING_SEEDS = range(30)
"""Of some of them the first order of the pair fails for good."""


def plan_pair(*faults: Fault) -> Plan:
    """A limit and a stop of one group; the first transactions are reverted."""
    conditions: dict[int, Condition] = {0: Limit(PRICE), 1: Stop(PRICE)}
    pair = replace(PLAN, orders=(0.05, 0.05), conditions=conditions, pairs=((0, 1),))
    return replace(pair, faults=(REVERTS, *faults), heal_at=2.5)


def plan_bracket(*faults: Fault) -> Plan:
    return replace(PLAN, brackets={0: BRACKET}, faults=faults, heal_at=2.5)


def plan_late_bracket(*faults: Fault) -> Plan:
    """A bracket whose entry is confirmed by a node that does not tell its amount for a while."""
    heal_at = NO_HISTORY.duration_s + 1
    return replace(plan_bracket(NO_HISTORY, *faults), heal_at=heal_at)


PLANS: dict[str, Callable[..., Plan]] = {
    "pair": plan_pair,
    "bracket": plan_bracket,
    "late bracket": plan_late_bracket,
}


def read_ends(result: ScheduleResult) -> list[Status]:
    return [row.status for row in result.cluster.database.rows.values()]


def find_violations(name: str, kind: WorkerFaultKind, every: int = 1) -> Iterator[str]:
    """Yield the violations of a fault at each step, or each so many, of the first worker.

    From its last step on, where most is decided.
    """
    duration_s = PAUSE_S if kind is WorkerFaultKind.PAUSE else 0.5
    workers = 2 if kind is WorkerFaultKind.PAUSE else 1
    steps = simulate(1, PLANS[name]()).cluster.processes[0].steps
    for step in reversed(range(0, steps, every)):
        fault = WorkerFault(0, kind, 0, duration_s, checkpoint=None, steps=step)
        result = simulate(1, replace(PLANS[name](fault), workers=workers))
        yield from (f"{each} (step {step})" for each in result.violations)


def test_of_a_pair_one_is_executed_and_the_other_cancelled_with_it() -> None:
    result = simulate(1, plan_pair())
    assert (result.violations, sorted(read_ends(result))) == (
        (),
        [Status.CANCELLED, Status.CONFIRMED],
    )


def test_an_order_that_fails_leaves_the_other_of_its_group() -> None:
    ends = set()
    for seed in FAILING_SEEDS:
        result = simulate(seed, replace(plan_pair(), reject_chance=0.3))
        assert result.violations == (), seed
        ends.add(tuple(sorted(read_ends(result))))
    assert (Status.CONFIRMED, Status.FAILED) in ends


def test_a_bracket_sells_what_its_entry_has_received() -> None:
    for name in ("bracket", "late bracket"):
        result = simulate(1, PLANS[name]())
        entry, *children = result.cluster.database.rows.values()
        assert (result.violations, entry.status) == ((), Status.CONFIRMED)
        assert {each.terms.amount_in for each in children} == {entry.amount_out}
        assert {each.status for each in children} == {Status.CONFIRMED, Status.CANCELLED}


def test_the_entry_of_a_bracket_that_fails_has_no_children() -> None:
    result = simulate(1, replace(plan_bracket(), reject_chance=1))
    assert (result.violations, read_ends(result)) == ((), [Status.FAILED])


@pytest.mark.parametrize("name", ["pair", "bracket"])
def test_a_worker_may_die_at_any_step_of_a_group(name: str) -> None:
    assert list(find_violations(name, WorkerFaultKind.KILL)) == []


@pytest.mark.parametrize(
    ("name", "kind", "every"),
    [
        ("pair", WorkerFaultKind.PAUSE, 3),
        ("bracket", WorkerFaultKind.PAUSE, 3),
        ("late bracket", WorkerFaultKind.KILL, 5),
    ],
)
def test_a_worker_may_fail_otherwise_amid_a_group(
    name: str, kind: WorkerFaultKind, every: int
) -> None:
    assert list(find_violations(name, kind, every)) == []


@pytest.mark.parametrize(
    ("without", "name", "violation"),
    [
        ("group of what is confirmed", "pair", "stuck"),
        ("children of what is confirmed", "bracket", "wrong children (0 of 2"),
        ("children of a late amount", "late bracket", "wrong children (0 of 2"),
    ],
)
def test_without_that_the_rule_would_be_broken(without: str, name: str, violation: str) -> None:
    with MUTATIONS[without]():
        result = simulate(1, PLANS[name]())
    assert any(each.startswith(violation) for each in result.violations), result.violations


@pytest.mark.parametrize(
    ("without", "violation"),
    [
        ("group of what is released", "both of a group"),
        ("failed leg", "lost through the other of its group"),
    ],
)
def test_without_that_some_schedule_would_break_the_rule(without: str, violation: str) -> None:
    plan = replace(plan_pair(), reject_chance=0.3)
    with MUTATIONS[without]():
        results = (simulate(seed, plan) for seed in FAILING_SEEDS)
        assert any(each.startswith(violation) for result in results for each in result.violations)


def test_some_step_would_leave_an_entry_without_its_children() -> None:
    with MUTATIONS["one commit of entry and children"]():
        violations = find_violations("bracket", WorkerFaultKind.KILL)
        assert any(each.startswith("wrong children") for each in violations)

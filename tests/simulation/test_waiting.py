"""Orders that wait for a price: what a limit and a stop do when they cannot be filled."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.domain.conditions import Condition, Limit, Stop
from backend.domain.lifecycle import Status
from tests.simulation.drawn_groups import PRICE
from tests.simulation.model.rows import OrderRow
from tests.simulation.mutations import MUTATIONS
from tests.simulation.plan import Outage, OutageKind, Plan, WorkerFault, WorkerFaultKind
from tests.simulation.schedule import ScheduleResult, simulate
from tests.simulation.test_every_step import PAUSE_S, PLAN

LIMIT, STOP = Limit(PRICE), Stop(PRICE)
REVERTING_S = 20.0
"""Longer than three attempts and their backoffs take."""
REVERTS = Outage(0, OutageKind.TRANSACTIONS_REVERTED, REVERTING_S, strength=1.25)
"""Of every transaction."""
FIRST_REVERTS = replace(REVERTS, duration_s=2)


def plan_waiting(condition: Condition | None, *faults: Outage | WorkerFault) -> Plan:
    conditions = {} if condition is None else {0: condition}
    heal_at = max((each.at + each.duration_s for each in faults), default=0.1)
    return replace(PLAN, conditions=conditions, faults=faults, heal_at=heal_at)


def get_row(result: ScheduleResult) -> OrderRow:
    [row] = result.cluster.database.rows.values()
    return row


@pytest.mark.parametrize("condition", [LIMIT, STOP])
def test_what_waits_is_executed_once_it_is_released(condition: Condition) -> None:
    result = simulate(1, plan_waiting(condition))
    assert result.violations == ()
    statuses = [event.status for event in get_row(result).events]
    assert statuses == [
        Status.PENDING,
        Status.WAITING,
        Status.ROUTING,
        Status.BUILDING,
        Status.SUBMITTED,
        Status.CONFIRMED,
    ]


def test_a_market_order_fails_after_its_attempts() -> None:
    row = get_row(simulate(1, plan_waiting(None, REVERTS)))
    assert (row.status, row.attempts) == (Status.FAILED, PLAN.settings.attempts_max)


def test_a_limit_whose_price_cannot_be_had_waits_for_it_again() -> None:
    result = simulate(1, plan_waiting(LIMIT, REVERTS))
    row = get_row(result)
    assert (result.violations, row.status) == ((), Status.CONFIRMED)
    waits = [event for event in row.events if event.status is Status.WAITING]
    assert len(waits) > PLAN.settings.attempts_max
    assert {event.wait_s for event in waits[1:]} == {1.0}


def test_a_stop_is_tried_until_it_has_sold() -> None:
    result = simulate(1, plan_waiting(STOP, REVERTS))
    row = get_row(result)
    assert (result.violations, row.status) == ((), Status.CONFIRMED)
    assert row.attempts > PLAN.settings.attempts_max
    assert [event.status for event in row.events].count(Status.WAITING) == 1


@pytest.mark.parametrize(
    ("without", "condition", "violation"),
    [("latch", STOP, "given up"), ("return to waiting", LIMIT, "given up")],
)
def test_without_that_it_would_be_given_up(
    without: str, condition: Condition, violation: str
) -> None:
    with MUTATIONS[without]():
        result = simulate(1, plan_waiting(condition, REVERTS))
    assert any(each.startswith(violation) for each in result.violations)


@pytest.mark.parametrize("kind", [WorkerFaultKind.KILL, WorkerFaultKind.PAUSE])
@pytest.mark.parametrize("condition", [LIMIT, STOP])
def test_a_worker_may_fail_at_any_step_of_what_waits(
    condition: Condition, kind: WorkerFaultKind
) -> None:
    """Also at those after its first transaction was reverted."""
    duration_s = PAUSE_S if kind is WorkerFaultKind.PAUSE else 0.5
    workers = 2 if kind is WorkerFaultKind.PAUSE else 1
    violations = {}
    undisturbed = simulate(1, plan_waiting(condition, FIRST_REVERTS))
    for step in range(undisturbed.cluster.processes[0].steps):
        fault = WorkerFault(0, kind, 0, duration_s, checkpoint=None, steps=step)
        plan = replace(plan_waiting(condition, FIRST_REVERTS, fault), workers=workers)
        result = simulate(1, plan)
        if result.violations:
            violations[step] = result.violations
    assert violations == {}

"""TWAP orders on virtual time: each slice is placed once, whatever is killed at whatever step."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from unittest.mock import patch

import pytest

from backend.domain.lifecycle import Status
from backend.domain.waiting.slices import SliceSchedule
from tests.simulation.model import slices as model
from tests.simulation.model.rows import OrderRow
from tests.simulation.model.slices import is_sliced
from tests.simulation.plan import Cancellation, Outage, OutageKind, Plan, WorkerFaultKind, draw_plan
from tests.simulation.schedule import ScheduleResult, simulate
from tests.simulation.test_every_step import PAUSE_S, PLAN

SCHEDULE = SliceSchedule(slices=3, interval_s=2, jitter_bps=3_000)
REVERTS = Outage(0, OutageKind.TRANSACTIONS_REVERTED, 60, strength=1.25)
"""Of every transaction."""


def plan_slices(**fields: object) -> Plan:
    plan = replace(PLAN, conditions={0: SCHEDULE}, placers=1)
    return replace(plan, **fields)  # type: ignore[arg-type]


def get_orders(result: ScheduleResult) -> tuple[OrderRow, list[OrderRow]]:
    """The parent and its slices."""
    rows = list(result.cluster.database.rows.values())
    [parent] = [row for row in rows if is_sliced(row)]
    return parent, [row for row in rows if row.parent_id == parent.id]


def count_steps(plan: Plan) -> int:
    """Count the steps of the first placer until all has ended."""
    result = simulate(1, plan)
    assert result.violations == ()
    [process] = [each for each in result.cluster.processes if each.name == "P1"]
    return process.steps


def test_an_order_is_executed_in_its_slices() -> None:
    result = simulate(1, plan_slices())
    parent, slices = get_orders(result)
    assert (result.violations, parent.status) == ((), Status.CONFIRMED)
    assert [row.status for row in slices] == [Status.CONFIRMED] * 3
    assert sum(row.terms.amount_in for row in slices) == parent.terms.amount_in
    gaps = [later.created_at - row.created_at for row, later in pairwise(slices)]
    assert all(0.7 * 2 - 0.1 < gap < 1.3 * 2 + 0.1 for gap in gaps)


def test_an_order_of_which_no_slice_is_filled_fails_after_one_more() -> None:
    result = simulate(1, plan_slices(faults=(REVERTS,), heal_at=60.0))
    parent, slices = get_orders(result)
    assert (result.violations, parent.status) == ((), Status.FAILED)
    assert (parent.last_error or "").startswith("unfilled")
    assert [row.status for row in slices] == [Status.FAILED] * 4


@pytest.mark.parametrize("kind", [WorkerFaultKind.KILL, WorkerFaultKind.PAUSE])
def test_what_places_slices_may_fail_at_any_step(kind: WorkerFaultKind) -> None:
    """While one is paused there is another, and both take the orders for theirs."""
    placers = 2 if kind is WorkerFaultKind.PAUSE else 1
    plan = plan_slices(placers=placers)
    violations = {}
    for step in range(count_steps(plan)):
        result = simulate(1, replace(plan, placer_fault=(kind, step, PAUSE_S)))
        parent, slices = get_orders(result)
        if result.violations or parent.status is not Status.CONFIRMED or len(slices) != 3:
            violations[step] = result.violations or (str(parent.status),)
    assert violations == {}


def test_without_the_comparison_a_slice_would_be_placed_twice() -> None:
    """Two processes place slices: what each has read of the parent is compared with its row."""

    def matches_parent(parent: OrderRow, write: model.SliceWrite) -> bool:
        return parent.status is Status.WAITING

    plan = plan_slices(placers=2)
    assert simulate(1, plan).violations == ()
    with patch.object(model, "matches_parent", matches_parent):
        results = [
            simulate(1, replace(plan, placer_fault=(WorkerFaultKind.PAUSE, step, 3.0)))
            for step in range(count_steps_of_first(plan))
        ]
    assert any("slices" in each for result in results for each in result.violations)


def count_steps_of_first(plan: Plan) -> int:
    [process] = [each for each in simulate(1, plan).cluster.processes if each.name == "P1"]
    return process.steps


@pytest.mark.parametrize("at_ms", range(100, 6_000, 590))
def test_a_cancelled_order_places_no_slice_any_more(at_ms: int) -> None:
    result = simulate(2, plan_slices(cancellations=(Cancellation(at_ms / 1_000, 0),)))
    parent, slices = get_orders(result)
    assert result.violations == ()
    if parent.status is Status.CANCELLED:
        ended_at = parent.events[-1].at
        assert all(row.created_at <= ended_at for row in slices)


@pytest.mark.parametrize("seed", range(12))
def test_slices_survive_the_faults_of_a_schedule(seed: int) -> None:
    """Outages, killed workers, clocks that are set: every schedule's first order is sliced."""
    plan = draw_plan(seed)
    plan = replace(plan, conditions={**plan.conditions, 0: SCHEDULE}, placers=2)
    validities = {order: each for order, each in plan.validities.items() if order}
    result = simulate(seed, replace(plan, validities=validities))
    assert result.violations == (), "\n".join(result.report())

"""Outages and nodes without history on virtual time, with workers that die meanwhile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.domain.lifecycle import Status
from tests.simulation.model.rows import OrderRow
from tests.simulation.mutations import MUTATIONS
from tests.simulation.plan import Fault, Outage, OutageKind, Plan, WorkerFault, WorkerFaultKind
from tests.simulation.schedule import ScheduleResult, simulate
from tests.simulation.test_every_step import PLAN

ORDERS = (0.05, 0.1, 0.4, 2)


def plan_faults(*faults: Fault, heal_at: float, preflight: bool = False) -> Plan:
    settings = replace(PLAN.settings, preflight=preflight)
    return replace(PLAN, settings=settings, orders=ORDERS, faults=faults, heal_at=heal_at)


def read_orders(result: ScheduleResult) -> list[OrderRow]:
    assert result.violations == ()
    return list(result.cluster.database.rows.values())


@pytest.mark.parametrize("preflight", [False, True])
@pytest.mark.parametrize(
    "kind", [OutageKind.NODE_DOWN, OutageKind.NODE_BUSY, OutageKind.VENUES_DOWN]
)
def test_an_outage_costs_no_order_an_attempt(kind: OutageKind, preflight: bool) -> None:
    outage = Outage(0, kind, duration_s=6, strength=1)
    for seed in range(20):
        orders = read_orders(simulate(seed, plan_faults(outage, heal_at=6, preflight=preflight)))
        assert {(order.status, order.attempts) for order in orders} == {(Status.CONFIRMED, 1)}


@pytest.mark.parametrize("kind", [OutageKind.NODE_DOWN, OutageKind.VENUES_DOWN])
def test_an_outage_that_lasts_fails_orders_in_their_first_attempt(kind: OutageKind) -> None:
    outages = [Outage(0, each, 30, strength=1) for each in (kind, OutageKind.VENUES_DOWN)]
    for seed in range(20):
        for order in read_orders(simulate(seed, plan_faults(*outages, heal_at=30))):
            assert (order.status, order.attempts) == (Status.FAILED, 1)
            waited_s = order.events[-1].at - order.events[1].at
            assert 0 <= waited_s - PLAN.settings.outage_wait_s < 1


def test_workers_that_die_one_after_the_other_do_not_make_an_order_wait_longer() -> None:
    outage = Outage(0, OutageKind.VENUES_DOWN, 60, strength=1)
    kills = [
        WorkerFault(3 + 4.5 * n, WorkerFaultKind.KILL, 0, 0.2, checkpoint=None, steps=0)
        for n in range(12)
    ]
    for seed in range(20):
        result = simulate(seed, plan_faults(outage, *kills, heal_at=60))
        for order in read_orders(result):
            assert (order.status, order.attempts) == (Status.FAILED, 1)
            assert order.epoch > 1
            waited_s = order.events[-1].at - order.events[1].at
            settings = PLAN.settings
            assert waited_s < settings.outage_wait_s + 2 * settings.lease_s + settings.sweep_s


def test_a_node_without_history_ends_orders_without_their_amounts_which_follow() -> None:
    missing = Outage(0, OutageKind.HISTORY_MISSING, 20, strength=1)
    for seed in range(20):
        result = simulate(seed, plan_faults(missing, heal_at=60))
        for order in read_orders(result):
            assert order.status is Status.CONFIRMED
            assert order.events[-1].at < 20
            assert '"amountKnown":false' in order.events[-1].data
            assert order.amount_out is not None


STALE_NODE = plan_faults(Outage(0.3, OutageKind.NODE_STALLED, 60, strength=0.46), heal_at=61)
"""Nearly every request meets a node that has seen none of the landings."""


def test_a_node_that_is_behind_would_make_orders_run_twice() -> None:
    seeds = range(60)
    assert [seed for seed in seeds if simulate(seed, STALE_NODE).violations] == []
    with MUTATIONS["slot of the look"]():
        kinds = {
            violation.split(":")[0]
            for seed in seeds
            for violation in simulate(seed, STALE_NODE).violations
        }
    assert "two open" in kinds
    assert "doubled (2 swaps)" in kinds

"""The database's clock is set back while orders are executed, and a worker dies meanwhile."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from unittest.mock import patch

import pytest

from backend.domain.lifecycle import Status
from backend.domain.orders import TimeInForce
from backend.execution.context import Checkpoint
from backend.store import journal
from tests.simulation.plan import (
    ClockStep,
    OrderValidity,
    Outage,
    OutageKind,
    Plan,
    WorkerFault,
    WorkerFaultKind,
)
from tests.simulation.schedule import simulate
from tests.simulation.test_outages import plan_faults, read_orders

HOUR_S = 3_600.0


def plan_step(at: float, by_s: float) -> Plan:
    """Set the clock while a worker is dead that has died with a lease, amid retries and waits."""
    return plan_faults(
        Outage(0, OutageKind.TRANSACTIONS_REVERTED, 3, strength=0.5),
        Outage(0.5, OutageKind.VENUES_DOWN, 1, strength=1),
        WorkerFault(0, WorkerFaultKind.KILL, 0, 2, checkpoint=Checkpoint.STORED, steps=0),
        ClockStep(at, by_s),
        heal_at=4,
    )


@pytest.mark.parametrize("by_s", [-HOUR_S, HOUR_S])
def test_orders_end_as_soon_when_the_clock_is_set(by_s: float) -> None:
    for seed in range(30):
        orders = read_orders(simulate(seed, plan_step(0.2 + seed / 10, by_s)))
        assert all(order.status.is_final for order in orders)
        assert any(order.status is Status.CONFIRMED for order in orders)


@pytest.mark.parametrize("by_s", [-HOUR_S, HOUR_S])
def test_orders_expire_by_the_clock_when_it_is_set_about_their_expiry(by_s: float) -> None:
    ends = set()
    for seed in range(30):
        plan = plan_step(0.2 + seed / 10, by_s)
        validity = OrderValidity(TimeInForce.GTD, 0.3 + seed / 10)
        plan = replace(plan, validities=dict.fromkeys(range(len(plan.orders)), validity))
        orders = read_orders(simulate(seed, plan))
        assert all(order.status.is_final for order in orders)
        ends |= {order.status for order in orders}
    assert ends >= {Status.CONFIRMED, Status.EXPIRED}


def test_orders_would_wait_for_the_clock_without_a_bound() -> None:
    with patch.object(journal, "LEASE_MAX", timedelta(days=1)):
        results = [simulate(seed, plan_step(0.2 + seed / 10, -HOUR_S)) for seed in range(30)]
    assert any(result.violations for result in results)

"""Rare situations of a worker, each of them arranged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.execution.context import Checkpoint
from tests.simulation.plan import Outage, OutageKind, WorkerFault, WorkerFaultKind
from tests.simulation.schedule import ScheduleResult, simulate
from tests.simulation.test_every_step import PLAN

SLOW_LANDING = Outage(0, OutageKind.LANDING_SLOW, duration_s=60, strength=0.5)


def find_lines(result: ScheduleResult, *words: str) -> list[str]:
    return [line for line in result.cluster.trace.lines() if all(word in line for word in words)]


def test_a_worker_that_takes_over_from_itself_continues() -> None:
    """Its lease ran out while the database was down, and its own sweep finds the order."""
    takeovers = 0
    for duration_s in range(35, 50):
        outage = Outage(0.5, OutageKind.DATABASE_DOWN, duration_s / 10, strength=1)
        result = simulate(1, replace(PLAN, faults=(SLOW_LANDING, outage), heal_at=6))
        assert result.violations == ()
        takeovers += len(find_lines(result, "A1", "claims order 0 submitted epoch 2"))
    assert takeovers > 3


def test_a_lost_lease_ends_the_drive_and_is_no_failure_of_its_job() -> None:
    pause = WorkerFault(
        0, WorkerFaultKind.PAUSE, worker=0, duration_s=5, checkpoint=Checkpoint.STORED, steps=0
    )
    result = simulate(1, replace(PLAN, workers=2, faults=(SLOW_LANDING, pause), heal_at=10))
    assert result.violations == ()
    assert find_lines(result, "B1", "claims order 0 submitted epoch 2")
    assert find_lines(result, "A1", "resumes")
    assert not find_lines(result, "A1", "claims order 0 submitted")


@pytest.mark.parametrize("kind", [OutageKind.DATABASE_BUSY, OutageKind.DATABASE_LOSSY])
def test_a_worker_that_stops_releases_its_leases_also_during_an_outage(kind: OutageKind) -> None:
    stop = WorkerFault(
        0, WorkerFaultKind.STOP, worker=0, duration_s=1, checkpoint=Checkpoint.SENT, steps=3
    )
    for seed in range(10):
        outage = Outage(0.35, kind, 8, strength=0.5)
        result = simulate(seed, replace(PLAN, faults=(SLOW_LANDING, stop, outage), heal_at=9))
        assert result.violations == ()
        assert find_lines(result, "A1", "releases")


def test_a_worker_that_stops_while_the_database_is_down_times_out() -> None:
    stop = WorkerFault(
        0, WorkerFaultKind.STOP, worker=0, duration_s=1, checkpoint=Checkpoint.SENT, steps=3
    )
    outage = Outage(0.4, OutageKind.DATABASE_DOWN, 30, strength=1)
    result = simulate(1, replace(PLAN, faults=(SLOW_LANDING, stop, outage), heal_at=31))
    assert result.violations == ()
    [ended] = find_lines(result, "A1", " ends")
    assert float(ended.split()[0]) < 12


def test_a_claim_in_flight_is_released_too() -> None:
    orders = tuple(0.05 + n / 1_000 for n in range(8))
    release_sizes = set()
    for step in range(20, 100):
        stop = WorkerFault(
            0, WorkerFaultKind.STOP, worker=0, duration_s=1, checkpoint=None, steps=step
        )
        result = simulate(1, replace(PLAN, orders=orders, faults=(stop,), heal_at=3))
        assert result.violations == ()
        release_sizes |= {line.count("order") for line in find_lines(result, "A1", "releases")}
    assert len(release_sizes) > 3


def test_a_worker_that_can_send_no_jobs_continues() -> None:
    queue_full = Outage(0.06, OutageKind.QUEUE_FULL, 4, strength=1)
    revert_outage = Outage(0, OutageKind.TRANSACTIONS_REVERTED, 2, strength=1)
    result = simulate(3, replace(PLAN, faults=(queue_full, revert_outage), heal_at=5))
    assert result.violations == ()
    assert find_lines(result, "reverts")
    assert [process.name for process in result.cluster.processes] == ["A1"]


def test_a_transaction_that_was_stored_and_not_sent_is_sent_at_once_by_the_next_worker() -> None:
    """Not by the watch, which sends again after its interval: here after the expiry."""
    kill = WorkerFault(
        0, WorkerFaultKind.KILL, worker=0, duration_s=0.5, checkpoint=Checkpoint.STORED, steps=0
    )
    settings = replace(PLAN.settings, resend_s=1_000)
    result = simulate(1, replace(PLAN, settings=settings, faults=(kill,), heal_at=1))
    assert result.violations == ()
    [claimed] = find_lines(result, "claims order 0 submitted epoch 2")
    arrived, *_ = find_lines(result, "chain", "order 0", "of attempt 1 arrives")
    assert float(arrived.split()[0]) - float(claimed.split()[0]) < PLAN.settings.poll_s
    [confirmed] = find_lines(result, "records order 0 confirmed")
    assert "of epoch 2" in confirmed

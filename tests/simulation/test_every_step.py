"""One order, and one fault at each point of its execution in turn.

A worker is killed, paused or stopped at each step of each of its tasks; the chain is forked at
each time between the send and the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from backend.execution.context import Checkpoint
from tests.simulation.model.chain import ChainRules
from tests.simulation.model.postgres import ServerClock
from tests.simulation.mutations import MUTATIONS
from tests.simulation.plan import ChainFork, Outage, OutageKind, Plan, WorkerFault, WorkerFaultKind
from tests.simulation.schedule import simulate
from tests.simulation.worker import WorkerSettings

PLAN = Plan(
    settings=WorkerSettings(
        lease_s=3,
        sweep_s=0.7,
        rekick_s=1,
        attempts_max=3,
        backoff_s=0.3,
        backoff_jitter=0,
        poll_s=0.4,
        resend_s=1,
        outage_wait_s=8,
        history_wait_s=15,
        shutdown_s=0,
        preflight=False,
        unsent_max=1_000,
        owner_jobs_max=1_000,
    ),
    rules=ChainRules(
        slot_s=0.4,
        valid_blocks=20,
        confirmed_blocks=1,
        finalized_blocks=3,
        remembered_blocks=20,
    ),
    clock=ServerClock(0, 1),
    workers=1,
    orders=(0.05,),
    landing_max_s=1.5,
    reject_chance=0,
    faults=(),
    heal_at=0.1,
)
PAUSE_S = 14.0
"""Longer than a lease, and longer than a transaction can land."""

# The first worker is killed after its send: the second one claims an order that may have landed,
# and whose transaction lands while its status is checked.
KILLED_AFTER_SEND = WorkerFault(
    0, WorkerFaultKind.KILL, worker=0, duration_s=60, checkpoint=Checkpoint.SENT, steps=0
)
SLOW_LANDING = Outage(0, OutageKind.LANDING_SLOW, duration_s=60, strength=0.5)
FIRST_WORKER = 0
SUCCESSOR = 1


def plan_fault(kind: WorkerFaultKind, step: int, *, worker: int) -> Plan:
    """Plan a fault at one step of one worker.

    While that one is paused there is another worker; once it is gone it has a successor.
    """
    duration_s = PAUSE_S if kind is WorkerFaultKind.PAUSE else 0.5
    fault = WorkerFault(0, kind, worker, duration_s, checkpoint=None, steps=step)
    if worker == FIRST_WORKER:
        workers = 2 if kind is WorkerFaultKind.PAUSE else 1
        return replace(PLAN, workers=workers, faults=(fault,), heal_at=duration_s + 2)
    return replace(
        PLAN, workers=2, faults=(KILLED_AFTER_SEND, SLOW_LANDING, fault), heal_at=duration_s + 9
    )


def find_violations(kind: WorkerFaultKind, worker: int) -> Iterator[tuple[int, str]]:
    """Yield the violations that a fault leads to, each with the step of the fault."""
    for step in range(count_steps(worker)):
        result = simulate(1, plan_fault(kind, step, worker=worker))
        yield from ((step, violation) for violation in result.violations)


def count_steps(worker: int) -> int:
    """Count the steps of a worker without faults until the order has ended."""
    result = simulate(1, replace(plan_fault(WorkerFaultKind.KILL, 10**9, worker=worker), heal_at=4))
    process = result.cluster.processes[worker]
    assert any(f"{process}" in line and "confirmed" in line for line in result.report())
    return process.steps


@pytest.mark.parametrize("worker", [FIRST_WORKER, SUCCESSOR])
@pytest.mark.parametrize("kind", WorkerFaultKind)
def test_a_worker_may_fail_at_any_step(kind: WorkerFaultKind, worker: int) -> None:
    assert list(find_violations(kind, worker)) == []


@pytest.mark.parametrize(
    ("without", "kind", "worker"),
    [
        ("intent before send", WorkerFaultKind.KILL, FIRST_WORKER),
        ("height first", WorkerFaultKind.PAUSE, SUCCESSOR),
    ],
)
def test_some_step_would_double_the_swap(without: str, kind: WorkerFaultKind, worker: int) -> None:
    with MUTATIONS[without]():
        assert any("doubled" in violation for _, violation in find_violations(kind, worker))


def plan_fork(after_ms: int) -> Plan:
    """Plan a fork of the last two blocks at a time."""
    rules = replace(PLAN.rules, confirmed_blocks=2)
    return replace(PLAN, rules=rules, faults=(ChainFork(after_ms / 1000, 2),), heal_at=2)


FORK_TIMES_MS = range(300, 1_800, 20)


def test_the_chain_may_fork_at_any_time() -> None:
    assert [at for at in FORK_TIMES_MS if simulate(2, plan_fork(at)).violations] == []


def test_some_fork_drops_what_was_only_processed() -> None:
    with MUTATIONS["confirmation"]():
        assert any(simulate(2, plan_fork(at)).violations for at in FORK_TIMES_MS)

"""The execution core under all kinds of faults, on virtual time.

More schedules: ``python -m tests.simulation --seeds 0:5000``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner

from backend.execution.context import Checkpoint
from tests.simulation.__main__ import main
from tests.simulation.batch import run_one
from tests.simulation.mutations import MUTATIONS
from tests.simulation.plan import WorkerFault, WorkerFaultKind
from tests.simulation.schedule import simulate
from tests.simulation.test_every_step import PLAN

SEEDS = range(400)
PARTS = 8
PLAIN_JOBS_SEED = 1
"""The job of its first order tells no terms, so the order is claimed before it is quoted."""


@pytest.mark.parametrize("part", range(PARTS))
def test_no_schedule_has_a_violation(part: int) -> None:
    for seed in SEEDS[part::PARTS]:
        result = simulate(seed)
        assert not result.violations, "\n".join([f"--seed {seed}", *result.report()])


def test_schedules_cover_the_kinds_of_events() -> None:
    """Most kinds of events do occur."""
    lines = [line for seed in SEEDS[:150] for line in simulate(seed).cluster.trace.lines()]
    for entry in (
        "fault: kill",
        "fault: pause",
        "fault: stop",
        "may not record",
        "finds recorded",
        "loses a job",
        "is forked away",
        "is dropped",
        "arrives again",
        "expires",
        "reverts (ProgramFailedToComplete)",
        "reverts (InsufficientFundsForFee)",
        "releases",
        "finds the disk full",
        "claims order 0 submitted",
        "claims order 0 building",
        "cancels order 0",
        "is too late for order 0",
        "expires [",
        "finds expired [",
        "submitted at seq 1 of epoch 1",
    ):
        assert any(entry in line for line in lines), entry


@pytest.mark.parametrize(
    ("without", "violation_kind"),
    [
        ("intent before send", "unstored"),
        ("intent before send", "doubled"),
        ("preflight without signature", "unstored"),
        ("sweep", "stuck"),
        ("last look", "doubled"),
        ("last look", "wrong status"),
        ("seq check", "invalid step"),
        ("bytes in a block", "wrong status"),
        ("status of what is cancelled", "wrong status (cancelled, but executed)"),
        ("fence of what is cancelled", "not cancelled"),
        ("status of what is cancelled", "wrong status (expired, but executed)"),
        ("expiry of what is claimed", "claimed after its expiry"),
        ("expiry of what is submitted", "submitted after its expiry"),
        ("end of what expires", "stuck"),
        ("fence of what a job claims", "invalid step"),
        ("one attempt", "a second attempt of an order that has one"),
    ],
)
def test_a_missing_safeguard_is_noticed(without: str, violation_kind: str) -> None:
    assert any(
        violation.startswith(violation_kind)
        for seed in SEEDS
        for violation in run_one(seed, without).violations
    )


def test_a_missing_check_of_the_epoch_is_noticed() -> None:
    """A worker resumes when another one has claimed its order, and has not moved it on yet."""
    violations: list[str] = []
    for step in range(60):
        pause = WorkerFault(
            0,
            WorkerFaultKind.PAUSE,
            worker=0,
            duration_s=PLAN.settings.lease_s + step / 20,
            checkpoint=Checkpoint.QUOTED,
            steps=0,
        )
        plan = replace(PLAN, workers=2, faults=(pause,), heal_at=10)
        assert simulate(PLAIN_JOBS_SEED, plan).violations == ()
        with MUTATIONS["epoch check"]():
            violations += simulate(PLAIN_JOBS_SEED, plan).violations
    assert any(each.startswith("written with a stale epoch") for each in violations)


def test_the_same_seed_is_the_same_schedule_whatever_the_process() -> None:
    seeds = (7, 104)
    digests = [simulate(seed).cluster.trace.digest() for seed in seeds]
    assert len(set(digests)) == len(seeds)
    for seed, digest in zip(seeds, digests, strict=True):
        repeated = subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--seed", str(seed)],
            env={**os.environ, "PYTHONHASHSEED": str(1_000 + seed)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert repeated.stdout.splitlines()[-1] == f"trace {digest}"


def test_a_violation_is_printed_with_its_trace_and_how_to_repeat_it() -> None:
    result = CliRunner().invoke(main, ["--seeds", "0:150", "--jobs", "1", "--without", "last look"])
    assert result.exit_code == 1
    assert "doubled (2 swaps)" in result.output
    assert "claims order 0" in result.output
    [(seed, option)] = re.findall(r"^again: .* --seed (\d+) (.*)$", result.output, re.MULTILINE)
    assert option == '--without "last look"'
    assert run_one(int(seed), "last look").violations


def test_an_idle_hour_takes_few_steps() -> None:
    result = simulate(1, replace(PLAN, heal_at=3_600))
    assert result.violations == ()
    assert result.cluster.loop.time() > 3_600
    steps = sum(process.steps for process in result.cluster.processes)
    assert steps < 20 * 3_600 / PLAN.settings.sweep_s

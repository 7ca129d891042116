"""The execution core under everything that can go wrong, on virtual time.

More of the same: ``python -m tests.simulation --seeds 0:5000``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner

from tests.simulation.__main__ import main
from tests.simulation.batch import run_one
from tests.simulation.schedule import simulate
from tests.simulation.test_every_step import PLAN

SEEDS = range(400)
PARTS = 8
RARE = (7666, 19017)
"""Schedules in which a stalled node is asked at just the wrong time: one in thousands."""


@pytest.mark.parametrize("part", range(PARTS))
def test_every_promise_is_kept_on_every_schedule(part: int) -> None:
    for seed in SEEDS[part::PARTS]:
        outcome = simulate(seed)
        assert not outcome.problems, "\n".join([f"--seed {seed}", *outcome.report()])


def test_schedules_are_what_they_are_meant_to_be() -> None:
    """Most things that can happen do happen."""
    lines = [line for seed in SEEDS[:150] for line in simulate(seed).world.trace.lines()]
    for what in (
        "is hit: kill",
        "is hit: pause",
        "is hit: stop",
        "may not record",
        "finds recorded",
        "loses a job",
        "is forked away",
        "is dropped",
        "comes again",
        "expires",
        "reverts (ProgramFailedToComplete)",
        "reverts (InsufficientFundsForFee)",
        "releases",
        "finds the disk full",
        "claims order 0 submitted",
        "claims order 0 building",
    ):
        assert any(what in line for line in lines), what


@pytest.mark.parametrize(
    ("without", "broken"),
    [
        ("intent before send", "unstored"),
        ("intent before send", "doubled"),
        ("epoch check", "written by somebody who had lost the lease"),
        ("sweep", "stuck"),
        ("last look", "doubled"),
        ("last look", "untrue"),
        ("slot of the look", "two open"),
        ("seq check", "no step"),
    ],
)
def test_a_missing_guard_is_missed(without: str, broken: str) -> None:
    assert any(
        problem.startswith(broken)
        for seed in (*RARE, *SEEDS)
        for problem in run_one(seed, without).problems
    )


def test_the_same_seed_is_the_same_schedule_whatever_the_process() -> None:
    seeds = (7, 104)
    digests = [simulate(seed).world.trace.digest() for seed in seeds]
    assert len(set(digests)) == len(seeds)
    for seed, digest in zip(seeds, digests, strict=True):
        again = subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--seed", str(seed)],
            env={**os.environ, "PYTHONHASHSEED": str(1_000 + seed)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert again.stdout.splitlines()[-1] == f"trace {digest}"


def test_a_broken_promise_is_told_with_its_schedule_and_how_to_see_it_again() -> None:
    result = CliRunner().invoke(main, ["--seeds", "0:150", "--jobs", "1", "--without", "last look"])
    assert result.exit_code == 1
    assert "doubled (2 swaps)" in result.output
    assert "claims order 0" in result.output
    [(seed, told)] = re.findall(r"^again: .* --seed (\d+) (.*)$", result.output, re.MULTILINE)
    assert told == '--without "last look"'
    assert run_one(int(seed), "last look").problems


def test_an_idle_hour_is_short() -> None:
    outcome = simulate(1, replace(PLAN, heal_at=3_600))
    assert outcome.problems == ()
    assert outcome.world.loop.time() > 3_600
    steps = sum(process.steps for process in outcome.world.processes)
    assert steps < 20 * 3_600 / PLAN.terms.sweep_s

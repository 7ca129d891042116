"""Runs many schedules in worker processes and sums up their results."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass

from tests.simulation.mutations import MUTATIONS
from tests.simulation.schedule import ScheduleResult, simulate

CHUNK = 50


@dataclass(slots=True)
class RunTotals:
    """The totals of many schedules."""

    schedules: int = 0
    orders: int = 0
    swaps: int = 0
    virtual_s: float = 0.0
    recovery_s: float = 0.0

    def add(self, other: RunTotals) -> None:
        self.schedules += other.schedules
        self.orders += other.orders
        self.swaps += other.swaps
        self.virtual_s += other.virtual_s
        self.recovery_s = max(self.recovery_s, other.recovery_s)


Failures = list[tuple[int, tuple[str, ...]]]


def run_seeds(seeds: Iterable[int], without: str | None) -> tuple[RunTotals, Failures]:
    """Run the schedules of some seeds."""
    totals, failures = RunTotals(), Failures()
    for seed in seeds:
        result = run_one(seed, without)
        cluster = result.cluster
        swaps = sum(landing.err is None for landing in cluster.chain.landings.values())
        orders = len(cluster.database.rows)
        totals.add(RunTotals(1, orders, swaps, cluster.loop.time(), result.recovery_s))
        if result.violations:
            failures.append((seed, result.violations))
    return totals, failures


def run_one(seed: int, without: str | None) -> ScheduleResult:
    """Run the schedule of a seed, with the engine as it is or without one of its safeguards."""
    with MUTATIONS[without]() if without else nullcontext():
        return simulate(seed)


def run_all(
    seeds: range, jobs: int, without: str | None, report_progress: Callable[[RunTotals, int], None]
) -> tuple[RunTotals, Failures]:
    """Run the schedules of many seeds; ``report_progress`` gets the totals after each chunk."""
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    totals, failures = RunTotals(), Failures()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        for part, part_failures in pool.map(run_seeds, chunks, [without] * len(chunks)):
            totals.add(part)
            failures += part_failures
            report_progress(totals, len(failures))
    return totals, failures

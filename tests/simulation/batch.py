"""Many schedules at once, in processes of their own, and what they came to."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass

from tests.simulation.mutations import MUTATIONS
from tests.simulation.schedule import Outcome, simulate

CHUNK = 50


@dataclass(slots=True)
class Tally:
    """What many schedules came to."""

    schedules: int = 0
    orders: int = 0
    swaps: int = 0
    virtual_s: float = 0.0
    recovered_s: float = 0.0

    def add(self, other: Tally) -> None:
        self.schedules += other.schedules
        self.orders += other.orders
        self.swaps += other.swaps
        self.virtual_s += other.virtual_s
        self.recovered_s = max(self.recovered_s, other.recovered_s)


Failures = list[tuple[int, tuple[str, ...]]]


def run(seeds: Iterable[int], without: str | None) -> tuple[Tally, Failures]:
    """Run the schedules of some seeds."""
    tally, failures = Tally(), Failures()
    for seed in seeds:
        outcome = run_one(seed, without)
        world = outcome.world
        swaps = sum(landing.err is None for landing in world.chain.landed.values())
        orders = len(world.database.rows)
        tally.add(Tally(1, orders, swaps, world.loop.time(), outcome.recovered_s))
        if outcome.problems:
            failures.append((seed, outcome.problems))
    return tally, failures


def run_one(seed: int, without: str | None) -> Outcome:
    """Run the schedule of a seed, with the engine as it is or without something."""
    with MUTATIONS[without]() if without else nullcontext():
        return simulate(seed)


def run_all(
    seeds: range, jobs: int, without: str | None, told: Callable[[Tally, int], None]
) -> tuple[Tally, Failures]:
    """Run the schedules of many seeds; ``told`` hears of the progress."""
    chunks = [seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK)]
    tally, failures = Tally(), Failures()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        for part, broken in pool.map(run, chunks, [without] * len(chunks)):
            tally.add(part)
            failures += broken
            told(tally, len(failures))
    return tally, failures

"""Runs thousands of schedules: ``python -m tests.simulation --seeds 0:5000``.

A schedule that breaks a promise is printed with everything that happened in it, and can be run
again: ``python -m tests.simulation --seed 17``. With ``--without`` the engine lacks one of the
things that keep its promises, which shows that the simulation would notice.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from time import perf_counter

import click

from tests.simulation.batch import Failures, Tally, run_all, run_one
from tests.simulation.mutations import MUTATIONS

FAILURES_SHOWN = 20


@click.command(help=__doc__)
@click.option("--seeds", default="0:1000", show_default=True, help="The first, and the one after.")
@click.option("--seed", type=int, help="Run only this one, and print what happens.")
@click.option("--jobs", default=os.cpu_count() or 1, help="Processes at once.")
@click.option("--without", type=click.Choice(list(MUTATIONS)), help="What the engine lacks.")
def main(seeds: str, seed: int | None, jobs: int, without: str | None) -> None:
    """Run one schedule or many."""
    if seed is not None:
        outcome = run_one(seed, without)
        click.echo("\n".join(outcome.report()))
        click.echo(f"trace {outcome.world.trace.digest()}")
        sys.exit(1 if outcome.problems else 0)
    first, end = map(int, seeds.split(":"))
    started = perf_counter()
    tally, failures = run_all(range(first, end), jobs, without, _progress)
    took_s = perf_counter() - started
    _sum_up(tally, failures, took_s)
    if failures:
        _show_first(min(failures), without)
    sys.exit(1 if failures else 0)


def _progress(tally: Tally, broken: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{tally.schedules} schedules, {broken} broken", nl=False, err=True)


def _sum_up(tally: Tally, failures: Failures, took_s: float) -> None:
    if sys.stderr.isatty():
        click.echo(err=True)
    click.echo(
        f"{tally.schedules} schedules in {took_s:.1f} s ({tally.schedules / took_s:.0f} a second):"
        f" {tally.orders} orders, {tally.swaps} swaps, {tally.virtual_s / 3600:.1f} virtual hours,"
        f" longest recovery {tally.recovered_s:.1f} s, {len(failures)} broken"
    )
    broken = Counter(problem.split(":")[0] for _, problems in failures for problem in problems)
    for name, times in broken.most_common():
        click.echo(f"{times:6} {name}")
    for seed, problems in sorted(failures)[:FAILURES_SHOWN]:
        click.echo(f"seed {seed}: {problems[0]}")


def _show_first(failure: tuple[int, tuple[str, ...]], without: str | None) -> None:
    seed, _ = failure
    lacking = f' --without "{without}"' if without else ""
    click.echo(f"\nseed {seed}:")
    click.echo("\n".join(run_one(seed, without).report()))
    click.echo(f"\nagain: python -m tests.simulation --seed {seed}{lacking}")


if __name__ == "__main__":
    main()

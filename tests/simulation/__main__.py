"""Runs thousands of schedules: ``python -m tests.simulation --seeds 0:5000``.

The first schedule with a violation is printed with its trace; it can be repeated with
``python -m tests.simulation --seed 17``. With ``--without`` the engine lacks one of its safeguards,
which shows that the simulation would notice.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from time import perf_counter

import click

from tests.simulation.batch import Failures, RunTotals, run_all, run_one
from tests.simulation.mutations import MUTATIONS

FAILURES_SHOWN = 20


@click.command(help=__doc__)
@click.option("--seeds", default="0:1000", show_default=True, help="The first seed, and the end.")
@click.option("--seed", type=int, help="Run only this one, and print its trace.")
@click.option("--jobs", default=os.cpu_count() or 1, help="Processes at once.")
@click.option("--without", type=click.Choice(list(MUTATIONS)), help="The safeguard to disable.")
def main(seeds: str, seed: int | None, jobs: int, without: str | None) -> None:
    """Run one schedule or many."""
    if seed is not None:
        result = run_one(seed, without)
        click.echo("\n".join(result.report()))
        click.echo(f"trace {result.cluster.trace.digest()}")
        sys.exit(1 if result.violations else 0)
    first, end = map(int, seeds.split(":"))
    started = perf_counter()
    totals, failures = run_all(range(first, end), jobs, without, _print_progress)
    elapsed_s = perf_counter() - started
    _print_totals(totals, failures, elapsed_s)
    if failures:
        _print_first_failure(min(failures), without)
    sys.exit(1 if failures else 0)


def _print_progress(totals: RunTotals, broken: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{totals.schedules} schedules, {broken} broken", nl=False, err=True)


def _print_totals(totals: RunTotals, failures: Failures, elapsed_s: float) -> None:
    if sys.stderr.isatty():
        click.echo(err=True)
    click.echo(
        f"{totals.schedules} schedules in {elapsed_s:.1f} s"
        f" ({totals.schedules / elapsed_s:.0f} a second): {totals.orders} orders,"
        f" {totals.swaps} swaps, {totals.virtual_s / 3600:.1f} virtual hours,"
        f" longest recovery {totals.recovery_s:.1f} s, {len(failures)} broken"
    )
    broken = Counter(
        violation.split(":")[0] for _, violations in failures for violation in violations
    )
    for name, count in broken.most_common():
        click.echo(f"{count:6} {name}")
    for seed, violations in sorted(failures)[:FAILURES_SHOWN]:
        click.echo(f"seed {seed}: {violations[0]}")


def _print_first_failure(failure: tuple[int, tuple[str, ...]], without: str | None) -> None:
    seed, _ = failure
    option = f' --without "{without}"' if without else ""
    click.echo(f"\nseed {seed}:")
    click.echo("\n".join(run_one(seed, without).report()))
    click.echo(f"\nagain: python -m tests.simulation --seed {seed}{option}")


if __name__ == "__main__":
    main()

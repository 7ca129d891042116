"""``order-engine splits``: the command line of the trial."""

from __future__ import annotations

import sys
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from backend.trials.splits.hops import HopFigures, compare_hops
from backend.trials.splits.run import (
    SIZES,
    SplitFigures,
    compare_splits,
    compute_p90,
    summarize,
)

VIOLATIONS_SHOWN: Final = 10
_STATES_PER_ROUTE: Final = 4
"""A route of two hops has as many pools as several splits."""


@click.command()
@click.option("--states", type=click.IntRange(min=1), default=1_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of pools and orders.")
def splits(states: int, seed: int) -> None:
    """Compare splits of orders over random pools with an optimum that is found by brute force.

    Two to eight pools of all programs hold what random swaps have left. A split never pays less
    than the best single pool, and at most 0.1 basis points less than the optimum. Then a quarter
    as many routes of two hops, through one of three tokens.
    """
    with click.progressbar(length=states, file=sys.stderr, label="states") as bar:
        figures = compare_splits(states, seed, lambda done: bar.update(done - bar.pos))
    _print_report(figures, states)
    routes = -(-states // _STATES_PER_ROUTE)
    with click.progressbar(length=routes, file=sys.stderr, label="two hops") as bar:
        hops = compare_hops(routes, seed, lambda done: bar.update(done - bar.pos))
    _print_hops(hops, routes)
    if figures.violations or hops.violations:
        sys.exit(1)


def _print_hops(figures: HopFigures, states: int) -> None:
    console = Console()
    for violation in figures.violations[:VIOLATIONS_SHOWN]:
        console.print(f"VIOLATION: {violation}", highlight=False, markup=False)
    times = ", ".join(
        f"{name} {summarize(times) * 1_000:.2f} ms (p90 {compute_p90(times) * 1_000:.2f})"
        for name, times in (("first", figures.cold_s), ("further ones", figures.warm_s))
    )
    verdict = f"{len(figures.violations)} violations" if figures.violations else "ok"
    console.print(f"{states:,} routes of two hops; median {times}: {verdict}", highlight=False)


def _print_report(figures: SplitFigures, states: int) -> None:
    console = Console()
    if not console.is_terminal:
        console.width = 100
    console.print(_build_gain_table(figures))
    console.print(_build_time_table(figures))
    calibration_ms = summarize(figures.calibration_s) * 1_000
    console.print(f"calibration: {calibration_ms:.2f} ms for 100,000 squares", highlight=False)
    for violation in figures.violations[:VIOLATIONS_SHOWN]:
        console.print(f"VIOLATION: {violation}", highlight=False, markup=False)
    unquoted = f"{figures.unquoted} that the pools do not take"
    verdict = f"{len(figures.violations)} violations" if figures.violations else "ok"
    gap = f"largest gap to the optimum {figures.worst_gap_bps:.4f} bps"
    console.print(f"{states:,} states, {unquoted}; {gap}: {verdict}", highlight=False)


def _build_gain_table(figures: SplitFigures) -> Table:
    table = Table(
        "order / depth",
        "orders",
        "legs",
        "better, median",
        "mean",
        "most",
        title="basis points above the best single pool",
    )
    start = 0.0
    for end in SIZES:
        gains = figures.improvements_bps[end]
        if gains:
            table.add_row(
                f"{start:.3%} to {end:.3%}" if start else f"up to {end:.3%}",
                f"{len(gains)}",
                f"{summarize([float(legs) for legs in figures.legs[end]]):.0f}",
                f"{summarize(gains):.2f}",
                f"{sum(gains) / len(gains):.2f}",
                f"{max(gains):.2f}",
            )
        start = end
    return table


def _build_time_table(figures: SplitFigures) -> Table:
    table = Table(
        "pools", "states", "first split, median ms", "further ones", title="time to split"
    )
    for count in sorted(figures.cold_s):
        cold, warm = figures.cold_s[count], figures.warm_s[count]
        table.add_row(
            f"{count}",
            f"{len(cold)}",
            f"{summarize(cold) * 1_000:.2f}",
            f"{summarize(warm) * 1_000:.2f}",
        )
    return table

"""``order-engine exactness``: the command line of the trial."""

from __future__ import annotations

import sys
from time import monotonic

import click
from rich.console import Console
from rich.table import Table

from backend.trials.data_dir import create_trial_directory
from backend.trials.exactness.run import ExactnessResult, ExactnessRun
from backend.trials.exactness.trader import Trader

DIFFERENCES_SHOWN = 10


@click.command()
@click.option("--swaps", type=click.IntRange(min=1), default=10_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of swaps and prices.")
def exactness(swaps: int, seed: int) -> None:
    """Compare what random swaps pay on a simulated chain with their quotes, to the base unit.

    Every program, alone, in splits over several pools and over two hops in one transaction. Each
    swap pays its quote, the wallet changes by the sums, and each pool is left as expected.
    """
    started = monotonic()
    with create_trial_directory("exactness", lambda path: click.echo(f"data: {path}")) as directory:
        trader = Trader(directory.path, seed)
        try:
            result = ExactnessRun(trader, seed).run(swaps)
        finally:
            trader.chain.close()
        directory.is_disposable = not result.differences
    _print_report(result, monotonic() - started)
    if result.differences:
        sys.exit(1)


def _print_report(result: ExactnessResult, took_s: float) -> None:
    console = Console()
    if not console.is_terminal:
        console.width = 100
    table = Table("program", "swaps that paid their quote", "refused by quote and program")
    for program in sorted(result.swaps | result.refusals):
        refused = result.refusals[program]
        table.add_row(program, f"{result.swaps[program]:,}", f"{refused:,}")
    table.add_row("all", f"{result.swaps.total():,}", f"{result.refusals.total():,}")
    console.print(table)
    kinds = Table("transaction", "landed")
    for kind, count in sorted(result.transactions.items()):
        kinds.add_row(kind, f"{count:,}")
    console.print(kinds)
    for difference in result.differences[:DIFFERENCES_SHOWN]:
        console.print(f"DIFFERENCE: {difference}", highlight=False, markup=False)
    verdict = f"{len(result.differences)} differences" if result.differences else "ok"
    console.print(f"{result.swaps.total():,} swaps in {took_s:.0f} s: {verdict}", highlight=False)

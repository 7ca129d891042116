"""``order-engine accounts``: the command line of the trials."""

from __future__ import annotations

from typing import Final

import click

from backend.runtime import observe
from backend.trials.accounts.file_run import FileFigures, run_file_trial
from backend.trials.accounts.ledger_run import LedgerFigures, run_ledger_trial
from backend.trials.trial_command import report_violations, run_to_end

TIMEOUT_S: Final = 900.0


@click.group()
def accounts() -> None:
    """Compare fills, positions and reports with the ledger; measure files of many fills."""
    observe.configure_logging("error", "console")


@accounts.command()
@click.option("--orders", type=click.IntRange(min=1), default=20_000, show_default=True)
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--kills", type=click.IntRange(min=0), default=3, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
def ledger(orders: int, workers: int, kills: int, seed: int) -> None:
    """Place orders of all kinds while workers are killed, and replay the chain's ledger.

    Fills, positions and reports have to be those of the replay, to the base unit.
    """
    figures: LedgerFigures = run_to_end(run_ledger_trial(orders, workers, kills, seed, TIMEOUT_S))
    statuses = ", ".join(f"{n} {name}" for name, n in sorted(figures.statuses.items()) if n)
    click.echo(f"orders: {orders}, {workers} workers, killed {kills} times; ended: {statuses}")
    click.echo(f"fills: {figures.fills}, of which {figures.unvalued} without a value")
    for each in figures.positions["positions"]:
        click.echo(
            f"{each['token']:<5} {each['amount']:>22}  cost {each['cost']:>18}"
            f"  realized {each['realized']}"
        )
    for name, seconds in figures.seconds.items():
        click.echo(f"{name} read in {seconds:.2f} s")
    report_violations(figures.violations)


@accounts.command()
@click.option("--fills", type=click.IntRange(min=1), default=1_000_000, show_default=True)
def file(fills: int) -> None:
    """Stream a CSV file of very many fills: the memory of the API does not grow with them."""
    figures: FileFigures = run_to_end(run_file_trial(fills))
    click.echo(f"fills: {figures.lines:,} lines, {figures.file_bytes / 2**20:.0f} MB")
    click.echo(f"time: {figures.seconds:.1f} s, {figures.lines / figures.seconds:,.0f} fills/s")
    click.echo(
        f"memory of the API: {figures.before_bytes / 2**20:.0f} MB before,"
        f" at most {figures.peak_bytes / 2**20:.0f} MB meanwhile"
    )
    report_violations(figures.list_violations(fills))

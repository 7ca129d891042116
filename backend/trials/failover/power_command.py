"""``order-engine power-loss``: the command line of the trial."""

from __future__ import annotations

import click

from backend.trials.data_dir import create_trial_directory
from backend.trials.failover.power_loss import run_orders
from backend.trials.trial_command import report_violations, run_to_end


@click.command()
@click.option("--orders", type=click.IntRange(min=1), default=2_000, show_default=True)
@click.option(
    "--rate", type=click.FloatRange(min=1), default=40, show_default=True, help="Orders/s."
)
@click.option("--cuts", type=click.IntRange(1, 100), default=8, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of orders and cuts.")
@click.option(
    "--fsync",
    type=click.Choice(["on", "off"]),
    default="on",
    show_default=True,
    help="PostgreSQL's fsync: off shows that the audit finds what is lost.",
)
def power_loss(orders: int, rate: float, cuts: int, seed: int, fsync: str) -> None:
    """Cut the power of PostgreSQL's disk under orders, and audit what was answered.

    Its data folder is a file system of its own, which forgets what was not flushed. This needs
    root, as it mounts that.
    """
    with create_trial_directory(
        "power-loss", lambda path: click.echo(f"data: {path}")
    ) as directory:
        result = run_to_end(
            run_orders(
                *(directory.path, orders),
                rate=rate,
                cuts=cuts,
                seed=seed,
                flushes=fsync == "on",
            )
        )
        directory.is_disposable = not result.violations
    ends = ", ".join(f"{count:,} {status}" for status, count in sorted(result.ends.items()))
    click.echo(f"orders: {ends}")
    click.echo(f"{result.cuts} cuts of power, {result.repeats:,} requests were repeated")
    report_violations(list(map(str, result.violations)))

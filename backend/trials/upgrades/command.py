"""``order-engine upgrade-trial``: the command line of the trial."""

from __future__ import annotations

import click

from backend.trials.chaos.timing import MACHINE_S
from backend.trials.data_dir import create_trial_directory
from backend.trials.trial_command import report_violations, run_to_end
from backend.trials.upgrades.run import run_orders


@click.command(name="upgrade-trial")
@click.option(
    "--from",
    "revision",
    metavar="REV",
    help="The earlier version, as git names it. Without: the last tag.",
)
@click.option("--orders", type=click.IntRange(min=2), default=2_000, show_default=True)
@click.option(
    "--rate", type=click.FloatRange(min=1), default=20, show_default=True, help="Orders/s."
)
@click.option(
    "--machine-s",
    type=click.FloatRange(min=0),
    default=MACHINE_S,
    show_default=True,
    help="Seconds that a busy machine may add to an answer.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the orders.")
def upgrade_trial(
    revision: str | None, orders: int, rate: float, machine_s: float, seed: int
) -> None:
    """Replace an earlier version by this one under orders, process by process, and audit them.

    The earlier version comes from the repository's history, and runs with the packages of this one.
    Two of its workers and two API processes run on its schema; this version's migrations are
    applied; a worker and an API process of the earlier version start again on the new schema; then
    each process is replaced, first the workers. Needs a clone of the repository, and git.
    """
    with create_trial_directory("upgrade", lambda path: click.echo(f"data: {path}")) as directory:
        trial = run_orders(
            directory.path, revision, orders, rate=rate, machine_s=machine_s, seed=seed
        )
        result = run_to_end(trial)
        directory.is_disposable = not result.violations
    migrations = ", ".join(result.migrations) or "none"
    click.echo(f"from {result.revision}; migrations: {migrations}")
    ends = ", ".join(f"{count:,} {status}" for status, count in sorted(result.ends.items()))
    click.echo(f"orders: {ends}")
    click.echo(f"requests that clients repeated after an error: {result.repeats:,}")
    click.echo(f"the longest that a process took to be replaced: {result.longest_start_s:.1f} s")
    click.echo(str(result.history))
    report_violations(list(map(str, result.violations)))

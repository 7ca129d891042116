"""``order-engine upgrade-trial``: the command line of the trial."""

from __future__ import annotations

import click

from backend.trials.chaos.timing import MACHINE_S
from backend.trials.data_dir import create_trial_directory
from backend.trials.trial_command import report_violations, run_to_end
from backend.trials.upgrades.run import UpgradePlan, run_orders


@click.command(name="upgrade-trial")
@click.option(
    "--from",
    "revision",
    metavar="REV",
    help="The earlier version, as git names it. Without: the last tag.",
)
@click.option(
    "--market-only",
    is_flag=True,
    help="Market orders, none cancelled: for a version that has no others.",
)
@click.option(
    "--back", is_flag=True, help="Put the earlier version back at the end, in reverse order."
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
@click.option(
    "--each",
    "processes",
    type=click.IntRange(1, 8),
    default=2,
    show_default=True,
    help="Workers, and API processes.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the orders.")
def upgrade_trial(
    revision: str | None,
    orders: int,
    rate: float,
    machine_s: float,
    processes: int,
    seed: int,
    *,
    market_only: bool,
    back: bool,
) -> None:
    """Replace an earlier version by this one under orders, process by process, and audit them.

    The earlier version comes from the repository's history, and runs with the packages of this one.
    Its workers and API processes run on its schema; this version's migrations are applied; one of
    each, of the earlier version, starts again on the new schema; then each process is replaced,
    first the workers; with ``--back`` all of them once more. Needs a clone of the repository, and
    git.
    """
    with create_trial_directory("upgrade", lambda path: click.echo(f"data: {path}")) as directory:
        plan = UpgradePlan(orders, rate, seed, machine_s, processes, market_only, back)
        trial = run_orders(directory.path, revision, plan)
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

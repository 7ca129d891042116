"""``order-engine webhook-trial``: the command line of the trial."""

from __future__ import annotations

import click

from backend.runtime import observe
from backend.trials.data_dir import create_trial_directory
from backend.trials.trial_command import report_violations, run_to_end
from backend.trials.webhooks.run import WebhooksResult, run_webhooks


@click.command()
@click.option("--orders", type=click.IntRange(min=1), default=2_000, show_default=True)
@click.option("--kills", type=click.IntRange(min=0), default=12, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--timeout-s", type=click.FloatRange(min=1), default=300, show_default=True)
def webhook_trial(orders: int, kills: int, seed: int, timeout_s: float) -> None:
    """Tell receivers of orders of two owners while processes are killed, and audit what they got.

    Of each owner one receiver answers well, one fails now and then, and one is away at first.
    """
    observe.configure_logging("error", "console")
    with create_trial_directory("webhooks", lambda path: click.echo(f"data: {path}")) as directory:
        trial = run_webhooks(directory.path, orders, kills, seed, timeout_s)
        result: WebhooksResult = run_to_end(trial)
        directory.is_disposable = not result.violations
    click.echo(
        f"{orders} orders, {result.kills} kills: {result.events:,} events, each to three"
        f" receivers, in {result.seconds:.0f} s; {result.messages:,} messages came, of which"
        f" {result.repeats:,} repeat one that was taken"
    )
    report_violations(result.violations)

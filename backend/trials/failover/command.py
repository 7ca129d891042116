"""``order-engine failover``: the command line of the trial."""

from __future__ import annotations

import click

from backend.trials.data_dir import create_trial_directory
from backend.trials.failover.run import run_orders
from backend.trials.trial_command import report_violations, run_to_end


@click.command()
@click.option("--orders", type=click.IntRange(min=1), default=2_000, show_default=True)
@click.option(
    "--rate", type=click.FloatRange(min=1), default=40, show_default=True, help="Orders/s."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the orders.")
@click.option(
    "--reconciliation",
    type=click.Choice(["on", "off"]),
    default="on",
    show_default=True,
    help="ORDER_ENGINE_JOURNAL_RECONCILIATION: whether the wallets' history is read first.",
)
def failover(orders: int, rate: float, seed: int, reconciliation: str) -> None:
    """Kill the primary PostgreSQL under orders, promote its synchronous standby, and audit.

    The engine has one address of both (target_session_attrs=read-write), and is not restarted.
    """
    with create_trial_directory("failover", lambda path: click.echo(f"data: {path}")) as directory:
        result = run_to_end(
            run_orders(
                *(directory.path, orders),
                rate=rate,
                seed=seed,
                compares_history=reconciliation == "on",
            )
        )
        directory.is_disposable = not result.violations
    ends = ", ".join(f"{count:,} {status}" for status, count in sorted(result.ends.items()))
    click.echo(f"orders: {ends}")
    click.echo(
        f"after the loss of the primary: promoted {result.promoted_s:.1f} s, the next order"
        f" accepted {result.accepted_s:.1f} s,"
        f" the first of those confirmed {result.confirmed_s:.1f} s"
    )
    report_violations(list(map(str, result.violations)))

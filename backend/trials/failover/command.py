"""``order-engine failover``: the command line of the trial."""

from __future__ import annotations

from typing import Final

import click

from backend.trials.data_dir import create_trial_directory
from backend.trials.failover.run import run_orders
from backend.trials.failover.stores import run_postgres_pair, run_redis_cluster
from backend.trials.trial_command import report_violations, run_to_end

POSTGRESQL: Final = "postgresql"
REDIS_CLUSTER: Final = "redis-cluster"


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
    help="ORDER_ENGINE_JOURNAL_RECONCILIATION of PostgreSQL's: whether the wallets' history is"
    " read first.",
)
@click.option(
    "--of",
    "store",
    type=click.Choice([POSTGRESQL, REDIS_CLUSTER]),
    default=POSTGRESQL,
    show_default=True,
    help="The store whose primary is lost.",
)
def failover(orders: int, rate: float, seed: int, reconciliation: str, store: str) -> None:
    """Kill the primary of PostgreSQL, or of a Redis Cluster, under orders, and audit.

    Of PostgreSQL the synchronous standby is promoted; the engine has one address of both
    (target_session_attrs=read-write). Of a Redis Cluster the node with the engine's keys is lost,
    and its replica takes over. The engine is not restarted.
    """
    with create_trial_directory("failover", lambda path: click.echo(f"data: {path}")) as directory:
        stores = (
            run_redis_cluster(directory.path)
            if store == REDIS_CLUSTER
            else run_postgres_pair(directory.path, compares_history=reconciliation == "on")
        )
        result = run_to_end(run_orders(stores, orders, rate=rate, seed=seed))
        directory.is_disposable = not result.violations
    ends = ", ".join(f"{count:,} {status}" for status, count in sorted(result.ends.items()))
    click.echo(f"orders: {ends}")
    click.echo(
        f"after the loss of the primary: promoted {result.promoted_s:.1f} s, the next order"
        f" accepted {result.accepted_s:.1f} s,"
        f" the first of those confirmed {result.confirmed_s:.1f} s;"
        f" the slowest order took {result.slowest_s:.1f} s"
    )
    report_violations(list(map(str, result.violations)))

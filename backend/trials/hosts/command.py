"""``order-engine hosts``: the command line of the trial."""

from __future__ import annotations

import click

from backend.trials.chaos.timing import MACHINE_S
from backend.trials.data_dir import create_trial_directory
from backend.trials.hosts.faults import TURN_NAMES
from backend.trials.hosts.run import HostsResult, run_orders
from backend.trials.trial_command import report_violations, run_to_end


@click.command()
@click.option("--orders", type=click.IntRange(min=1), default=10_000, show_default=True)
@click.option(
    "--rate", type=click.FloatRange(min=1), default=40, show_default=True, help="Orders/s."
)
@click.option(
    "--turn-s",
    type=click.FloatRange(min=0.1),
    default=4,
    show_default=True,
    help="How long a fault lasts, and the pause after it.",
)
@click.option(
    "--only",
    "names",
    multiple=True,
    type=click.Choice(TURN_NAMES),
    help="A fault that comes, again and again; several times for several. Without: all.",
)
@click.option(
    "--machine-s",
    type=click.FloatRange(min=0),
    default=MACHINE_S,
    show_default=True,
    help="Seconds that a busy machine may add to an answer.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of orders and faults.")
def hosts(
    orders: int, rate: float, turn_s: float, names: tuple[str, ...], machine_s: float, seed: int
) -> None:
    """Run orders over four hosts whose network breaks, and audit what became of each.

    The hosts are processes in network namespaces: the stores, two APIs behind nginx, and two
    workers. Between any two of them, and the outside with the node and the clients, packets are
    cut off, in both or in one direction, delayed, lost or reordered; hosts lose their power; all
    are cut off one after the other and come back in another order. Needs Linux, and root.
    """
    with create_trial_directory("hosts", lambda path: click.echo(f"data: {path}")) as directory:
        result = run_to_end(
            run_orders(
                *(directory.path, orders),
                rate=rate,
                turn_s=turn_s,
                machine_s=machine_s,
                seed=seed,
                names=names or TURN_NAMES,
            )
        )
        directory.is_disposable = not result.violations
    _print_report(result)
    report_violations(list(map(str, result.violations)))


def _print_report(result: HostsResult) -> None:
    ends = ", ".join(f"{count:,} {status}" for status, count in sorted(result.ends.items()))
    click.echo(f"orders: {ends}")
    faults = ", ".join(f"{count} {name}" for name, count in sorted(result.turns.items()))
    click.echo(f"faults: {faults}")
    click.echo(f"requests that clients repeated after an error: {result.repeats:,}")
    click.echo(str(result.history))
    click.echo(f"the last order ended {result.recovery_s:.1f} s after the last fault")

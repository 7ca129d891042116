"""``order-engine nodes``: the command line of the trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click
from rich.console import Console
from rich.table import Table

from backend.trials.data_dir import create_trial_directory
from backend.trials.nodes.run import NodesResult, run_orders
from backend.trials.nodes.system import NODES
from backend.trials.percentile import percentile
from backend.trials.trial_command import report_violations, run_to_end


@click.command()
@click.option("--orders", type=click.IntRange(min=1), default=10_000, show_default=True)
@click.option(
    "--rate", type=click.FloatRange(min=1), default=60, show_default=True, help="Orders/s."
)
@click.option(
    "--turn-s",
    type=click.FloatRange(min=0.1),
    default=5,
    show_default=True,
    help="How long a node is faulty.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of orders and prices.")
def nodes(orders: int, rate: float, turn_s: float, seed: int) -> None:
    """Run orders over one node, then over three of which one is faulty at any time.

    The nodes serve one simulated chain. Every order is audited: none is lost or doubled, and none
    spends an attempt on a node's fault.
    """
    results = {}
    for count, title in ((1, "one, healthy"), (NODES, "three, one of them faulty")):
        with create_trial_directory("nodes", lambda path: click.echo(f"data: {path}")) as directory:
            results[title] = run_to_end(
                run_orders(directory.path, orders, nodes=count, rate=rate, turn_s=turn_s, seed=seed)
            )
            directory.is_disposable = not results[title].violations
    _print_report(results)
    report_violations([str(each) for result in results.values() for each in result.violations])


def _print_report(results: Mapping[str, NodesResult]) -> None:
    console = Console()
    if not console.is_terminal:
        console.width = 100
    table = Table("nodes", "confirmed", "failed", "more than one attempt", "p50 ms", "p99 ms")
    for title, each in results.items():
        counts = (each.ends["confirmed"], each.ends["failed"], each.repeated)
        table.add_row(title, *(f"{n:,}" for n in counts), *_format_quantiles(each.seconds))
    console.print(table)
    faults = Table("while a node is", "confirmed", "p50 ms", "p99 ms")
    for each in results.values():
        for fault, seconds in each.seconds_by_fault.items():
            faults.add_row(fault, f"{len(seconds):,}", *_format_quantiles(seconds))
    console.print(faults)


def _format_quantiles(seconds: Sequence[float]) -> list[str]:
    """The median and the 99th percentile, in milliseconds."""
    return [f"{1_000 * percentile(seconds or [0.0], share):.0f}" for share in (0.5, 0.99)]

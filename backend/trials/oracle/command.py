"""``order-engine oracle``: the command line of the trial."""

from __future__ import annotations

import sys

import aiohttp
import click
from rich.console import Console
from rich.table import Table

from backend.runtime import observe
from backend.trials.data_dir import create_trial_directory
from backend.trials.oracle.comparison import OracleResult
from backend.trials.oracle.run import OraclePlan, OracleRun
from backend.trials.oracle.system import run_system
from backend.trials.trial_command import run_to_end

DIFFERENCES_SHOWN = 10


@click.command()
@click.option("--orders", type=click.IntRange(min=12), default=10_000, show_default=True)
@click.option(
    "--steps",
    type=click.IntRange(min=12),
    default=200,
    show_default=True,
    help="Slots of the path of prices.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of orders and prices.")
@click.option(
    "--restarts",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    help="How often another watcher takes over.",
)
def oracle(orders: int, steps: int, seed: int, restarts: int) -> None:
    """Compare when waiting orders are released with a brute-force replay of the prices.

    For each order they agree whether its price is met, by the pools that it may use, and within a
    slot when; sniper orders are released once a pool is open that passes, and slices of TWAP orders
    come at their times and add up.
    """
    observe.configure_logging("error", "console")
    result = run_to_end(_run(OraclePlan(orders, steps, seed, restarts)))
    _print_report(result)
    if result.differences:
        sys.exit(1)


async def _run(plan: OraclePlan) -> OracleResult:
    with create_trial_directory("oracle", lambda path: click.echo(f"data: {path}")) as directory:
        async with (
            run_system(directory.path, plan.seed) as (settings, api_url),
            aiohttp.ClientSession() as session,
        ):
            result = await OracleRun(plan, settings, api_url, session).run()
        directory.is_disposable = not result.differences
        return result


def _print_report(result: OracleResult) -> None:
    console = Console()
    if not console.is_terminal:
        console.width = 100
    columns = ("type", "orders", "of some pools only", "released")
    table = Table(*columns, "as in the replay: in its very slot, or in neither")
    counters = (result.orders, result.restricted, result.released, result.exact)
    for kind in sorted(result.orders):
        table.add_row(kind, *(str(counter[kind]) for counter in counters))
    table.add_row("all", *(str(counter.total()) for counter in counters))
    console.print(table)
    for difference in result.differences[:DIFFERENCES_SHOWN]:
        console.print(f"DIFFERENCE: {difference}", highlight=False, markup=False)
    verdict = f"{len(result.differences)} differences" if result.differences else "ok"
    console.print(f"{result.readings:,} prices replayed: {verdict}", highlight=False)

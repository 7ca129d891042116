"""``order-engine fuzz``: the command line of the trial."""

from __future__ import annotations

import sys
from time import monotonic

import aiohttp
import click
from rich.console import Console
from rich.table import Table

from backend.runtime import observe
from backend.trials.data_dir import create_trial_directory
from backend.trials.fuzz.run import FuzzResult, FuzzRun
from backend.trials.fuzz.system import find_logged_errors, run_engine
from backend.trials.trial_command import run_to_end

VIOLATIONS_SHOWN = 10


@click.command()
@click.option("--requests", type=click.IntRange(min=1), default=100_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the requests.")
def fuzz(requests: int, seed: int) -> None:
    """Send odd requests to the API's addresses of orders, which must refuse each with a reason.

    No answer is an internal error, every problem names a code and the fields that are wrong,
    nothing is logged as an error, and exactly what was accepted is stored.
    """
    observe.configure_logging("error", "console")
    started = monotonic()
    result = run_to_end(_run(requests, seed))
    _print_report(result, requests, monotonic() - started)
    if result.violations:
        sys.exit(1)


async def _run(requests: int, seed: int) -> FuzzResult:
    with create_trial_directory("fuzz", lambda path: click.echo(f"data: {path}")) as directory:
        async with (
            run_engine(directory.path, seed) as url,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
        ):
            result = await FuzzRun(url, session, seed).run(requests)
        result.violations += find_logged_errors(directory.path)
        directory.is_disposable = not result.violations
        return result


def _print_report(result: FuzzResult, requests: int, took_s: float) -> None:
    console = Console()
    if not console.is_terminal:
        console.width = 120
    table = Table("status", "answers", title=f"{requests:,} odd requests in {took_s:.0f} s")
    for status, count in sorted(result.statuses.items()):
        table.add_row(status, f"{count:,}")
    console.print(table)
    for violation in result.violations[:VIOLATIONS_SHOWN]:
        console.print(f"VIOLATION: {violation}", highlight=False, markup=False)
    accepted = f"{len(result.accepted):,} orders accepted and stored"
    verdict = f"{len(result.violations)} violations" if result.violations else "ok"
    console.print(f"{accepted}: {verdict}", highlight=False)

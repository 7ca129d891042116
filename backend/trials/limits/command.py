"""``order-engine overlimit``: the command line of the trial."""

from __future__ import annotations

import click

from backend.runtime import observe
from backend.trials.limits.cases import CASES
from backend.trials.limits.run import run_trial
from backend.trials.trial_command import report_violations, run_to_end


@click.command()
@click.option("--orders", type=click.IntRange(min=2), default=1_000, show_default=True)
@click.option("--connections", type=click.IntRange(min=2), default=50, show_default=True)
@click.option("--limit", "names", multiple=True, type=click.Choice(list(CASES)))
@click.option("--kills", is_flag=True, help="Kill -9 the servers in turn, once a second.")
def overlimit(orders: int, connections: int, names: tuple[str, ...], *, kills: bool) -> None:
    """Place many orders at once on two servers against each limit: none may be exceeded."""
    observe.configure_logging("error", "console")
    figures = run_to_end(run_trial(names or tuple(CASES), orders, connections, kills=kills))
    for name, each in figures.items():
        click.echo(f"{name} ({each.case.name} = {each.case.value})")
        click.echo(f"  answers: {dict(each.answers)}")
        click.echo(f"  ended:   {dict(each.ended)}")
        click.echo(f"  taken:   {each.taken:g} of {each.case.bound:g}")
        if each.counted:
            click.echo(f"  volume:  {each.counted:g} counted, {each.summed:g} in rows")
    report_violations([fault for each in figures.values() for fault in each.list_violations()])

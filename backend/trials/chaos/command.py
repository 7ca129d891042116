"""``order-engine chaos``: the command line of the chaos run."""

from __future__ import annotations

import sys

import click

from backend.runtime import observe
from backend.simulator.options import POOL_SETS
from backend.trials.chaos.report import ChaosReport
from backend.trials.chaos.run import run_chaos
from backend.trials.chaos.scenarios import SCENARIOS
from backend.trials.chaos.schedule import plan_turns
from backend.trials.chaos.timing import MACHINE_S
from backend.trials.trial_command import run_to_end


def parse_part(_ctx: click.Context, _parameter: click.Parameter, value: str) -> tuple[int, int]:
    """Parse ``k/n``, the k-th of n parts. Raises ``BadParameter`` unless 1 <= k <= n."""
    number, _, parts = value.partition("/")
    if not (number.isdecimal() and parts.isdecimal() and 1 <= int(number) <= int(parts)):
        raise click.BadParameter(f"{value!r} is no part: write 2/3 for the second of three")
    return int(number), int(parts)


@click.command()
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the schedule.")
@click.option("--orders", type=int, help="Orders of the whole run, spread evenly.")
@click.option("--minutes", type=float, help="Duration; without it, each scenario runs once.")
@click.option(
    "--scenario",
    "names",
    multiple=True,
    type=click.Choice(list(SCENARIOS)),
    help="Run only these scenarios.",
)
@click.option(
    "--machine-s",
    type=click.FloatRange(min=0),
    default=MACHINE_S,
    show_default=True,
    help="Seconds that a busy machine may add to a recovery.",
)
@click.option(
    "--part",
    metavar="K/N",
    default="1/1",
    callback=parse_part,
    help="Run only this share of the turns, as 2/3: parts run side by side take less time.",
)
@click.option(
    "--pools",
    type=click.Choice(POOL_SETS),
    default=POOL_SETS[0],
    help="Two deep pools of each pair, or many shallow ones: then orders are split.",
)
@click.option("--list", "is_list", is_flag=True, help="List the scenarios.")
@click.option("--show-schedule", is_flag=True, help="Show the schedule of faults.")
def chaos(
    seed: int,
    orders: int | None,
    minutes: float | None,
    names: tuple[str, ...],
    machine_s: float,
    part: tuple[int, int],
    pools: str,
    **shown: bool,
) -> None:
    """Inject faults while orders run, and audit the outcome of every order."""
    report = ChaosReport(machine_s)
    turns = plan_turns(seed, names or tuple(SCENARIOS), orders=orders, minutes=minutes)
    number, parts = part
    turns = turns[number - 1 :: parts]
    if shown["is_list"]:
        report.print_scenarios()
    elif shown["show_schedule"]:
        report.print_schedule(turns)
    else:
        observe.configure_logging("error", "console")
        has_passed = run_to_end(run_chaos(seed, turns, report, machine_s, pools))
        if not has_passed:
            sys.exit(1)

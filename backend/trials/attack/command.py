"""``order-engine attack``: the command line of the trial."""

from __future__ import annotations

import sys

import click

from backend.runtime import observe
from backend.trials.attack.attackers import ATTACKS
from backend.trials.attack.report import print_report
from backend.trials.attack.run import Attacks, Limits, run_trial
from backend.trials.trial_command import run_to_end


@click.command()
@click.option(
    "--minutes",
    type=click.FloatRange(min=0.05),
    default=5.0,
    show_default=True,
    help="Duration of the attack.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=1),
    default=100.0,
    show_default=True,
    help="Orders a second of the client that behaves.",
)
@click.option(
    "--descriptors",
    type=click.IntRange(min=256),
    default=1_024,
    show_default=True,
    help="Limit on the descriptors of the API process.",
)
@click.option(
    "--pace",
    type=click.FloatRange(min=0.01),
    default=1.0,
    show_default=True,
    help="Multiplies the attacks a second.",
)
@click.option(
    "--attack",
    "names",
    multiple=True,
    type=click.Choice(list(ATTACKS)),
    help="Only this kind of attack, or these.",
)
@click.option(
    "--warm-up-s",
    type=click.FloatRange(min=0),
    default=20.0,
    show_default=True,
    help="Seconds of orders before what is measured.",
)
@click.option(
    "--machine-ms",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="Milliseconds that a busy machine may add to the client's p99.",
)
def attack(
    minutes: float,
    rate: float,
    descriptors: int,
    pace: float,
    names: tuple[str, ...],
    warm_up_s: float,
    machine_ms: float,
) -> None:
    """Attack an engine beside a client that behaves, and must not notice it.

    The client sees no error, its p99 at most doubles, and the memory comes back to within 20 %.
    """
    observe.configure_logging("error", "console")
    attacks = Attacks(names or tuple(ATTACKS), pace)
    limits = Limits(latency_factor=2.0, machine_s=machine_ms / 1_000, memory_factor=1.2)
    figures = run_to_end(
        run_trial(minutes, rate, descriptors, attacks, limits, warm_up_s=warm_up_s)
    )
    violations = figures.list_violations(limits)
    print_report(figures, violations)
    if violations:
        sys.exit(1)

"""The schedule: the scenarios in order, their orders, and the time of every fault.

It is derived from a seed before any process is started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from backend.trials.chaos.fault_kinds import Fault, FaultRandom
from backend.trials.chaos.scenarios import SCENARIOS, Scenario

SHORT_ORDERS: Final = 80
"""Orders of a turn by default."""
POST_S: Final = 3.0
"""How long a turn of the short run posts its orders."""
LONG_POST_S: Final = 6.0
LONG_TURN_S: Final = 11.0
"""The approximate duration of a turn of a long run."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One run of the scenario ``name``."""

    number: int
    name: str
    scenario: Scenario
    orders: int
    post_s: float
    faults: tuple[Fault, ...]


def plan_turns(
    seed: int,
    scenarios: Sequence[str],
    *,
    orders: int | None = None,
    minutes: float | None = None,
) -> list[Turn]:
    """Plan the turns of a run: each scenario once, or shuffled rounds for ``minutes``.

    ``orders`` are distributed evenly; a scenario gets at least its ``orders_min``.
    """
    names = list(scenarios)
    post_s = POST_S
    if minutes is not None:
        post_s = LONG_POST_S
        shuffle = Random(f"{seed} order")  # noqa: S311 - a repeatable choice, not a secret
        rounds = max(1, round(minutes * 60 / LONG_TURN_S / len(names)))
        names = [n for _ in range(rounds) for n in shuffle.sample(scenarios, len(scenarios))]
    share = SHORT_ORDERS if orders is None else max(1, orders // len(names))
    turns = []
    for number, name in enumerate(names, start=1):
        scenario = SCENARIOS[name]
        random = Random(f"{seed} {number} {name}")  # noqa: S311
        faults = sorted(
            scenario.generate_faults(FaultRandom(random, post_s)), key=lambda fault: fault.at_s
        )
        order_count = _count_orders(scenario, share)
        turns.append(Turn(number, name, scenario, order_count, post_s, tuple(faults)))
    return turns


def _count_orders(scenario: Scenario, share: int) -> int:
    """The orders of a turn; those of pairs are an even number."""
    count = max(share, scenario.orders_min)
    return count + count % 2 if scenario.has_pairs else count

"""The schedule: which scenario is played when, with how many orders, and what is broken at which
moment. All of it follows from a seed, before anything is started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from backend.trials.chaos.faults import Draw, Stroke
from backend.trials.chaos.scenarios import SCENARIOS

SHORT_ORDERS: Final = 80
"""Orders of a turn when nobody says how many."""
POST_S: Final = 3.0
"""How long the orders of a turn of the short run are being posted."""
LONG_POST_S: Final = 6.0
LONG_TURN_S: Final = 11.0
"""How long a turn of a long run takes, about."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One play of a scenario. ``is_burst`` posts all orders at once, in one batch."""

    number: int
    scenario: str
    orders: int
    post_s: float
    strokes: tuple[Stroke, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    is_burst: bool = False


def plan(
    seed: int,
    scenarios: Sequence[str],
    *,
    orders: int | None = None,
    minutes: float | None = None,
) -> list[Turn]:
    """The turns of a run: each scenario once, or again and again, shuffled, for ``minutes``.

    ``orders`` are shared out evenly; scenarios that need many take at least what they need.
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
        strokes = sorted(scenario.strokes(Draw(random, post_s)), key=lambda s: s.at_s)
        turns.append(
            Turn(
                number,
                name,
                max(share, scenario.orders_min),
                post_s,
                tuple(strokes),
                scenario.settings,
                scenario.is_burst,
            )
        )
    return turns

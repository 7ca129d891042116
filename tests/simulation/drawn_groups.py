"""Draws which orders of a schedule are in groups, and which have brackets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Final

from backend.domain.conditions import Stop, TakeProfit
from backend.domain.groups.brackets import Bracket, BracketLeg
from backend.domain.prices import PriceOf, PriceRatio

PRICE: Final = PriceRatio(2, 1)
"""That of the model's pool: whatever waits for it, the schedule decides when it is met."""
BRACKET: Final = Bracket(
    BracketLeg(TakeProfit(PRICE), PriceOf.TOKEN_IN, 50),
    BracketLeg(Stop(PRICE), PriceOf.TOKEN_IN, 50),
)


def draw_pairs(random: Random, waiting: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Of most schedules in which orders wait, these are in groups of two."""
    if random.random() < 0.7:
        yield from zip(waiting[::2], waiting[1::2], strict=False)


def draw_brackets(random: Random, orders: int) -> Iterator[tuple[int, Bracket]]:
    """Of every fourth schedule, most orders have a bracket."""
    if random.random() < 1 / 4:
        for order in range(orders):
            if random.random() < 0.7:
                yield order, random.choice((BRACKET, replace(BRACKET, stop=None)))

"""What an order waits for, as the replay understands it: written from the documents alone.

Prices are base units of the token out for one of the token in, what the best pool pays for the
whole amount.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

BPS = 10_000


class Sense(StrEnum):
    """Which prices meet an order."""

    RISING = "rising"
    """Those at its price or above."""
    FALLING = "falling"
    """Those at its price or below."""
    TRAILING = "trailing"
    """Those so far below the highest that it has seen."""


class Rule(NamedTuple):
    """``reads`` slots in a row must meet it. A read counts for ``RISING`` within ``cap_bps`` only.

    ``price`` of a trailing stop is its activation price, ``None`` if it follows from the start.
    """

    sense: Sense
    price: Fraction | None
    reads: int = 1
    trail_bps: int = 0
    cap_bps: int = BPS


class Reading(NamedTuple):
    """The executable price of one order in one step; ``None`` if no pool takes its amount."""

    step: int
    price: Fraction | None


def find_met_step(
    rule: Rule, readings: Iterable[Reading], restarts: Collection[int] = ()
) -> int | None:
    """The step in which the order is released, ``None`` if it waits to the end.

    After each of the steps ``restarts`` another watcher takes over, which reads that step again and
    counts the reads anew; the highest price survives.
    """
    reads = 0
    highest: Fraction | None = None
    for step, price in readings:
        if price is not None and _is_followed(rule, price, highest):
            highest = price if highest is None else max(highest, price)
        is_met = price is not None and _is_met(rule, price, highest)
        reads = reads + 1 if is_met else 0
        if reads >= rule.reads:
            return step
        if step in restarts:
            reads = int(is_met)
    return None


def _is_followed(rule: Rule, price: Fraction, highest: Fraction | None) -> bool:
    if rule.sense is not Sense.TRAILING:
        return False
    return highest is not None or rule.price is None or price >= rule.price


def _is_met(rule: Rule, price: Fraction, highest: Fraction | None) -> bool:
    match rule.sense:
        case Sense.RISING:
            return rule.price is not None and price >= rule.price
        case Sense.FALLING:
            return rule.price is not None and price <= rule.price
        case Sense.TRAILING:
            return highest is not None and price * BPS <= highest * (BPS - rule.trail_bps)

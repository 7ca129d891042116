"""Brackets: a take-profit and a stop, placed for what an entry receives."""

from __future__ import annotations

from dataclasses import dataclass

from backend.domain.conditions import Condition
from backend.domain.prices import PriceOf


@dataclass(frozen=True, slots=True)
class BracketLeg:
    """What sells what the entry receives.

    The prices of its ``condition`` are the entry's token in for one of its token out.
    """

    condition: Condition
    price_of: PriceOf
    slippage_bps: int


@dataclass(frozen=True, slots=True)
class Bracket:
    """The orders to place once an entry is filled, of which at most one is executed."""

    take_profit: BracketLeg | None = None
    stop: BracketLeg | None = None

    def __post_init__(self) -> None:
        assert self.take_profit is not None or self.stop is not None

    @property
    def legs(self) -> tuple[BracketLeg, ...]:
        """One or both: the take-profit first."""
        return tuple(leg for leg in (self.take_profit, self.stop) if leg is not None)

"""The split of an order: a part of its amount for each of several pools, quoted exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from backend.domain.quotes import Quote
from backend.venues.venue import Pool


class SplitPart(NamedTuple):
    """A pool, and its exact quote of its part of the amount."""

    pool: Pool
    quote: Quote


@dataclass(frozen=True, slots=True)
class Split:
    """Parts of different pools that add up to the amount of an order, the largest first."""

    parts: tuple[SplitPart, ...]

    @property
    def amount_in(self) -> int:
        """What all parts take together, in base units."""
        return sum(part.quote.amount_in for part in self.parts)

    @property
    def amount_out(self) -> int:
        """What all parts pay together, in base units."""
        return sum(part.quote.amount_out for part in self.parts)

    def compute_value(self, leg_cost: int) -> int:
        """What it pays less the cost of each leg but the first."""
        return self.amount_out - leg_cost * (len(self.parts) - 1)

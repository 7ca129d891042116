"""Peaks: pools as they paid more than before, and what their payments bound.

What one base unit in costs in a pool with a flat fee, amount in / amount out, is linear in the
amount: a pool that pays at both ends of a range of amounts more than (1 - trail) of what a peak
paid does so in between, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from backend.domain.amounts import BPS


@dataclass(frozen=True, slots=True)
class Payment:
    """What a pool pays for an amount, and how much more it might pay without rounding, at most.

    ``remainder`` is ``None`` where that has no bound.
    """

    amount_out: int
    remainder: int | None


class Payer(Protocol):
    """What pays for amounts."""

    def pay(self, amount_in: int, /) -> Payment | None:
        """What it pays for an amount; ``None`` if it does not swap it."""
        ...


class PeakPool(Payer, Protocol):
    """A pool as it was in one slot, in one direction of trade."""

    @property
    def slot(self) -> int:
        """The slot that it was read in."""
        ...

    def pays_at_least(self, other: PeakPool) -> bool:
        """Whether it certainly pays what ``other`` pays for every amount, or more."""
        ...


@dataclass(slots=True)
class Peak:
    """A pool as it paid more than before for some amount; ``number`` is its place in time."""

    number: int
    pool: PeakPool
    _payments: dict[int, Payment | None] = field(default_factory=dict)

    def pay(self, amount: int) -> Payment | None:
        """What the pool paid for an end of a range of amounts."""
        if amount not in self._payments:
            self._payments[amount] = self.pool.pay(amount)
        return self._payments[amount]


def find_trail(
    pools: Sequence[Payer], seen: Sequence[Peak], low_amount: int, high_amount: int
) -> int:
    """The greatest trail, in basis points, that a price of these pools may have met, at least 0.

    It holds for every amount of a range; ``BPS`` where nothing is known.
    """
    offers = [
        _Offer(low.amount_out, high.amount_out, 2 * high.remainder)
        for low, high in ((pool.pay(low_amount), pool.pay(high_amount)) for pool in pools)
        if low is not None and high is not None and high.remainder is not None
    ]
    least = BPS
    for peak in seen:
        low, high = peak.pay(low_amount), peak.pay(high_amount)
        if low is None or high is None or low.remainder is None or high.remainder is None:
            return BPS
        ends = (low.amount_out + low.remainder, high.amount_out + high.remainder)
        least = min(least, max((offer.find_share(*ends) for offer in offers), default=0))
    return max(BPS - least, 0)


class _Offer(NamedTuple):
    """What a pool pays at both ends of a range of amounts.

    ``margin`` is more than rounding takes from any amount of the range.
    """

    low: int
    high: int
    margin: int

    def find_share(self, peak_low: int, peak_high: int) -> int:
        """The basis points of what a peak paid that every amount of the range certainly exceeds.

        A pool that pays r of another at both ends pays r of it in between, apart from rounding,
        which takes at most its share of what the least amount is paid.
        """
        if self.low <= self.margin:
            return 0
        kept = BPS * (self.low - self.margin)
        return min(
            self.low * kept // (peak_low * self.low), self.high * kept // (peak_high * self.low)
        )

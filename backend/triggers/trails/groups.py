"""Trailing stops that have seen the same peaks: those of similar amounts are judged together."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import UUID

from backend.domain.amounts import U64_MAX
from backend.triggers.peaks import Peak, PeakPool, find_trail

_SIZE_BITS: Final = 4
"""Amounts whose number of binary digits shares all but the last four bits are judged together."""


@dataclass(slots=True)
class SizeRange:
    """The orders of a group whose amounts are judged together, by their trail."""

    low: int = U64_MAX
    high: int = 0
    entries: list[tuple[int, UUID]] = field(default_factory=list)

    def add(self, amount: int, entries: Sequence[tuple[int, UUID]]) -> None:
        """Add orders of the least amount ``amount``, with their trails."""
        self.low, self.high = min(self.low, amount), max(self.high, amount)
        if len(entries) == 1:
            insort(self.entries, entries[0])
        else:
            self.entries = sorted([*self.entries, *entries])


class Span(NamedTuple):
    """The amounts of several ranges, and the least trail of their orders."""

    low: int
    high: int
    least_trail_bps: int

    def merge(self, other: Span) -> Span:
        """The span of both."""
        least = min(self.least_trail_bps, other.least_trail_bps)
        return Span(min(self.low, other.low), max(self.high, other.high), least)

    def may_be_met(self, pools: Sequence[PeakPool], seen: Sequence[Peak]) -> bool:
        """Whether these pools may meet an order of the span that has seen some peaks."""
        return find_trail(pools, seen, self.low, self.high) >= self.least_trail_bps


@dataclass(slots=True)
class PeakGroup:
    """The orders that have seen the same peaks: those with a number above ``since``."""

    since: int
    ranges: dict[int, SizeRange] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(len(each.entries) for each in self.ranges.values())

    def merge(self, other: PeakGroup) -> None:
        """Take in the orders of another group, which have seen the same peaks."""
        for key, each in other.ranges.items():
            own = self.ranges.setdefault(key, SizeRange())
            own.add(each.low, each.entries)
            own.high = max(own.high, each.high)


def find_range(amount: int) -> int:
    """The range of a group in which an amount is."""
    return amount.bit_length() >> _SIZE_BITS

"""The high-water marks of the trailing stops of one pair in one direction, raised all at once.

A trailing stop follows the highest executable price of its own size. While prices rise, every such
price rises in every slot, so the marks are not stored as numbers: the pools of the markets with the
highest prices, the *peaks*, are, and a mark is computed from the peaks that its order has seen. A
market that pays no amount more than a peak adds none; one that pays every amount at least as much
as a peak replaces it. So there are one or two peaks a pool for any number of orders.

Which of the orders may be met is decided for all amounts at once, by the least trail that no price
can have met. Where no such bound is known, every order is looked at.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import UUID

from backend.domain.amounts import U64_MAX
from backend.domain.prices import PriceRatio
from backend.triggers.peaks import Peak, PeakPool, find_trail

PEAKS_MAX: Final = 64
_SIZE_BITS: Final = 4
"""Amounts whose number of binary digits shares all but the last four bits are judged together."""


@dataclass(slots=True)
class _Range:
    """The orders of a group whose amounts are judged together, by their trail."""

    low: int = U64_MAX
    high: int = 0
    entries: list[tuple[int, UUID]] = field(default_factory=list)

    def add(self, amount: int, entries: Sequence[tuple[int, UUID]]) -> None:
        self.low, self.high = min(self.low, amount), max(self.high, amount)
        if len(entries) == 1:
            insort(self.entries, entries[0])
        else:
            self.entries = sorted([*self.entries, *entries])


class _Span(NamedTuple):
    """The amounts of several ranges, and the least trail of their orders."""

    low: int
    high: int
    least_trail_bps: int


@dataclass(slots=True)
class _Group:
    """The orders that have seen the same peaks: those with a number above ``since``."""

    since: int
    ranges: dict[int, _Range] = field(default_factory=dict)

    def merge(self, other: _Group) -> None:
        for key, each in other.ranges.items():
            own = self.ranges.setdefault(key, _Range())
            own.add(each.low, each.entries)
            own.high = max(own.high, each.high)


class TrailingOrders:
    """The trailing stops that follow a price, and the peaks that they have seen."""

    def __init__(self, peaks_max: int = PEAKS_MAX) -> None:
        self._peaks_max = peaks_max
        self._groups: list[_Group] = []
        self._places: dict[UUID, tuple[int, int, int]] = {}
        """The amount, the trail and the number of the last peak when the order joined."""
        self._last = 0
        self.peaks: list[Peak] = []

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, order_id: UUID) -> bool:
        return order_id in self._places

    def restore(self, pools: Sequence[PeakPool]) -> None:
        """Start from the peaks of another process, in their order, before any order joins."""
        self.peaks = [Peak(i, pool) for i, pool in enumerate(pools, 1)]
        self._last = len(self.peaks)

    def join(
        self, order_id: UUID, amount: int, trail_bps: int, *, mark_slot: int | None = None
    ) -> None:
        """Follow the markets from now on, or since the market of a slot.

        What came before is in the mark of the order itself.
        """
        since = self._last
        if mark_slot is not None:
            later = (peak.number for peak in self.peaks if peak.pool.slot > mark_slot)
            since = next(later, since + 1) - 1
        at = self._find_group(since)
        if at < 0 or self._has_peak(self._groups[at].since, since):
            at += 1
            self._groups.insert(at, _Group(since))
        key = _find_range(amount)
        self._groups[at].ranges.setdefault(key, _Range()).add(amount, [(trail_bps, order_id)])
        self._places[order_id] = amount, trail_bps, since

    def leave(self, order_id: UUID) -> None:
        """Forget an order, if it is here."""
        if order_id not in self._places:
            return
        amount, trail_bps, joined = self._places.pop(order_id)
        key = _find_range(amount)
        group = self._groups[self._find_group(joined)]
        entries = group.ranges[key].entries
        del entries[bisect_left(entries, (trail_bps, order_id))]
        if not entries:
            del group.ranges[key]
            if not group.ranges:
                self._groups.remove(group)
        if not self._places:
            self.peaks.clear()

    def raise_mark(self, order_id: UUID, mark: PriceRatio | None) -> PriceRatio | None:
        """The highest of an order's own mark and what the peaks paid that it has seen."""
        amount, _, joined = self._places[order_id]
        for peak in self.peaks:
            if peak.number > joined and (payment := peak.pool.pay(amount)) is not None:
                price = PriceRatio(payment.amount_out, amount)
                mark = price if mark is None or price > mark else mark
        return mark

    def find_candidates(self, pools: Sequence[PeakPool] | None) -> Iterator[UUID]:
        """The orders that a market of these pools may meet by the peaks that they have seen.

        Without pools, for a market that has no bounds, all orders.
        """
        if pools is None:
            for group in self._groups:
                for each in group.ranges.values():
                    yield from (order_id for _, order_id in each.entries)
            return
        above = [
            # What pays at least as much now as then is met by no trail.
            peak
            for peak in self.peaks
            if not any(pool.pays_at_least(peak.pool) for pool in pools)
        ]
        near = self._find_near(pools, above)
        for group in self._groups if near else ():
            seen = [peak for peak in above if peak.number > group.since]
            for key in near & group.ranges.keys() if seen else ():
                each = group.ranges[key]
                trail_bps = find_trail(pools, seen, each.low, each.high)
                at = bisect_right(each.entries, trail_bps, key=lambda entry: entry[0])
                yield from (order_id for _, order_id in each.entries[:at])

    def _find_near(self, pools: Sequence[PeakPool], above: Sequence[Peak]) -> set[int]:
        """The ranges in which an order may be met that has seen all of these peaks.

        In most slots there are none: so nothing is computed for each group.
        """
        if not above:
            return set()
        return {
            key
            for key, each in self._merge_ranges().items()
            if find_trail(pools, above, each.low, each.high) >= each.least_trail_bps
        }

    def _merge_ranges(self) -> dict[int, _Span]:
        """The ranges of all groups, each as wide as the widest of its orders."""
        merged: dict[int, _Span] = {}
        for group in self._groups:
            for key, each in group.ranges.items():
                least = each.entries[0][0]
                span = merged.get(key)
                merged[key] = (
                    _Span(each.low, each.high, least)
                    if span is None
                    else _Span(min(span[0], each.low), max(span[1], each.high), min(span[2], least))
                )
        return merged

    def add_market(self, pools: Sequence[PeakPool]) -> bool:
        """Remember what pays any order more than before; returns whether the peaks changed."""
        if not self._groups:
            return False
        newest = self._groups[-1].since
        seen = [peak for peak in self.peaks if peak.number > newest]
        market = (Peak(self._last + 1 + i, pool) for i, pool in enumerate(pools))
        spans = self._merge_ranges().values()
        added = [each for each in market if not any(_covers(peak, each, spans) for peak in seen)]
        if not added:
            return False
        kept = [
            peak for peak in self.peaks if not any(_covers(each, peak, spans) for each in added)
        ]
        has_lost = len(kept) < len(self.peaks)
        self.peaks = [*kept, *added]
        self._last = added[-1].number
        if has_lost:
            self._merge_groups()
        return True

    def list_excess(self) -> list[UUID]:
        """The orders whose marks have to be stored as numbers, so that peaks can be forgotten.

        None while there are few peaks. The newest are chosen first: their peaks are lower.
        """
        if len(self.peaks) <= self._peaks_max:
            return []
        newest = self._groups[1:] or self._groups
        return [
            order_id
            for group in newest
            for each in group.ranges.values()
            for _, order_id in each.entries
        ]

    def forget_peaks(self) -> None:
        """Forget the peaks that no order has seen, or that pay less than an earlier one."""
        if not self._groups:
            self.peaks.clear()
            return
        oldest = self._groups[0].since
        newest, spans = self._groups[-1].since, self._merge_ranges().values()
        kept: list[Peak] = []
        for peak in self.peaks:
            is_lower = any(each.number > newest and _covers(each, peak, spans) for each in kept)
            if peak.number > oldest and not is_lower:
                kept.append(peak)
        self.peaks = kept
        self._merge_groups()

    def _find_group(self, joined: int) -> int:
        """The place of the group of an order: the last that began no later than it joined."""
        return bisect_right(self._groups, joined, key=lambda group: group.since) - 1

    def _has_peak(self, since: int, until: int) -> bool:
        """Whether one group has seen a peak that another has not: else they are the same.

        A group of orders that joined at several times must not be divided: none would be found.
        """
        return any(since < peak.number <= until for peak in self.peaks)

    def _merge_groups(self) -> None:
        """Merge the groups between which no peak is left."""
        numbers = [peak.number for peak in self.peaks]
        merged: list[_Group] = []
        for group in self._groups:
            last = merged[-1] if merged else None
            if last is not None and bisect_right(numbers, last.since) == bisect_right(
                numbers, group.since
            ):
                if _count(last) < _count(group):
                    group.merge(last)
                    last.ranges = group.ranges
                else:
                    last.merge(group)
            else:
                merged.append(group)
        self._groups = merged


def _covers(peak: Peak, other: Peak, spans: Iterable[_Span]) -> bool:
    """Whether a peak pays every amount of some spans what another pays, or more."""
    return peak.pool.pays_at_least(other.pool) or all(
        find_trail([peak], [other], each.low, each.high) == 0 for each in spans
    )


def _count(group: _Group) -> int:
    return sum(len(each.entries) for each in group.ranges.values())


def _find_range(amount: int) -> int:
    return amount.bit_length() >> _SIZE_BITS

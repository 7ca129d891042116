"""The high-water marks of the trailing stops of one pair in one direction, raised all at once.

A trailing stop follows the highest executable price of its own size. While prices rise, every such
price rises in every slot, so the marks are not stored as numbers: the pools of the markets with the
highest prices, the *peaks*, are, and a mark is computed from the peaks that its order has seen. A
market that pays no order more than its mark adds none; one that pays every amount at least as much
as a peak replaces it. So there are one or two peaks a pool for any number of orders.

Which of the orders may be met is decided for all amounts at once, by the least trail that no price
can have met. Where no such bound is known, every order is looked at.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from typing import Final
from uuid import UUID

from backend.domain.prices import PriceRatio
from backend.triggers.peaks import Peak, PeakPool, find_trail
from backend.triggers.trails.groups import PeakGroup, SizeRange, Span, find_range

PEAKS_MAX: Final = 64


class TrailingOrders:
    """The trailing stops that follow a price, and the peaks that they have seen."""

    def __init__(self, peaks_max: int = PEAKS_MAX) -> None:
        self._peaks_max = peaks_max
        self._groups: list[PeakGroup] = []
        self._places: dict[UUID, tuple[int, int, int]] = {}
        """The amount, the trail and the number of the last peak when the order joined."""
        self._first = self._last = 0
        """The numbers of the pools of the newest market."""
        self._floor: Sequence[Peak] = ()
        """Pools of a market that pay no order more than its mark, though it need not see them."""
        self._has_joined = False
        """Whether an order has joined since a market was added: the floor may pay it more."""
        self._is_judging = False
        """Whether a market is judged that was not added yet."""
        self._slot = self._joined_slot = self._stored_slot = 0
        """The slots of the newest market, of the newest mark, and of that before the market: other
        processes take no peak of such a slot for later than the mark."""
        self._spans: dict[int, Span] | None = None
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
        """Follow the markets after the newest one, or those since the market of a slot.

        What came before is in the mark of the order itself.
        """
        self._has_joined = True
        self._joined_slot = max(self._joined_slot, self._slot, mark_slot or 0)
        self._spans = None
        since = self._last
        if mark_slot is not None:
            later = (peak.number for peak in self.peaks if peak.pool.slot > mark_slot)
            since = next(later, since + 1) - 1
        at = self._find_group(since)
        if at < 0 or self._is_divided(self._groups[at].since, since):
            at += 1
            self._groups.insert(at, PeakGroup(since))
        key = find_range(amount)
        self._groups[at].ranges.setdefault(key, SizeRange()).add(amount, [(trail_bps, order_id)])
        self._places[order_id] = amount, trail_bps, since

    def leave(self, order_id: UUID) -> None:
        """Forget an order, if it is here."""
        if order_id not in self._places:
            return
        self._spans = None
        amount, trail_bps, joined = self._places.pop(order_id)
        key = find_range(amount)
        group = self._groups[self._find_group(joined)]
        entries = group.ranges[key].entries
        del entries[bisect_left(entries, (trail_bps, order_id))]
        if not entries:
            del group.ranges[key]
            if not group.ranges:
                self._groups.remove(group)
        if not self._places:
            self.peaks.clear()
            self._floor = ()

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
        spans = self._merge_ranges()
        if not above or not spans:
            return set()
        if not reduce(Span.merge, spans.values()).may_be_met(pools, above):
            return set()
        return {key for key, each in spans.items() if each.may_be_met(pools, above)}

    def _merge_ranges(self) -> dict[int, Span]:
        """The ranges of all groups, each as wide as the widest of its orders."""
        if self._spans is None:
            self._spans = {}
            for group in self._groups:
                for key, each in group.ranges.items():
                    span = Span(each.low, each.high, each.entries[0][0])
                    known = self._spans.get(key)
                    self._spans[key] = span if known is None else span.merge(known)
        return self._spans

    def start_market(self, slot: int, pools_count: int) -> None:
        """A market of a slot is judged: who joins from now on has its pools in the own mark."""
        if self._has_joined:  # without a market that all have seen
            self._floor = ()
        self._has_joined, self._is_judging = False, True
        self._slot, self._stored_slot = slot, self._joined_slot
        self._first, self._last = self._last + 1, self._last + pools_count

    def add_market(self, pools: Sequence[PeakPool]) -> bool:
        """Remember what pays any order more than before; returns whether the peaks changed.

        The market is the one that ``start_market`` has told, and the orders that it may have met,
        or that have begun to follow the price by it, have observed it.
        """
        market = [Peak(self._first + i, pool) for i, pool in enumerate(pools)]
        added = self._find_higher(market)
        spans = self._merge_ranges().values()
        kept = [
            peak for peak in self.peaks if not any(_covers(each, peak, spans) for each in added)
        ]
        has_lost = len(kept) < len(self.peaks)
        self.peaks = [*kept, *added]
        self._is_judging = False
        if has_lost or self._has_joined:
            self._merge_groups()
        if self._has_joined:
            is_later = all(each.pool.slot > self._stored_slot for each in added)
            self._floor, self._has_joined = market if is_later else (), False
        return bool(added)

    def _find_higher(self, market: Sequence[Peak]) -> list[Peak]:
        """The pools of a market that pay more than the marks of those who have not observed it.

        More than what another process knows of these marks, too.
        """
        before = [group for group in self._groups if group.since < self._first]
        if not before:
            return []
        newest, spans = before[-1].since, self._merge_ranges().values()
        later = (peak for peak in self.peaks if peak.pool.slot > self._stored_slot)
        known = [*self._floor, *(peak for peak in later if peak.number > newest)]
        return [each for each in market if not any(_covers(peak, each, spans) for peak in known)]

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

    def _is_divided(self, since: int, until: int) -> bool:
        """Whether one group has seen a peak that another has not: else they are the same.

        The market that is judged may become such a peak. A group of orders that joined at several
        times must not be divided: none would be found.
        """
        is_between = self._is_judging and since < self._first <= until
        return is_between or any(since < peak.number <= until for peak in self.peaks)

    def _merge_groups(self) -> None:
        """Merge the groups between which no peak is left."""
        numbers = [peak.number for peak in self.peaks]
        merged: list[PeakGroup] = []
        for group in self._groups:
            last = merged[-1] if merged else None
            if last is not None and bisect_right(numbers, last.since) == bisect_right(
                numbers, group.since
            ):
                if len(last) < len(group):
                    group.merge(last)
                    last.ranges = group.ranges
                else:
                    last.merge(group)
            else:
                merged.append(group)
        self._groups = merged


def _covers(peak: Peak, other: Peak, spans: Iterable[Span]) -> bool:
    """Whether a peak pays every amount of some spans what another pays, or more."""
    return peak.pool.pays_at_least(other.pool) or all(
        find_trail([peak], [other], each.low, each.high) == 0 for each in spans
    )

"""Waiting orders by their size and the price that they wait for.

The executable price falls with the size, so orders of similar size share a *size class*, sorted by
the price that they wait for. A bound of what all of a class can get excludes those beyond it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from typing import Final
from uuid import UUID

from backend.domain.prices import PriceRatio

_PRICE_SHIFT: Final = 128
"""Prices of 64-bit amounts differ by at least 2⁻¹²⁸: scaled by it and rounded down, they stay in
order and apart."""
_ID_BITS: Final = 128
_ID_MASK: Final = 2**_ID_BITS - 1

SizeClass = tuple[int, int]
"""The least and the largest amount of a class."""


class SizeClasses:
    """Orders that wait for a price to rise, or to fall, to what each waits for."""

    def __init__(self, *, is_rising: bool) -> None:
        self._sign = 1 if is_rising else -1
        self._entries: dict[SizeClass, list[int]] = {}
        self._sorted: list[SizeClass] = []
        self._highs: list[int] = []
        self._nearest: list[int] = []
        """Of each class, in their order, the entry that is reached first."""
        self._is_changed = False

    def __len__(self) -> int:
        return sum(map(len, self._entries.values()))

    def add(self, size_class: SizeClass, price: PriceRatio, order_id: UUID) -> None:
        """Add an order of a class that waits for a price."""
        entries = self._entries.get(size_class)
        if entries is None:
            entries = self._entries[size_class] = []
        self._is_changed = True
        insort(entries, self._join(price, order_id))

    def remove(self, size_class: SizeClass, price: PriceRatio, order_id: UUID) -> None:
        """Remove an order that was added so."""
        entries = self._entries[size_class]
        del entries[bisect_left(entries, self._join(price, order_id))]
        if not entries:
            del self._entries[size_class]
        self._is_changed = True

    def find_reached(self, find_bound: Callable[[int, int], PriceRatio]) -> Iterator[UUID]:
        """The orders that the bounds of their classes do not exclude.

        ``find_bound`` bounds the price of all amounts of a range: from above where orders wait for
        a rise, else from below. Halves the classes as long as the bound of all their sizes leaves
        any: so most classes are excluded together.
        """
        if self._is_changed:
            self._sorted = sorted(self._entries)
            self._highs = [high for _, high in self._sorted]
            self._nearest = [self._entries[each][0] for each in self._sorted]
            self._is_changed = False
        classes, highs, nearest = self._sorted, self._highs, self._nearest
        pending = [(0, len(classes))] if classes else []
        while pending:
            start, end = pending.pop()
            bound = self._to_key(find_bound(classes[start][0], max(highs[start:end])))
            last = bound << _ID_BITS | _ID_MASK
            if min(nearest[start:end]) > last:
                continue
            if end - start == 1:
                entries = self._entries[classes[start]]
                for each in entries[: bisect_right(entries, last)]:
                    yield UUID(int=each & _ID_MASK)
            else:
                middle = (start + end) // 2
                pending += [(start, middle), (middle, end)]

    def _to_key(self, price: PriceRatio) -> int:
        return self._sign * ((price.numerator << _PRICE_SHIFT) // price.denominator)

    def _join(self, price: PriceRatio, order_id: UUID) -> int:
        return self._to_key(price) << _ID_BITS | order_id.int


def find_size_class(amount: int, bits: int) -> SizeClass:
    """The amounts that share the leading ``bits`` + 1 binary digits of ``amount``."""
    shift = max(amount.bit_length() - 1 - bits, 0)
    low = amount >> shift << shift
    return low, low + (1 << shift) - 1

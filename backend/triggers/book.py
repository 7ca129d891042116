"""The trigger book: the waiting orders of one pair in one direction, by size and price.

An order is met by the executable price of its own size. That falls with the size, so orders of
similar size share a *size class*, sorted by the price that they wait for: the price of the least
size of a class bounds what all of it can get, the price of its largest what all of it gets at
least. Only orders between these bounds and their own price are quoted one by one. Those whose own
size keeps them from being met move to a narrower class, whose bounds are closer to their price.
The bounds hold whatever the pools' depths are, and for any number of pools.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol
from uuid import UUID

from backend.domain.conditions import (
    INITIAL_STATE,
    Condition,
    ConditionState,
    Limit,
    TakeProfit,
    get_interest,
    is_fresh,
    needs_best_price,
    observe,
)
from backend.domain.prices import PriceRatio
from backend.domain.quotes import Quote

_COARSE_BITS: Final = 0
_FINE_BITS: Final = 5
_PRICE_SHIFT: Final = 128
"""Prices of 64-bit amounts differ by at least 2⁻¹²⁸: scaled by it and rounded down, they stay in
order and apart."""
_ID_BITS: Final = 128
_ID_MASK: Final = 2**_ID_BITS - 1

SizeClass = tuple[int, int]
"""The least and the largest amount of a class."""


class Market(Protocol):
    """What the pools of a pair pay in one direction, as of one slot.

    ``is_complete`` if no pool that may trade is missing: without that, a low price may only be the
    price of the pools that answered.
    """

    @property
    def slot(self) -> int:
        """The slot of the pools; the oldest of them."""
        ...

    @property
    def is_complete(self) -> bool:
        """Whether every pool that may trade was read."""
        ...

    def quote(self, amount_in: int, max_price_impact_bps: int | None = None) -> Quote | None:
        """The best quote within the cap; ``None`` if no pool gives one."""
        ...

    def find_ceiling(self, low: int, high: int) -> PriceRatio:
        """A price that no amount from ``low`` to ``high`` exceeds."""
        ...

    def find_floor(self, low: int, high: int) -> PriceRatio:
        """A price that every amount from ``low`` to ``high`` has at least; 0 if one has none."""
        ...


@dataclass(slots=True)
class WaitingOrder:
    """An order in the book. ``seq`` is that of its row, for the release to compare with."""

    id: UUID
    seq: int
    amount_in: int
    condition: Condition
    state: ConditionState = INITIAL_STATE
    max_price_impact_bps: int | None = None
    size_bits: int = _COARSE_BITS


@dataclass(frozen=True, slots=True)
class MetOrder:
    """An order whose condition is met, and the quote that met it: price, slot and pool."""

    order: WaitingOrder
    quote: Quote


@dataclass(slots=True)
class BookUpdate:
    """What one market did to a book: orders that are met, and those whose high water rose."""

    met: list[MetOrder] = field(default_factory=list)
    raised: list[WaitingOrder] = field(default_factory=list)


class TriggerBook:
    """The waiting orders of one pair in one direction."""

    def __init__(self) -> None:
        self._orders: dict[UUID, WaitingOrder] = {}
        self._rising: dict[SizeClass, list[int]] = {}
        self._falling: dict[SizeClass, list[int]] = {}
        self._unconfirmed: set[UUID] = set()

    def __len__(self) -> int:
        return len(self._orders)

    def __iter__(self) -> Iterator[WaitingOrder]:
        return iter(self._orders.values())

    def find(self, order_id: UUID) -> WaitingOrder | None:
        """The order with this id, ``None`` if it does not wait here."""
        return self._orders.get(order_id)

    def insert(self, order: WaitingOrder) -> None:
        """Insert an order, or replace it: an amended order starts with the state that it brings."""
        self.remove(order.id)
        self._orders[order.id] = order
        self._index(order)

    def remove(self, order_id: UUID) -> WaitingOrder | None:
        """Remove and return an order; ``None`` if it does not wait here."""
        order = self._orders.pop(order_id, None)
        if order is not None:
            self._unindex(order)
        return order

    def find_met(self, market: Market, current_slot: int) -> BookUpdate:
        """Observe a market. Met orders leave the book; a market that is too old changes nothing."""
        update = BookUpdate()
        if not is_fresh(market.slot, current_slot):
            return update
        for order_id in sorted(self._find_candidates(market)):
            order = self._orders[order_id]
            if needs_best_price(order.condition) and not market.is_complete:
                continue
            self._observe(order, market, update)
        return update

    def _observe(self, order: WaitingOrder, market: Market, update: BookUpdate) -> None:
        # A better price is waited for where the order may be executed; of a fall, the best counts.
        is_capped = isinstance(order.condition, Limit | TakeProfit)
        quote = market.quote(order.amount_in, order.max_price_impact_bps if is_capped else None)
        if quote is None:
            return
        price = PriceRatio(quote.amount_out, quote.amount_in)
        observation = observe(order.condition, order.state, price, market.slot)
        self._unindex(order)
        has_risen = observation.state.high_water != order.state.high_water
        order.state = observation.state
        if observation.is_met:
            del self._orders[order.id]
            update.met.append(MetOrder(order, quote))
            return
        order.size_bits = _FINE_BITS
        self._index(order)
        if has_risen:
            update.raised.append(order)

    def _find_candidates(self, market: Market) -> set[UUID]:
        found = set(self._unconfirmed)
        _collect(self._rising, market.find_ceiling, found, _take_low)
        if market.is_complete:
            _collect(self._falling, market.find_floor, found, _take_high)
        return found

    def _list_entries(
        self, order: WaitingOrder
    ) -> Iterable[tuple[dict[SizeClass, list[int]], int]]:
        interest = get_interest(order.condition, order.state)
        if interest.at_least is not None:
            yield self._rising, _to_key(interest.at_least)
        if interest.above is not None:
            yield self._rising, _to_key(interest.above) + 1
        if interest.at_most is not None:
            yield self._falling, _to_key(interest.at_most)

    def _index(self, order: WaitingOrder) -> None:
        size_class = find_size_class(order.amount_in, order.size_bits)
        for classes, key in self._list_entries(order):
            insort(classes.setdefault(size_class, []), _join(key, order.id))
        if order.state.confirmed:
            self._unconfirmed.add(order.id)

    def _unindex(self, order: WaitingOrder) -> None:
        size_class = find_size_class(order.amount_in, order.size_bits)
        for classes, key in self._list_entries(order):
            entries = classes[size_class]
            del entries[bisect_left(entries, _join(key, order.id))]
            if not entries:
                del classes[size_class]
        self._unconfirmed.discard(order.id)


def find_size_class(amount: int, bits: int) -> SizeClass:
    """The amounts that share the leading ``bits`` + 1 binary digits of ``amount``."""
    shift = max(amount.bit_length() - 1 - bits, 0)
    low = amount >> shift << shift
    return low, low + (1 << shift) - 1


def _to_key(price: PriceRatio) -> int:
    return (price.numerator << _PRICE_SHIFT) // price.denominator


def _join(key: int, order_id: UUID) -> int:
    return key << _ID_BITS | order_id.int


def _take_low(entries: list[int], bound: int) -> list[int]:
    return entries[: bisect_right(entries, bound << _ID_BITS | _ID_MASK)]


def _take_high(entries: list[int], bound: int) -> list[int]:
    return entries[bisect_left(entries, bound << _ID_BITS) :]


def _collect(
    classes: dict[SizeClass, list[int]],
    find_bound: Callable[[int, int], PriceRatio],
    found: set[UUID],
    take: Callable[[list[int], int], list[int]],
) -> None:
    """Add the orders that the bounds of their classes do not exclude.

    Halves the classes as long as the bound of all their sizes leaves any: the bounds of a range
    of sizes hold for each of its parts, so most classes are excluded together.
    """
    pending = [sorted(classes)]
    while pending:
        group = pending.pop()
        if not group:
            continue
        bound = _to_key(find_bound(group[0][0], max(high for _, high in group)))
        if len(group) == 1:
            found.update(UUID(int=each & _ID_MASK) for each in take(classes[group[0]], bound))
        elif any(take(classes[each][:1] + classes[each][-1:], bound) for each in group):
            middle = len(group) // 2
            pending += [group[:middle], group[middle:]]

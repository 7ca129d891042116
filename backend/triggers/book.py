"""The trigger book: the waiting orders of one pair in one direction, by size and price.

An order is met by the executable price of its own size. That falls with the size, so orders of
similar size share a *size class*, sorted by the price that they wait for: the price of the least
size of a class bounds what all of it can get, the price of its largest what all of it gets at
least. Only orders between these bounds and their own price are quoted one by one. Those whose own
size keeps them from being met move to a narrower class, whose bounds are closer to their price.
The bounds hold whatever the pools' depths are, and for any number of pools.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol
from uuid import UUID

from backend.domain.conditions import (
    INITIAL_STATE,
    ConditionState,
    Limit,
    PriceCondition,
    TakeProfit,
    TrailingStop,
    get_interest,
    get_trigger,
    is_fresh,
    is_met_by,
    needs_best_price,
    observe,
)
from backend.domain.prices import PriceRatio
from backend.domain.quotes import Quote
from backend.triggers.peaks import PeakPool
from backend.triggers.size_classes import SizeClasses, find_size_class
from backend.triggers.trailing import PEAKS_MAX, TrailingOrders

_COARSE_BITS: Final = 0
_FINE_BITS: Final = 5


class Market(Protocol):
    """What the pools of a pair pay in one direction, as of one slot."""

    @property
    def slot(self) -> int:
        """The slot of the pools; the oldest of them."""
        ...

    @property
    def is_complete(self) -> bool:
        """Whether every pool that may trade was read; else a low price may be only of some."""
        ...

    def quote(self, amount_in: int, max_price_impact_bps: int | None = None) -> Quote | None:
        """The best quote within the cap; ``None`` if no pool gives one."""
        ...

    def select_followed(self) -> Market:
        """The market that trailing stops follow."""
        ...

    def list_peak_pools(self) -> Sequence[PeakPool] | None:
        """The pools as peaks for trailing stops; ``None`` if their payments have no bounds."""
        ...

    def find_ceiling(self, low: int, high: int) -> PriceRatio:
        """A price that no amount from ``low`` to ``high`` exceeds."""
        ...

    def find_floor(self, low: int, high: int) -> PriceRatio:
        """A price that every amount from ``low`` to ``high`` has at least; 0 if one has none."""
        ...


@dataclass(slots=True)
class WaitingOrder:
    """An order in the book. ``seq`` is that of its row, for the release to compare with.

    ``limit`` is its own where it waits for a better price than that, for a time.
    The high-water mark of its state holds up to the market of ``mark_slot``, as of now if ``None``.
    """

    id: UUID
    seq: int
    amount_in: int
    condition: PriceCondition
    state: ConditionState = INITIAL_STATE
    max_price_impact_bps: int | None = None
    size_bits: int = _COARSE_BITS
    mark_slot: int | None = None
    limit: PriceRatio | None = None

    @property
    def trigger(self) -> PriceRatio | None:
        """The price that it waits for by its own terms."""
        return get_trigger(self.condition, self.state) if self.limit is None else self.limit


@dataclass(frozen=True, slots=True)
class MetOrder:
    """An order whose condition is met, and the quote that met it: price, slot and pool.

    ``market`` is the one that gave the quote.
    """

    order: WaitingOrder
    quote: Quote
    market: Market

    def judge_amount(self, amount_in: int) -> MetOrder | None:
        """The same for another amount of the order; ``None`` if the market does not meet that."""
        order = self.order
        quote = _quote(order, amount_in, self.market)
        if quote is None:
            return None
        price = PriceRatio(quote.amount_out, quote.amount_in)
        is_met = is_met_by(order.condition, price, order.state)
        return replace(self, quote=quote) if is_met else None


@dataclass(slots=True)
class BookUpdate:
    """What one market did to a book: orders that are met, and those whose own mark rose.

    ``has_new_peaks`` if the marks of all trailing stops rose, by the peaks that they have seen.
    """

    met: list[MetOrder] = field(default_factory=list)
    raised: list[WaitingOrder] = field(default_factory=list)
    has_new_peaks: bool = False


class TriggerBook:
    """The waiting orders of one pair in one direction.

    Above ``peaks_max`` the marks of trailing stops are stored as numbers, to forget peaks.
    """

    def __init__(self, *, peaks_max: int = PEAKS_MAX) -> None:
        self._orders: dict[UUID, WaitingOrder] = {}
        self._rising = SizeClasses(is_rising=True)
        self._falling = SizeClasses(is_rising=False)
        self._unconfirmed: set[UUID] = set()
        self._trailing = TrailingOrders(peaks_max)

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
        self._follow(order)
        self._index(order)

    @property
    def peaks(self) -> Sequence[PeakPool]:
        """The pools that the marks of trailing stops follow from, in the order of time."""
        return [peak.pool for peak in self._trailing.peaks]

    def restore_peaks(self, pools: Sequence[PeakPool]) -> None:
        """Start from the peaks of another process, before any order is inserted."""
        self._trailing.restore(pools)

    def get_state(self, order_id: UUID) -> ConditionState:
        """The state of an order, with the high-water mark that follows from the peaks."""
        order = self._orders[order_id]
        return self._raise_mark(order)

    def remove(self, order_id: UUID) -> WaitingOrder | None:
        """Remove and return an order; ``None`` if it does not wait here."""
        order = self._orders.pop(order_id, None)
        if order is not None:
            self._unindex(order)
            self._trailing.leave(order_id)
        return order

    def find_met(self, market: Market, current_slot: int) -> BookUpdate:
        """Observe a market. Met orders leave the book; a market that is too old changes nothing."""
        update = BookUpdate()
        if not is_fresh(market.slot, current_slot):
            return update
        followed = market.select_followed()
        pools = followed.list_peak_pools() if market.is_complete else None
        self._trailing.start_market(market.slot, 0 if pools is None else len(pools))
        for order_id in sorted(self._find_candidates(market, pools)):
            order = self._orders[order_id]
            if needs_best_price(order.condition) and not market.is_complete:
                continue
            is_trailing = isinstance(order.condition, TrailingStop)
            self._observe(order, followed if is_trailing else market, update)
        if pools is not None:  # else every trailing stop has observed this market
            self._add_peaks(pools, update)
        return update

    def _add_peaks(self, pools: Sequence[PeakPool], update: BookUpdate) -> None:
        update.has_new_peaks = self._trailing.add_market(pools)
        excess = self._trailing.list_excess()
        if not excess:
            return
        for order_id in excess:
            order = self._orders[order_id]
            self._unindex(order)
            order.state = self._raise_mark(order)
            order.mark_slot = None
            self._trailing.leave(order_id)
            self._follow(order)
            self._index(order)
            update.raised.append(order)
        self._trailing.forget_peaks()

    def _follow(self, order: WaitingOrder) -> None:
        """Have a trailing stop that follows a price see the peaks from now on."""
        condition = order.condition
        if isinstance(condition, TrailingStop) and order.state.high_water is not None:
            self._trailing.join(
                order.id, order.amount_in, condition.trail_bps, mark_slot=order.mark_slot
            )

    def _raise_mark(self, order: WaitingOrder) -> ConditionState:
        if order.id not in self._trailing:
            return order.state
        mark = self._trailing.raise_mark(order.id, order.state.high_water)
        return (
            order.state if mark == order.state.high_water else replace(order.state, high_water=mark)
        )

    def _observe(self, order: WaitingOrder, market: Market, update: BookUpdate) -> None:
        quote = _quote(order, order.amount_in, market)
        if quote is None:
            if market.is_complete:
                self._take_back_confirmations(order)
            return
        price = PriceRatio(quote.amount_out, quote.amount_in)
        observation = observe(order.condition, self._raise_mark(order), price, market.slot)
        self._unindex(order)
        has_risen = observation.state.high_water != order.state.high_water
        order.state = observation.state
        if observation.is_met:
            del self._orders[order.id]
            self._trailing.leave(order.id)
            update.met.append(MetOrder(order, quote, market))
            return
        order.size_bits = _FINE_BITS
        order.mark_slot = None
        if order.id not in self._trailing:
            self._follow(order)
        self._index(order)
        if has_risen:
            update.raised.append(order)

    def _take_back_confirmations(self, order: WaitingOrder) -> None:
        """Count the reads anew that an order is met by: of this one no pool takes it."""
        if order.state.confirmed:
            self._unindex(order)
            order.state = replace(order.state, confirmed=0)
            self._index(order)

    def _find_candidates(self, market: Market, pools: Sequence[PeakPool] | None) -> set[UUID]:
        found = set(self._unconfirmed)
        found.update(self._rising.find_reached(market.find_ceiling))
        if market.is_complete:
            found.update(self._falling.find_reached(market.find_floor))
            found.update(self._trailing.find_candidates(pools))
        return found

    def _list_prices(self, order: WaitingOrder) -> Iterator[tuple[SizeClasses, PriceRatio]]:
        interest = get_interest(order.condition, order.state)
        if interest.at_least is not None:
            yield self._rising, interest.at_least
        if interest.at_most is not None:
            yield self._falling, interest.at_most

    def _index(self, order: WaitingOrder) -> None:
        size_class = find_size_class(order.amount_in, order.size_bits)
        for classes, price in self._list_prices(order):
            classes.add(size_class, price, order.id)
        if order.state.confirmed:
            self._unconfirmed.add(order.id)

    def _unindex(self, order: WaitingOrder) -> None:
        size_class = find_size_class(order.amount_in, order.size_bits)
        for classes, price in self._list_prices(order):
            classes.remove(size_class, price, order.id)
        self._unconfirmed.discard(order.id)


def _quote(order: WaitingOrder, amount_in: int, market: Market) -> Quote | None:
    """A better price is waited for where the order may be executed; of a fall, the best counts."""
    is_capped = isinstance(order.condition, Limit | TakeProfit)
    return market.quote(amount_in, order.max_price_impact_bps if is_capped else None)

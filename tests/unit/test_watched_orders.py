"""What a process watches: the newest row of each order, and limits that hover at the price."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any, cast
from uuid import UUID

import pytest

from backend.domain.conditions import Condition, ConditionState, Launch, Limit, TrailingStop
from backend.domain.orders import OrderTerms, OrderType
from backend.domain.prices import PriceRatio
from backend.domain.tokens import SOL, USDC, TokenRegistry
from backend.domain.waiting.guards import Guards
from backend.domain.waiting.slices import SliceSchedule
from backend.routing.pool_finder import PoolFinder
from backend.store.waiting.trigger_shards import SHARDS
from backend.store.waiting.waiting_orders import WaitingRecord
from backend.triggers.book import WaitingOrder
from backend.triggers.launches.launch_watcher import LaunchWatcher
from backend.triggers.orders_apart import OrdersApart
from backend.triggers.pool_market import PoolMarket
from backend.triggers.slices.placer import SlicePlacer
from backend.triggers.watched_orders import WatchedOrders
from backend.venues import MAINNET_VENUES
from tests import pools

ID = UUID(int=7)
POOL = pools.make_cpmm_pool()
MARKET = PoolMarket(pools.SOL, pools.USDC, [POOL], POOL.slot)
TERMS = OrderTerms(OrderType.LIMIT, SOL, USDC, 10**9, 1, 50)


def find_price() -> PriceRatio:
    quote = MARKET.quote(TERMS.amount_in)
    assert quote is not None
    return PriceRatio(quote.amount_out, quote.amount_in)


def build_record(seq: int, price: PriceRatio, cool_down_s: float = 0.0) -> WaitingRecord:
    condition = Limit(price)
    terms = replace(TERMS, condition=condition)
    state = ConditionState()
    return WaitingRecord(ID, "local", terms, condition, state, False, seq, None, cool_down_s, None)


def build_trailing(seq: int, trail_bps: int, mark: PriceRatio, slot: int) -> WaitingRecord:
    condition = TrailingStop(trail_bps)
    terms = replace(TERMS, type=OrderType.TRAILING_STOP, condition=condition)
    return build_record(seq, mark)._replace(
        terms=terms, condition=condition, state=ConditionState(mark), high_water_slot=slot
    )


@pytest.fixture
def watched() -> WatchedOrders:
    orders = WatchedOrders(TokenRegistry(), MAINNET_VENUES)
    orders.add_shards(range(SHARDS), [], 0.0)
    return orders


def find(watched: WatchedOrders) -> WaitingOrder | None:
    for direction in watched.directions:
        book = watched.get_book(direction)
        return None if book is None else book.find(ID)
    return None


def meet(watched: WatchedOrders, now: float) -> WaitingOrder | None:
    """The order if the market meets it now, as the watcher takes it."""
    for direction in watched.directions:
        book = watched.get_book(direction)
        assert book is not None
        for each in book.find_met(MARKET, MARKET.slot).met:
            watched.take_met(each.order.id, now)
            return each.order
    return None


def come_back(watched: WatchedOrders, seq: int, price: PriceRatio, now: float) -> float:
    """Have the order come back unfilled, and cool down; returns the end of that."""
    watched.add([build_record(seq, price, 1.0)], now)
    assert watched.take_cooled(now + 0.9) == []
    assert watched.take_cooled(now + 1) == [ID]
    watched.add([build_record(seq, price)], now + 1)
    return now + 1


def test_an_amended_order_is_watched_by_its_newest_row(watched: WatchedOrders) -> None:
    far, near = PriceRatio(10**6, 1), find_price()
    watched.add([build_record(2, far)], 0.0)
    assert watched.knows(ID, 2)
    assert not watched.knows(ID, 3)
    watched.add([build_record(3, near)], 0.0)
    watched.add([build_record(2, far)], 0.0)
    watched.add([build_record(2, far, cool_down_s=1.0)], 0.0)  # read before it was amended
    met = meet(watched, 0.0)
    assert met is not None
    assert (met.seq, met.trigger) == (3, near)
    assert ID not in watched


def test_a_refused_release_leaves_what_came_since(watched: WatchedOrders) -> None:
    watched.add([build_record(2, find_price())], 0.0)
    assert meet(watched, 0.0) is not None
    watched.add([build_record(3, PriceRatio(10**6, 1))], 0.0)  # amended amid the release
    watched.cool_down(ID, 2, 1.0)
    assert watched.knows(ID, 3)
    assert watched.take_cooled(1.0) == [ID]
    watched.add([build_record(3, PriceRatio(10**6, 1))], 1.0)
    assert find(watched) is not None


def test_a_limit_that_hovers_is_tried_ever_more_seldom(watched: WatchedOrders) -> None:
    price = find_price()
    watched.add([build_record(2, price)], 0.0)
    now, tried_at = 0.0, []
    for seq in range(4, 24, 2):
        met = meet(watched, now)
        assert met is not None
        assert met.trigger == price
        tried_at.append(now)
        now = come_back(watched, seq, price, now)
        if len(tried_at) == 1:
            continue
        assert meet(watched, now) is None
        held = find(watched)
        assert held is not None
        assert held.trigger == price
        now = watched._cooling[0][0]
        assert watched.take_cooled(now) == [ID]
        watched.add([build_record(seq, price)], now)
    waits = [after - before for before, after in pairwise(tried_at)]
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30, 30]


def test_a_held_limit_is_tried_at_once_when_the_price_is_clearly_better(
    watched: WatchedOrders,
) -> None:
    price = find_price().scale_bps(9_980)  # 0.2 % below the market
    watched.add([build_record(2, price)], 0.0)
    for seq, is_met in ((4, True), (6, True), (8, True), (10, False)):
        met = meet(watched, 0.0)
        assert met is not None
        assert met.trigger == price
        come_back(watched, seq, price, 0.0)
        if not is_met:
            assert meet(watched, 1.0) is None


def test_a_trailing_stop_keeps_the_mark_that_is_known_here(watched: WatchedOrders) -> None:
    high, higher = PriceRatio(2, 10), PriceRatio(3, 10)
    watched.add([build_trailing(2, 5_000, higher, 1)], 0.0)
    watched.add([build_trailing(3, 4_000, high, 1)], 0.0)  # its row is a slot behind
    order = find(watched)
    assert order is not None
    assert (order.state.high_water, order.condition) == (higher, TrailingStop(4_000))


def open_launch_watcher() -> LaunchWatcher:
    unused = cast(Any, None)
    finder = PoolFinder([], unused, unused)
    return LaunchWatcher(unused, unused, unused, finder, unused, None, pace_s=60)


def open_placer() -> SlicePlacer:
    unused = cast(Any, None)
    return SlicePlacer(unused, unused)


@pytest.mark.parametrize(
    ("open_apart", "order_type", "condition"),
    [
        (open_launch_watcher, OrderType.SNIPER, Launch(Guards())),
        (open_placer, OrderType.TWAP, SliceSchedule(slices=2, interval_s=60)),
    ],
)
def test_an_order_that_is_kept_apart_is_known_by_its_newest_row(
    open_apart: Callable[[], OrdersApart], order_type: OrderType, condition: Condition
) -> None:
    watched = WatchedOrders(TokenRegistry(), MAINNET_VENUES, [open_apart()])
    watched.add_shards(range(SHARDS), [], 0.0)
    terms = replace(TERMS, type=order_type, condition=condition)
    record = build_record(2, find_price())._replace(terms=terms, condition=condition)
    assert not watched.knows(ID, 2)
    watched.add([record], 0)
    assert watched.knows(ID, 2)
    assert not watched.knows(ID, 3)
    watched.remove(ID, 2)
    assert not watched.knows(ID, 2)

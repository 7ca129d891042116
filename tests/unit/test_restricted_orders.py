"""Waiting orders that name the pools that they may use are judged by these alone, as by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from backend.domain.conditions import (
    INITIAL_STATE,
    ConditionState,
    Limit,
    PriceCondition,
    Stop,
    StopLimit,
    TakeProfit,
    TrailingStop,
    observe,
)
from backend.domain.errors import NO_POOL_CODE, EngineError, Rejected, Transient
from backend.domain.orders import OrderTerms, OrderType
from backend.domain.prices import PriceRatio
from backend.domain.route_constraints import RouteConstraints
from backend.domain.tokens import SOL, USDC, TokenRegistry
from backend.routing.pair_read import PairRead, ReadPool
from backend.routing.quote_choice import MissingQuote
from backend.store.waiting.trigger_shards import SHARDS
from backend.store.waiting.waiting_orders import WaitingRecord
from backend.triggers.best_markets import PoolRead, find_best_price
from backend.triggers.markets import build_market
from backend.triggers.pool_market import DirectedPool
from backend.triggers.watched_orders import WatchedOrders
from backend.venues import AMM_V4, CPMM, DAMM_V2, DLMM, MAINNET_VENUES
from backend.venues.hosting import HostedPool, HostedVenue
from backend.venues.spl import Clock
from backend.venues.venue import Pool
from tests import pools

OPEN = Clock(slot=1, unix_time=1_790_000_000)
VENUES: Sequence[HostedVenue] = (CPMM, AMM_V4, DAMM_V2, DLMM)
ADDRESSES = [str(venue.derive_pool_address(pools.SOL, pools.USDC)) for venue in VENUES]
DEPTH = 10**13
ASKED = (
    None,
    RouteConstraints(max_legs=1),
    RouteConstraints(dexes=("raydium",)),
    RouteConstraints(exclude_dexes=("meteora",)),
    RouteConstraints(dexes=("raydium/amm_v4",)),
    RouteConstraints(dexes=("meteora",)),
    RouteConstraints(dexes=("meteora/dlmm",)),
    RouteConstraints(exclude_dexes=("raydium/cpmm", "meteora/dlmm")),
    RouteConstraints(dexes=("raydium/clmm",)),
    RouteConstraints(pools=(ADDRESSES[0],)),
    RouteConstraints(pools=(ADDRESSES[2], ADDRESSES[1])),
    RouteConstraints(dexes=("meteora",), pools=(ADDRESSES[0], ADDRESSES[3])),
)
levels = st.integers(80_000, 120_000).map(lambda n: PriceRatio(n, 10**6))
reads = st.integers(1, 3)
conditions = st.one_of(
    st.builds(Limit, levels),
    st.builds(Stop, levels, reads),
    st.builds(TakeProfit, levels, reads),
    st.builds(StopLimit, levels, levels, reads),
    st.builds(TrailingStop, st.integers(50, 2_000), st.none() | levels, reads),
)
orders = st.tuples(st.integers(10**6, 10**11), conditions, st.sampled_from(ASKED))
states = st.sampled_from(["read", "read", "read", "unreadable", "closed", "absent"])
markets = st.lists(
    st.tuples(st.integers(85_000, 115_000), states), min_size=len(VENUES), max_size=len(VENUES)
)
ERRORS: Mapping[str, EngineError] = {
    "unreadable": Transient("venue_timeout", "slow"),
    "closed": Rejected("pool_disabled", "closed"),
    "absent": Rejected(NO_POOL_CODE, "there is none"),
}


def make_pools() -> list[HostedPool]:
    return [
        venue.create_pool(pools.SOL, pools.USDC, DEPTH, DEPTH // 10, fee_e9=2_500_000).with_clock(
            OPEN
        )
        for venue in VENUES
    ]


POOLS = make_pools()


def build_read(slot: int, path: Sequence[tuple[int, str]], *, is_settled: bool = True) -> PairRead:
    """The pools as a router reads them, each with a price or without a state."""
    read, missing = [], []
    for venue, pool, address, (price, state) in zip(VENUES, POOLS, ADDRESSES, path, strict=True):
        if state == "read":
            moved = replace(pool.with_price(pools.SOL, price, 10**6), slot=slot)  # type: ignore[type-var]
            read.append(ReadPool(venue, moved))
        elif state == "absent":
            missing.append(MissingQuote(venue.dex, ERRORS[state]))
        else:
            missing.append(MissingQuote(venue.dex, ERRORS[state], venue.name, address))
    return PairRead(read, missing, is_settled)


def build_record(
    number: int, amount: int, condition: PriceCondition, asked: RouteConstraints | None
) -> WaitingRecord:
    terms = OrderTerms(
        OrderType.LIMIT, SOL, USDC, amount, None, 50, condition=condition, constraints=asked
    )
    state = ConditionState()
    return WaitingRecord(
        UUID(int=number), "local", terms, condition, state, False, 2, None, 0.0, None
    )


def open_watched() -> WatchedOrders:
    watched = WatchedOrders(TokenRegistry(), MAINNET_VENUES)
    watched.add_shards(range(SHARDS), [], 0.0)
    return watched


@dataclass(slots=True)
class ByHand:
    """An order that is judged by looking at each of its pools."""

    record: WaitingRecord
    state: ConditionState = INITIAL_STATE

    def is_met(self, slot: int, read: PairRead) -> bool:
        condition, amount = self.record.condition, self.record.terms.amount_in
        assert isinstance(condition, PriceCondition)
        mine, is_complete = self.find_pools(read)
        if not mine or (isinstance(condition, Stop | StopLimit | TrailingStop) and not is_complete):
            return False
        if isinstance(condition, TrailingStop):
            mine = [pool for pool in mine if pool.is_single_curve] or mine
        paid = max((find_paid(pool, amount) for pool in mine), default=0)
        if not paid:
            if is_complete:
                self.state = replace(self.state, confirmed=0)
            return False
        observation = observe(condition, self.state, PriceRatio(paid, amount), slot)
        self.state = observation.state
        return observation.is_met

    def find_pools(self, read: PairRead) -> tuple[list[Pool], bool]:
        """The pools that it may use, and whether these are all of them that may trade."""
        asked = self.record.terms.constraints
        names = {
            address
            for venue, address in zip(VENUES, ADDRESSES, strict=True)
            if asked is None or asked.allows(venue.dex, venue.name, address)
        }
        mine = [each.pool for each in read.read if str(each.pool.address) in names]
        unreadable = [each for each in read.missing if isinstance(each.error, Transient)]
        return mine, not any(each.pool in names for each in unreadable)


def find_paid(pool: Pool, amount: int) -> int:
    try:
        return pool.quote(pools.SOL, amount).amount_out
    except EngineError:
        return 0


def judge(watched: WatchedOrders, slot: int, read: PairRead) -> set[UUID]:
    """The orders that the watcher finds in one slot."""
    met: set[UUID] = set()
    for direction in watched.take_due():
        market = build_market(direction, read, direction.allowed, lambda pool: pool.slot)
        book = watched.get_book(direction)
        if book is None or not market.pools:
            continue
        met |= {each.order.id for each in book.find_met(market, slot).met}
    for order_id in met:
        watched.take_met(order_id, 0.0)
    return met


@settings(max_examples=200, deadline=None)
@given(st.lists(orders, max_size=20), st.lists(markets, min_size=1, max_size=8))
def test_each_order_is_met_by_the_pools_that_it_may_use(
    wanted: list[tuple[int, PriceCondition, RouteConstraints | None]],
    path: list[list[tuple[int, str]]],
) -> None:
    watched, by_hand = open_watched(), {}
    for number, each in enumerate(wanted):
        record = build_record(number, *each)
        by_hand[record.id] = ByHand(record)
        watched.add([record], 0.0)
    for slot, market in enumerate(path, 1):
        read = build_read(slot, market)
        expected = {order_id for order_id, each in by_hand.items() if each.is_met(slot, read)}
        assert judge(watched, slot, read) == expected
        for order_id in expected:
            del by_hand[order_id]
    assert set(watched) == set(by_hand)


def test_orders_that_name_no_pools_see_no_other_book() -> None:
    watched = open_watched()
    far = Limit(PriceRatio(10**6, 1))
    watched.add([build_record(n, 10**9, far, None) for n in range(3)], 0.0)
    [whole] = watched.directions
    book = watched.get_book(whole)
    watched.add([build_record(9, 10**9, far, RouteConstraints(max_legs=1, max_hops=1))], 0.0)
    assert watched.directions == [whole]
    asked = [each for each in ASKED[2:5] for _ in range(4)]
    watched.add([build_record(n, 10**9, far, each) for n, each in enumerate(asked, 20)], 0.0)
    assert watched.get_book(whole) is book
    assert book is not None
    assert len(book) == 4
    # Two of the three allow the same pools, and wait together.
    assert [each.allowed is None for each in watched.directions] == [True, False, False]
    restricted = [each for each in watched.directions if each.allowed is not None]
    assert {watched.get_best(each) for each in restricted} == {watched.get_best(whole)}
    assert {each.pair for each in restricted} == {whole.pair}
    for order_id in list(watched):
        watched.remove(order_id)
    assert set(watched.drop_empty_books()) == {whole, *restricted}
    assert watched.get_best(whole) is None
    assert [each.allowed for each in watched._directions._known.values()] == [None]
    assert {each.direction for each in watched._known} == {whole}


def test_what_all_pools_paid_is_kept_while_an_order_waits_for_some() -> None:
    watched = open_watched()
    far = Limit(PriceRatio(10**6, 1))
    watched.add([build_record(1, 10**9, far, None), build_record(2, 10**9, far, ASKED[2])], 0.0)
    whole, restricted = watched.directions
    watched.remove(UUID(int=1))
    assert watched.drop_empty_books() == [whole]
    assert watched.get_best(restricted) is not None


def test_the_best_price_is_that_of_the_pools_that_are_asked_for() -> None:
    read = build_read(1, [(90_000 + 5_000 * n, "read") for n in range(len(VENUES))])
    kept = [PoolRead(DirectedPool(each.pool, pools.SOL), 1.0) for each in read.read]

    def find(asked: RouteConstraints | None) -> PriceRatio | None:
        return find_best_price(10**9, kept, 0.0, constraints=asked)

    for asked in ASKED:
        paid = [
            PriceRatio(each.pool.quote(pools.SOL, 10**9).amount_out, 10**9)
            for each in read.read
            if asked is None
            or asked.allows(each.venue.dex, each.venue.name, str(each.pool.address))
        ]
        assert find(asked) == max(paid, default=None)

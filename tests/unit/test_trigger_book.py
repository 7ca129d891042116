"""The trigger book finds exactly the orders that looking at every one of them would find."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from backend.domain.conditions import (
    INITIAL_STATE,
    Limit,
    Stop,
    StopLimit,
    TakeProfit,
    TrailingStop,
    observe,
)
from backend.domain.prices import PriceRatio
from backend.triggers.book import TriggerBook, WaitingOrder, find_size_class
from backend.triggers.pool_market import PoolMarket
from backend.venues.venue import Pool
from tests.pools import SOL, USDC, make_cpmm_pool
from tests.strategies import amounts, magnitudes, pools


@settings(max_examples=300)
@given(st.lists(pools(), max_size=3), amounts, st.sampled_from([0, 5]), st.data())
def test_the_bounds_of_a_size_class_hold_for_each_of_its_amounts(
    some: list[Pool], amount: int, bits: int, data: st.DataObject
) -> None:
    low, high = find_size_class(amount, bits)
    assert low <= amount <= high
    mints = data.draw(st.permutations([SOL, USDC]))
    market = PoolMarket(mints[0], mints[1], some, 1)
    quote = market.quote(amount)
    if quote is not None:
        price = PriceRatio(quote.amount_out, quote.amount_in)
        assert price <= market.find_ceiling(low, high)
        assert price >= market.find_floor(low, high)


levels = st.integers(80_000, 120_000).map(lambda n: PriceRatio(n, 10**6))
conditions = st.one_of(
    st.builds(Limit, levels),
    st.builds(Stop, levels, st.integers(1, 3)),
    st.builds(TakeProfit, levels, st.integers(1, 3)),
    st.builds(StopLimit, levels, levels, st.integers(1, 3)),
    st.builds(TrailingStop, st.integers(50, 3_000), st.none() | levels, st.integers(1, 3)),
)
sizes = magnitudes(10**3, 10**14)
markets = st.builds(
    lambda prices, depth, is_complete: (prices, depth, is_complete),
    st.lists(st.integers(85_000, 115_000), min_size=1, max_size=2),
    st.integers(12, 15),
    st.sampled_from([True, True, True, False]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(sizes, conditions), max_size=25), st.lists(markets, max_size=10))
def test_the_book_meets_what_looking_at_every_order_meets(
    wanted: list[tuple[int, object]], path: list[tuple[list[int], int, bool]]
) -> None:
    book, states = TriggerBook(), {}
    for i, (amount, condition) in enumerate(wanted):
        book.insert(WaitingOrder(UUID(int=i), 1, amount, condition))  # type: ignore[arg-type]
        states[UUID(int=i)] = (amount, condition, INITIAL_STATE)
    for slot, (prices, depth, is_complete) in enumerate(path):
        some = [make_cpmm_pool(10**depth, p * 10**depth // 10**6) for p in prices]
        market = PoolMarket(SOL, USDC, some, slot, is_complete)
        expected = set()
        for order_id, (amount, condition, state) in list(states.items()):
            quote = market.quote(amount)
            is_falling = isinstance(condition, Stop | StopLimit | TrailingStop)
            if quote is None or (is_falling and not is_complete):
                continue
            price = PriceRatio(quote.amount_out, quote.amount_in)
            observation = observe(condition, state, price, slot)  # type: ignore[arg-type]
            states[order_id] = (amount, condition, observation.state)
            if observation.is_met:
                expected.add(order_id)
                del states[order_id]
        update = book.find_met(market, slot)
        assert {each.order.id for each in update.met} == expected
        assert {each.id: each.state for each in book} == {k: v[2] for k, v in states.items()}
    for order_id in states:
        assert book.remove(order_id) is not None
    assert not book._rising
    assert not book._falling
    assert not book._unconfirmed


def test_a_market_of_three_slots_ago_meets_nothing() -> None:
    book = TriggerBook()
    book.insert(WaitingOrder(UUID(int=1), 1, 10**9, Limit(PriceRatio(1, 10**6))))
    market = PoolMarket(SOL, USDC, [make_cpmm_pool()], 7)
    assert not book.find_met(market, 10).met
    assert [each.order.id for each in book.find_met(market, 9).met] == [UUID(int=1)]
    assert len(book) == 0

"""The trigger book finds exactly the orders that looking at every one of them would find."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from backend.domain.conditions import (
    INITIAL_STATE,
    ConditionState,
    Limit,
    Stop,
    StopLimit,
    TakeProfit,
    TrailingStop,
    observe,
)
from backend.domain.prices import PriceRatio
from backend.triggers.book import TriggerBook, WaitingOrder
from backend.triggers.peak_codec import decode_peaks, encode_peaks
from backend.triggers.pool_market import PoolMarket
from backend.triggers.size_classes import find_size_class
from backend.venues import CPMM, DAMM_V2, MAINNET_VENUES
from backend.venues.hosting import HostedPool, HostedVenue
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


@settings(max_examples=300)
@given(st.lists(pools(), max_size=3), amounts, amounts, amounts, st.data())
def test_the_bounds_of_a_wider_range_leave_those_of_a_part_right(
    some: list[Pool], one: int, two: int, amount: int, data: st.DataObject
) -> None:
    low, _, high = sorted((one, two, amount))
    mints = data.draw(st.permutations([SOL, USDC]))
    market = PoolMarket(mints[0], mints[1], some, 1)
    market.find_floor(low, high)
    for bits in (0, 5):
        part_low, part_high = find_size_class(amount, bits)
        for each in (part_low, amount, part_high):
            quote = market.quote(each)
            if quote is not None:
                price = PriceRatio(quote.amount_out, quote.amount_in)
                assert price >= market.find_floor(part_low, part_high)


LOW = PriceRatio(1, 10**9)
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
                if is_complete:  # no pool takes it, so this is no read in a row
                    states[order_id] = (amount, condition, replace(state, confirmed=0))
                continue
            price = PriceRatio(quote.amount_out, quote.amount_in)
            observation = observe(condition, state, price, slot)  # type: ignore[arg-type]
            states[order_id] = (amount, condition, observation.state)
            if observation.is_met:
                expected.add(order_id)
                del states[order_id]
        update = book.find_met(market, slot)
        assert {each.order.id for each in update.met} == expected
        assert {each.id: book.get_state(each.id) for each in book} == {
            k: v[2] for k, v in states.items()
        }
    for order_id in states:
        assert book.remove(order_id) is not None
    assert not book._rising
    assert not book._falling
    assert not book._unconfirmed


def test_a_read_without_a_quote_within_the_cap_takes_back_the_reads_before() -> None:
    """Unless a pool could not be read, which may be the one that gives it."""
    deep, shallow = make_cpmm_pool(10**15, 10**14), make_cpmm_pool(10**12, 2 * 10**11)
    trigger = PriceRatio(90_000, 10**6)
    order = WaitingOrder(UUID(int=1), 1, 10**10, TakeProfit(trigger, 2), max_price_impact_bps=1)

    def find_met(*path: tuple[Pool, bool]) -> list[int]:
        book, met = TriggerBook(), []
        book.insert(replace(order))
        for slot, (pool, is_complete) in enumerate(path):
            market = PoolMarket(SOL, USDC, [pool], slot, is_complete)
            met += [slot for _ in book.find_met(market, slot).met]
        return met

    assert find_met((deep, True), (deep, True)) == [1]
    assert find_met((deep, True), (shallow, True), (deep, True), (deep, True)) == [3]
    assert find_met((deep, True), (shallow, False), (deep, True)) == [2]


moves = st.one_of(st.integers(-200, 200), st.integers(-3, 3), st.integers(-1_500, 1_500))
steps = st.tuples(
    moves,
    moves,
    st.lists(st.tuples(sizes, st.integers(50, 1_000), st.integers(1, 2)), max_size=3),
    st.sampled_from([False] * 9 + [True]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, min_size=1, max_size=40), st.integers(2, 64))
def test_trailing_stops_follow_the_highest_price_of_their_own_size(
    path: list[tuple[int, int, list[tuple[int, int, int]], bool]], peaks_max: int
) -> None:
    """Pools move along their curves, at times with another depth, while orders come."""
    book = TriggerBook(peaks_max=peaks_max)
    states: dict[UUID, tuple[int, TrailingStop, ConditionState]] = {}
    some = make_hosted_pools(0)
    prices = [100_000, 100_000]
    for slot, (raydium_bps, meteora_bps, wanted, is_deeper) in enumerate(path):
        for amount, trail_bps, confirmations in wanted:
            order_id = UUID(int=len(states) + 1_000 * slot)
            condition = TrailingStop(trail_bps, None, confirmations)
            book.insert(WaitingOrder(order_id, 1, amount, condition))
            states[order_id] = (amount, condition, INITIAL_STATE)
        prices = [
            price * (10_000 + bps) // 10_000
            for price, bps in zip(prices, (raydium_bps, meteora_bps), strict=True)
        ]
        some = make_hosted_pools(slot) if is_deeper else some
        pools_now = [
            pool.with_price(SOL, price, 10**6) for pool, price in zip(some, prices, strict=True)
        ]
        market = PoolMarket(SOL, USDC, pools_now, slot)
        expected = observe_each(states, market)
        update = book.find_met(market, slot)
        assert {each.order.id for each in update.met} == expected
        assert {each.id: book.get_state(each.id) for each in book} == {
            k: v[2] for k, v in states.items()
        }


def make_hosted_pools(depth: int) -> list[HostedPool]:
    venues: list[HostedVenue] = [CPMM, DAMM_V2]
    return [
        venue.create_pool(SOL, USDC, 10**14 + depth, 10**13 + depth * 7, fee_e9=2_000_000)
        for venue in venues
    ]


def observe_each(
    states: dict[UUID, tuple[int, TrailingStop, ConditionState]], market: PoolMarket
) -> set[UUID]:
    """Observe a market for every order; those that it meets are removed and returned."""
    met = set()
    for order_id, (amount, condition, state) in list(states.items()):
        quote = market.quote(amount)
        if quote is None:
            continue
        price = PriceRatio(quote.amount_out, quote.amount_in)
        observation = observe(condition, state, price, market.slot)
        states[order_id] = (amount, condition, observation.state)
        if observation.is_met:
            met.add(order_id)
            del states[order_id]
    return met


def test_a_market_of_three_slots_ago_meets_nothing() -> None:
    book = TriggerBook()
    book.insert(WaitingOrder(UUID(int=1), 1, 10**9, Limit(PriceRatio(1, 10**6))))
    market = PoolMarket(SOL, USDC, [make_cpmm_pool()], 7)
    assert not book.find_met(market, 10).met
    assert [each.order.id for each in book.find_met(market, 9).met] == [UUID(int=1)]
    assert len(book) == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, min_size=2, max_size=12), st.integers(1, 11))
def test_another_process_goes_on_with_the_same_marks(
    path: list[tuple[int, int, list[tuple[int, int, int]], bool]], kept: int
) -> None:
    """It has what is durable: the first mark of each order with its slot, and the peaks."""
    book, reference, texts = TriggerBook(), TriggerBook(), "[]"
    stored: dict[UUID, tuple[PriceRatio | None, int]] = {}
    prices = [100_000, 100_000]
    for slot, (raydium_bps, meteora_bps, wanted, _) in enumerate(path):
        if slot == kept:
            waiting, book = list(book), TriggerBook()
            book.restore_peaks(decode_peaks(texts, SOL, MAINNET_VENUES))
            for order in waiting:
                mark, mark_slot = stored.get(order.id, (None, None))
                state = ConditionState(mark)
                book.insert(replace(order, state=state, mark_slot=mark_slot, size_bits=0))
        for amount, trail_bps, _ in wanted:
            order = WaitingOrder(UUID(int=len(reference) + 1_000 * slot), 1, amount, Limit(LOW))
            for each in (book, reference):
                each.insert(replace(order, condition=TrailingStop(trail_bps, None, 1)))
        prices = [
            price * (10_000 + bps) // 10_000
            for price, bps in zip(prices, (raydium_bps, meteora_bps), strict=True)
        ]
        raydium = CPMM.create_pool(SOL, USDC, 10**14, 10**13, fee_e9=2_000_000)
        meteora = DAMM_V2.create_pool(SOL, USDC, 10**14, 10**13, fee_e9=2_000_000)
        some: list[Pool] = [
            replace(raydium.with_price(SOL, prices[0], 10**6), slot=slot),
            replace(meteora.with_price(SOL, prices[1], 10**6), slot=slot),
        ]
        market = PoolMarket(SOL, USDC, some, slot)
        update, expected = book.find_met(market, slot), reference.find_met(market, slot)
        assert {each.order.id for each in update.met} == {each.order.id for each in expected.met}
        for order in update.raised:
            stored[order.id] = order.state.high_water, slot
        if update.has_new_peaks:
            texts = encode_peaks(book.peaks)
        assert {each.id: book.get_state(each.id).high_water for each in book} == {
            each.id: reference.get_state(each.id).high_water for each in reference
        }


def test_a_reloaded_trailing_stop_divides_no_group_of_others() -> None:
    book = TriggerBook(peaks_max=64)

    def observe_market(slot: int, usdc: int) -> set[UUID]:
        pool = replace(make_cpmm_pool(10**15, usdc * 10**12), slot=slot)
        update = book.find_met(PoolMarket(SOL, USDC, [pool], slot), slot)
        return {each.order.id for each in update.met}

    def insert(number: int, mark_slot: int | None = None) -> None:
        state = ConditionState(PriceRatio(1, 1_000))
        condition = TrailingStop(500, confirmations=1)
        order = WaitingOrder(UUID(int=number), 1, 10**9, condition, state, mark_slot=mark_slot)
        book.insert(order)

    for number in range(1, 5):
        insert(number)
        observe_market(number, 100 + number)  # a higher peak replaces the ones before
    for reloaded in (2, 3, 1):
        insert(reloaded, mark_slot=reloaded)
    assert book.remove(UUID(int=4)) is not None
    assert observe_market(5, 90) == {UUID(int=number) for number in range(1, 4)}
    assert len(book) == 0


def test_what_comes_while_the_price_falls_adds_no_peak() -> None:
    """A new order has its market in its own mark: no peak is needed before the price rises."""
    book = TriggerBook()
    for slot, usdc in enumerate([*range(150, 110, -1), 115]):
        book.insert(WaitingOrder(UUID(int=slot), 1, 10**9, TrailingStop(4_000)))
        pool = replace(make_cpmm_pool(10**15, usdc * 10**12), slot=slot)
        update = book.find_met(PoolMarket(SOL, USDC, [pool], slot), slot)
        assert [each.id for each in update.raised] == [UUID(int=slot)]
        assert update.has_new_peaks == (slot == 40)
        assert [each.slot for each in book.peaks] == ([40] if slot == 40 else [])
    prices = [mark for each in book if (mark := book.get_state(each.id).high_water) is not None]
    assert prices[:36] == sorted(set(prices), reverse=True)
    assert set(prices[35:]) == {prices[40]}

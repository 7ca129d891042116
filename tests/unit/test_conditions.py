"""Conditions: met by exactly the prices that they name, on as many reads as they ask for."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.conditions import (
    INITIAL_STATE,
    ConditionState,
    Limit,
    PriceCondition,
    Release,
    Stop,
    StopLimit,
    TakeProfit,
    Then,
    TrailingStop,
    get_interest,
    get_release,
    is_fresh,
    observe,
)
from backend.domain.prices import PriceRatio

prices = st.builds(PriceRatio, st.integers(1, 40), st.integers(1, 4))
confirmations = st.integers(1, 4)
conditions = st.one_of(
    st.builds(Limit, prices),
    st.builds(Stop, prices, confirmations),
    st.builds(TakeProfit, prices, confirmations, st.sampled_from(Then)),
    st.builds(StopLimit, prices, prices, confirmations),
    st.builds(TrailingStop, st.integers(50, 5_000), st.none() | prices, confirmations),
)
paths = st.lists(st.tuples(st.integers(0, 2), prices), max_size=30)


def find_slot_met(condition: PriceCondition, path: list[tuple[int, PriceRatio]]) -> int | None:
    """The slot in which a path of slots and prices meets the condition, by its definition."""
    needed = 1 if isinstance(condition, Limit) else condition.confirmations
    run: set[int] = set()
    for i, (slot, _) in enumerate(path, start=1):
        run = {*run, slot} if holds_at(condition, [price for _, price in path[:i]]) else set()
        if len(run) >= needed:
            return slot
    return None


def holds_at(condition: PriceCondition, prices_so_far: list[PriceRatio]) -> bool:
    price = prices_so_far[-1]
    match condition:
        case Limit(price=target) | TakeProfit(trigger=target):
            return price >= target
        case Stop(trigger=target) | StopLimit(trigger=target):
            return price <= target
        case TrailingStop(trail_bps=trail, activation=activation):
            values = [Fraction(each.numerator, each.denominator) for each in prices_so_far]
            starts = [
                i for i, each in enumerate(prices_so_far) if not activation or each >= activation
            ]
            high = max(values[starts[0] :]) if starts else Fraction(0)
            return bool(starts) and values[-1] <= high * (1 - Fraction(trail, 10_000))


def to_slots(steps: list[tuple[int, PriceRatio]]) -> list[tuple[int, PriceRatio]]:
    slot, path = 100, []
    for step, price in steps:
        slot += step
        path.append((slot, price))
    return path


@given(conditions, paths)
def test_a_path_of_prices_meets_a_condition_when_its_definition_says_so(
    condition: PriceCondition, steps: list[tuple[int, PriceRatio]]
) -> None:
    path, state, met = to_slots(steps), INITIAL_STATE, None
    for slot, price in path:
        observation = observe(condition, state, price, slot)
        state = observation.state
        if observation.is_met:
            met = slot
            break
    assert met == find_slot_met(condition, path)


@given(conditions, paths, prices)
def test_a_price_without_interest_changes_nothing(
    condition: PriceCondition, steps: list[tuple[int, PriceRatio]], price: PriceRatio
) -> None:
    state = INITIAL_STATE
    for slot, each in to_slots(steps):
        state = observe(condition, state, each, slot).state
    interest = get_interest(condition, state)
    is_of_interest = (
        (interest.at_least is not None and price >= interest.at_least)
        or (interest.above is not None and price > interest.above)
        or (interest.at_most is not None and price <= interest.at_most)
    )
    observation = observe(condition, state, price, 1_000)
    if not is_of_interest and not state.confirmed:
        assert observation.state == state
        assert not observation.is_met


@given(st.builds(TrailingStop, st.integers(50, 5_000), st.none() | prices), paths)
def test_a_high_water_mark_never_falls(
    condition: TrailingStop, steps: list[tuple[int, PriceRatio]]
) -> None:
    state = ConditionState()
    for slot, price in to_slots(steps):
        after = observe(condition, state, price, slot).state
        if state.high_water is not None:
            assert after.high_water is not None
            assert after.high_water >= state.high_water
        state = after


def test_one_read_twice_confirms_once() -> None:
    stop, low = Stop(PriceRatio(95, 1)), PriceRatio(94, 1)
    first = observe(stop, INITIAL_STATE, low, 10)
    again = observe(stop, first.state, low, 10)
    assert (first.is_met, again.is_met, again.state) == (False, False, first.state)
    assert observe(stop, again.state, low, 11).is_met


def test_a_recovery_takes_confirmations_back() -> None:
    stop = Stop(PriceRatio(95, 1))
    state = observe(stop, INITIAL_STATE, PriceRatio(94, 1), 10).state
    state = observe(stop, state, PriceRatio(96, 1), 11).state
    assert not observe(stop, state, PriceRatio(94, 1), 12).is_met


@pytest.mark.parametrize(
    ("condition", "limit"),
    [
        (Limit(PriceRatio(3, 1)), 3),
        (StopLimit(PriceRatio(3, 1), PriceRatio(2, 1)), 2),
        (TakeProfit(PriceRatio(3, 1)), 3),
        (TakeProfit(PriceRatio(3, 1), then=Then.MARKET), None),
        (Stop(PriceRatio(3, 1)), None),
        (TrailingStop(100), None),
    ],
)
def test_what_an_order_becomes(condition: PriceCondition, limit: int | None) -> None:
    expected = None if limit is None else Limit(PriceRatio(limit, 1))
    assert get_release(condition) == Release(expected)


def test_a_price_of_two_slots_ago_is_the_oldest_that_triggers() -> None:
    assert [is_fresh(slot, 10) for slot in (7, 8, 10)] == [False, True, True]

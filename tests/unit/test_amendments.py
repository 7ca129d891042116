"""The terms of a waiting order after some of them have changed: the rest stays exactly as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.condition_fields import ConditionFields
from backend.domain.conditions import (
    Condition,
    Limit,
    Stop,
    StopLimit,
    TakeProfit,
    Then,
    TrailingStop,
    get_release,
)
from backend.domain.orders import OrderTerms, OrderType
from backend.domain.prices import PriceOf, PriceRatio
from backend.domain.tokens import SOL, USDC
from backend.domain.waiting.amendments import (
    TermsChange,
    amend_terms,
    changes_price,
    describe_change,
)

THIRD = PriceRatio(1, 3)
"""A price that no decimal is."""
TERMS = OrderTerms(OrderType.LIMIT, SOL, USDC, 10**9, 120_000_000, 50, 500)
CONDITIONS: dict[OrderType, Condition] = {
    OrderType.LIMIT: Limit(THIRD),
    OrderType.STOP: Stop(THIRD, 3),
    OrderType.TAKE_PROFIT: TakeProfit(THIRD, 4, Then.MARKET),
    OrderType.STOP_LIMIT: StopLimit(PriceRatio(2, 3), THIRD, 5),
    OrderType.TRAILING_STOP: TrailingStop(500, THIRD, 6),
}


def build_terms(kind: OrderType) -> OrderTerms:
    limit = get_release(CONDITIONS[kind]).limit
    least = None if limit is None else limit.price.min_amount_out(TERMS.amount_in)
    return replace(TERMS, type=kind, condition=CONDITIONS[kind], min_amount_out=least)


def amend(
    terms: OrderTerms, *, is_triggered: bool = False, amount_in: int | None = None, **fields: Any
) -> OrderTerms:
    change = TermsChange(ConditionFields(**fields), amount_in)
    amended, errors = amend_terms(terms, change, is_triggered=is_triggered)
    assert not errors
    assert amended is not None
    return amended


def refuse(terms: OrderTerms, change: TermsChange, *, is_triggered: bool = False) -> dict[str, str]:
    amended, errors = amend_terms(terms, change, is_triggered=is_triggered)
    assert amended is None
    return {error.field: error.reason for error in errors}


@pytest.mark.parametrize("kind", CONDITIONS)
def test_what_is_not_changed_stays_exactly_as_it_is(kind: OrderType) -> None:
    terms = build_terms(kind)
    assert amend(terms) == terms
    assert describe_change(terms, terms) == {}
    assert not changes_price(terms, replace(terms, slippage_bps=51))
    resized = amend(terms, amount_in=10**9 + 1)
    assert resized.condition == terms.condition
    assert changes_price(terms, resized)


@given(st.integers(1, 10**15))
def test_the_minimum_of_a_limit_follows_from_its_price_and_amount(amount_in: int) -> None:
    for kind in (OrderType.LIMIT, OrderType.STOP_LIMIT):
        amended = amend(build_terms(kind), amount_in=amount_in)
        assert amended.min_amount_out == THIRD.min_amount_out(amount_in) >= amount_in / 3


def test_each_field_changes_its_part_alone() -> None:
    limit = amend(build_terms(OrderType.LIMIT), limit_price="150")
    assert (limit.condition, limit.min_amount_out) == (Limit(PriceRatio(15, 100)), 150_000_000)
    least = amend(limit, min_amount_out=140_000_001)
    assert least.condition == Limit(PriceRatio(140_000_001, 10**9))
    stop = build_terms(OrderType.STOP)
    assert amend(stop, confirmations=1).condition == Stop(THIRD, 1)
    assert amend(stop, trigger_price=1000).condition == Stop(PriceRatio(1, 1), 3)
    profit = amend(build_terms(OrderType.TAKE_PROFIT), then="LIMIT")
    assert profit.condition == TakeProfit(THIRD, 4, Then.LIMIT)
    assert profit.min_amount_out == THIRD.min_amount_out(10**9)
    trailing = amend(build_terms(OrderType.TRAILING_STOP), trail_bps=600)
    assert trailing.condition == TrailingStop(600, THIRD, 6)
    both = amend(build_terms(OrderType.STOP_LIMIT), trigger_price="0.01", price_of="tokenout")
    assert both.condition == StopLimit(PriceRatio(1, 10), THIRD, 5)
    assert both.price_of is PriceOf.TOKEN_OUT


def test_a_change_is_described_in_the_names_of_the_wire() -> None:
    limit = build_terms(OrderType.LIMIT)
    amended = amend(limit, limit_price="150", amount_in=2 * 10**9)
    assert describe_change(limit, amended) == {
        "amountIn": "2",
        "limitPrice": "150",
        "minAmountOut": "300",
        "priceOf": "tokenIn",
    }
    profit = build_terms(OrderType.TAKE_PROFIT)
    to_limit = amend(profit, then="limit")
    assert describe_change(profit, to_limit) == {"then": "limit", "minAmountOut": "333.333334"}
    assert describe_change(to_limit, profit) == {"then": "market", "minAmountOut": None}


def test_what_cannot_be_is_refused_by_the_name_of_its_field() -> None:
    limit, stop = build_terms(OrderType.LIMIT), build_terms(OrderType.STOP)
    nothing = ConditionFields()
    foreign = TermsChange(ConditionFields(trigger_price=1, trail_bps=50, then="limit"))
    assert refuse(limit, foreign).keys() == {"triggerPrice", "trailBps", "then"}
    assert refuse(stop, TermsChange(ConditionFields(limit_price=1))).keys() == {"limitPrice"}
    assert refuse(stop, TermsChange(ConditionFields(min_amount_out=1))).keys() == {"minAmountOut"}
    both = ConditionFields(limit_price=150, min_amount_out=1)
    assert "contradicts limitPrice" in refuse(limit, TermsChange(both))["minAmountOut"]
    assert "64-bit" in refuse(limit, TermsChange(ConditionFields(limit_price="1e18")))["limitPrice"]
    trailing = TermsChange(ConditionFields(trail_bps=49))
    assert refuse(build_terms(OrderType.TRAILING_STOP), trailing).keys() == {"trailBps"}
    no_cap = TermsChange(nothing, max_price_impact_bps=0)
    for kind in (OrderType.STOP, OrderType.TAKE_PROFIT, OrderType.TRAILING_STOP):
        assert refuse(build_terms(kind), no_cap).keys() == {"maxPriceImpactBps"}
    assert amend_terms(limit, no_cap, is_triggered=False)[1] == []
    met = TermsChange(ConditionFields(trigger_price=1, confirmations=1))
    refused = refuse(build_terms(OrderType.STOP_LIMIT), met, is_triggered=True)
    assert refused.keys() == {"triggerPrice", "confirmations"}
    waits = amend(build_terms(OrderType.STOP_LIMIT), is_triggered=True, limit_price=200)
    assert waits.condition == StopLimit(PriceRatio(2, 3), PriceRatio(1, 5), 5)


def test_a_trailing_stop_that_follows_the_price_has_no_activation_any_more() -> None:
    terms, change = build_terms(OrderType.TRAILING_STOP), ConditionFields(activation_price=100)
    change_of_price = TermsChange(change)
    amended, errors = amend_terms(terms, change_of_price, is_triggered=False, is_following=True)
    assert amended is None
    assert [error.field for error in errors] == ["activationPrice"]
    assert amend(terms, activation_price=100).condition == TrailingStop(500, PriceRatio(1, 10), 6)

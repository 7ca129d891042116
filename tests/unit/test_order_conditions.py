"""Orders that wait, as clients write them: their condition, minimum, slippage and identity."""

from __future__ import annotations

import json

import pytest

from backend.api.wire.json import decode
from backend.api.wire.problems import Problem
from backend.api.wire.request_schemas import OrderRequest, read_order
from backend.domain.conditions import (
    Condition,
    Launch,
    Limit,
    Stop,
    StopLimit,
    TakeProfit,
    Then,
    TrailingStop,
)
from backend.domain.orders import OrderType, TimeInForce
from backend.domain.prices import PriceOf, PriceRatio
from backend.domain.tokens import TokenRegistry
from backend.domain.waiting.guards import Guards
from backend.domain.waiting.slices import SliceSchedule

TOKENS = TokenRegistry()
SLIPPAGE_BPS, STOP_SLIPPAGE_BPS = 50, 300
AT_95, AT_90 = PriceRatio(95, 1_000), PriceRatio(90, 1_000)
LIMIT: dict[str, object] = {"type": "limit", "limitPrice": "95"}
STOP: dict[str, object] = {"type": "stop", "triggerPrice": "95"}


def read(**members: object) -> OrderRequest:
    order = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "3", **members}
    body = decode(json.dumps(order))
    return read_order(body, TOKENS, SLIPPAGE_BPS, None, STOP_SLIPPAGE_BPS)


@pytest.mark.parametrize(
    ("members", "condition", "least", "slippage_bps"),
    [
        (LIMIT, Limit(AT_95), 285_000_000, SLIPPAGE_BPS),
        ({"type": "limit", "minAmountOut": 285}, Limit(AT_95), 285_000_000, SLIPPAGE_BPS),
        (STOP, Stop(AT_95), None, STOP_SLIPPAGE_BPS),
        ({**STOP, "slippageBps": 20}, Stop(AT_95), None, 20),
        ({"type": "stop", "stopPrice": 95}, Stop(AT_95), None, STOP_SLIPPAGE_BPS),
        (
            {"type": "takeProfit", "triggerPrice": 95, "then": "MARKET", "priceOf": "tokenin"},
            TakeProfit(AT_95, 2, Then.MARKET),
            None,
            STOP_SLIPPAGE_BPS,
        ),
        (
            {"type": "takeProfit", "triggerPrice": 95, "confirmations": 1},
            TakeProfit(AT_95, 1),
            285_000_000,
            SLIPPAGE_BPS,
        ),
        (
            {"type": "takeprofit", "triggerPrice": 95, "then": "market"},
            TakeProfit(AT_95, 2, Then.MARKET),
            None,
            STOP_SLIPPAGE_BPS,
        ),
        (
            {"type": "twap", "slices": 4, "intervalS": 60.0},
            SliceSchedule(4, 60),
            None,
            SLIPPAGE_BPS,
        ),
        (
            {"type": "TWAP", "slices": 2, "intervalS": 1, "jitterBps": 100, "limitPrice": 95},
            SliceSchedule(2, 1, 100, AT_95),
            None,
            SLIPPAGE_BPS,
        ),
        (
            {"type": "STOPLIMIT", "triggerPrice": 95, "limitPrice": 90},
            StopLimit(AT_95, AT_90),
            270_000_000,
            SLIPPAGE_BPS,
        ),
        (
            {"type": "trailingStop", "trailBps": 500, "activationPrice": 95},
            TrailingStop(500, AT_95),
            None,
            STOP_SLIPPAGE_BPS,
        ),
    ],
)
def test_an_order_waits_for_what_it_says(
    members: dict[str, object], condition: Condition, least: int | None, slippage_bps: int
) -> None:
    """A limit's minimum is exactly its price, rounded up; what a stop sells has its slippage."""
    terms = read(**members).terms
    assert terms.type.lower() == str(members["type"]).lower()
    assert (terms.condition, terms.min_amount_out) == (condition, least)
    assert terms.slippage_bps == slippage_bps


def test_a_limit_price_may_be_that_of_the_token_out() -> None:
    terms = read(**LIMIT | {"priceOf": "tokenOut", "limitPrice": "0.011"}).terms
    assert terms.price_of is PriceOf.TOKEN_OUT
    assert terms.condition == Limit(PriceRatio(10**6, 11 * 10**6))
    assert terms.min_amount_out == 272_727_273  # rounded up: never worse than the price


def test_a_limit_that_is_tried_once_keeps_its_price() -> None:
    request = read(**LIMIT, timeInForce="ioc")
    assert request.time_in_force is TimeInForce.IOC
    assert request.terms.condition == Limit(AT_95)


def test_a_market_order_has_no_condition() -> None:
    terms = read(limitPrice=None, then=None, minAmountOut=1).terms
    assert (terms.type, terms.condition) == (OrderType.MARKET, None)
    assert terms.slippage_bps == SLIPPAGE_BPS


def test_a_request_is_the_same_however_its_price_is_written() -> None:
    hashes = {
        read(**{**LIMIT, **more}).request_hash
        for more in (
            *({}, {"limitPrice": "95.00"}, {"limitPrice": 95}, {"priceOf": "tokenIn"}),
            *({"priceOf": "TOKENIN"}, {"strict": True}, {"strict": False}),
        )
    }
    assert len(hashes) == 1


def test_requests_with_other_conditions_are_other_requests() -> None:
    requests: list[dict[str, object]] = [
        {},
        {"minAmountOut": 285},
        LIMIT,
        {**LIMIT, "limitPrice": 96},
        STOP,
        {**STOP, "confirmations": 3},
        {**STOP, "type": "takeProfit"},
        {**STOP, "type": "takeProfit", "then": "market"},
        {**STOP, "type": "stopLimit", "limitPrice": 90},
        {"type": "trailingStop", "trailBps": 500},
        {"type": "trailingStop", "trailBps": 500, "activationPrice": 95},
    ]
    hashes = {read(**each).request_hash for each in requests}
    assert len(hashes) == len(requests)


@pytest.mark.parametrize("name", ["tokenOut", "TOKENOUT", "tokenout"])
def test_a_bracket_takes_the_names_of_its_tokens_in_any_case(name: str) -> None:
    stop = {"triggerPrice": "100", "priceOf": name}
    bracket = read(bracket={"stop": stop}).bracket
    assert bracket is not None
    assert bracket.stop is not None
    assert bracket.stop.price_of is PriceOf.TOKEN_OUT


@pytest.mark.parametrize("amount", ["1.5", 1.5, "1.50"])
def test_a_guard_takes_an_amount_as_text_and_as_a_number(amount: object) -> None:
    order = read(type="sniper", minLiquidity=amount)
    assert order.terms.condition == Launch(Guards(min_liquidity=1_500_000_000))
    assert order.request_hash == read(type="sniper", minLiquidity="1.5").request_hash


def test_what_is_misspelt_in_a_bracket_is_meant_to_be_a_field_of_it() -> None:
    with pytest.raises(Problem) as refused:
        read(bracket={"takeProft": {"triggerPrice": 1}})
    [error] = refused.value.errors
    assert error.field == "bracket.takeProft"
    assert error.reason == "is not a known field: did you mean takeProfit?"


def test_a_wrong_price_and_a_wrong_time_in_force_are_told_together() -> None:
    raw = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": 1, "type": "takeProfit"}
    with pytest.raises(Problem) as refused:
        read_order({**raw, "triggerPrice": "x", "timeInForce": "ioc"}, TOKENS, SLIPPAGE_BPS)
    assert {each.field for each in refused.value.errors} == {"triggerPrice", "timeInForce"}

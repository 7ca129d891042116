"""Request bodies: what is accepted, and that every error is reported with its field."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.api.wire.json import decode
from backend.api.wire.problems import Problem
from backend.api.wire.request_schemas import OrderRequest, read_batch, read_order, read_quote
from backend.domain.amounts import format_amount
from backend.domain.orders import OrderType
from backend.domain.tokens import KNOWN_TOKENS, SOL, USDC, WBTC, WETH, TokenRegistry
from tests.bad_conditions import BadOrder
from tests.bad_orders import BAD_JSON, BAD_ORDERS

TOKENS = TokenRegistry()
ORDER: dict[str, Any] = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1.5"}


def read_fields(**members: object) -> OrderRequest:
    return read_order({**ORDER, **members}, TOKENS, 50)


def read_text(text: str) -> OrderRequest:
    return read_order(decode(text), TOKENS, 50)


def read_problem(text: str) -> Problem:
    with pytest.raises(Problem) as refused:
        read_text(text)
    return refused.value


@pytest.mark.parametrize("bad", BAD_ORDERS.values(), ids=BAD_ORDERS.keys())
def test_a_bad_order_is_refused_with_its_field_and_the_reason(bad: BadOrder) -> None:
    problem = read_problem(bad.text)
    assert problem.status == 422
    error = problem.errors[0]
    assert (error.field, error.code) == (bad.field, bad.code)
    assert bad.words in error.reason
    json.dumps(problem.to_json()).encode()


@pytest.mark.parametrize("body", BAD_JSON.values(), ids=BAD_JSON.keys())
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    with pytest.raises(Problem) as refused:
        decode(body)
    assert (refused.value.status, refused.value.code) == (400, "malformed_json")


def test_all_invalid_fields_are_reported_together() -> None:
    problem = read_problem(
        '{"tokenIn":"DOGE","amount":-1,"minAmountOut":[],"slippageBps":1.5,"type":"oco",'
        '"clientOrderId":"","extra":1}'
    )
    assert {error.field for error in problem.errors} == {
        *("tokenIn", "tokenOut", "minAmountOut", "slippageBps", "type", "clientOrderId", "extra")
    }
    assert problem.code == "invalid_fields"


def test_a_problem_lists_at_most_twenty_fields() -> None:
    assert len(read_problem(json.dumps({str(n): n for n in range(200)})).errors) == 20


@pytest.mark.parametrize("amount", ['"1.5"', "1.5", "1.50", '"15e-1"', "15e-1", '"+1.5"'])
def test_an_amount_is_exact_in_every_form(amount: str) -> None:
    order_request = read_text(f'{{"tokenIn":"SOL","tokenOut":"USDC","amount":{amount}}}')
    assert order_request.terms.amount_in == 1_500_000_000
    assert order_request.request_hash == read_fields().request_hash


def test_a_number_keeps_digits_that_a_float_would_lose() -> None:
    text = '{"tokenIn":"SOL","tokenOut":"USDC","amountIn":18446744073.709551615}'
    assert read_text(text).terms.amount_in == 2**64 - 1


@given(
    amount=st.integers(1, 2**64 - 1),
    minimum=st.integers(1, 2**64 - 1),
    pair=st.permutations(KNOWN_TOKENS),
    slippage=st.integers(0, 10_000),
)
def test_whatever_is_valid_arrives_as_it_was_meant(
    amount: int, minimum: int, pair: list[Any], slippage: int
) -> None:
    token_in, token_out = pair[:2]
    terms = read_order(
        {
            "tokenIn": token_in.mint,
            "tokenOut": token_out.symbol.lower(),
            "amountIn": format_amount(amount, token_in.decimals),
            "minAmountOut": format_amount(minimum, token_out.decimals),
            "slippageBps": slippage,
        },
        TOKENS,
        50,
    ).terms
    assert (terms.token_in, terms.token_out) == (token_in, token_out)
    assert (terms.amount_in, terms.min_amount_out) == (amount, minimum)
    assert terms.slippage_bps == slippage


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
    | st.dictionaries(
        st.sampled_from(
            ["tokenIn", "tokenOut", "amount", "slippageBps", "slippage", "orderType", "amountIn"]
        ),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    )
)
def test_no_body_whatsoever_is_more_than_an_order_or_a_problem(value: object) -> None:
    try:
        order_request = read_text(json.dumps(value))
    except Problem as problem:
        json.dumps(problem.to_json()).encode()
    else:
        assert order_request.terms.amount_in > 0


def test_what_is_left_out_has_its_default() -> None:
    terms = read_fields(minAmountOut=None, slippageBps=None, type=None, clientOrderId=None).terms
    assert terms.slippage_bps == 50
    assert terms.min_amount_out is None
    assert terms.type is OrderType.MARKET
    assert (terms.token_in, terms.token_out) == (SOL, USDC)


def test_a_repeat_is_one_however_it_is_written() -> None:
    assert (
        read_fields(type="MARKET", tokenIn="sol").request_hash
        == read_fields(tokenOut=USDC.mint).request_hash
    )


SPELT = (
    {"amount": None, "amountIn": "1.5"},
    {"amountIn": 1.50},
    {"orderType": "MARKET"},
    {"orderType": "market", "type": "Market"},
)


@pytest.mark.parametrize("members", SPELT, ids=" ".join)
def test_an_order_in_other_spellings_is_the_same_order(members: dict[str, object]) -> None:
    assert read_text(json.dumps({**ORDER, **members})).request_hash == read_fields().request_hash


@pytest.mark.parametrize("slippage", ["0.01", '"0.01"', "0.0100", '".01"', "1e-2"])
def test_slippage_is_a_fraction(slippage: str) -> None:
    text = f'{{"tokenIn":"SOL","tokenOut":"USDC","amountIn":"1.5","slippage":{slippage}}}'
    assert read_text(text).terms.slippage_bps == 100
    assert read_text(text).request_hash == read_fields(slippageBps=100).request_hash


@pytest.mark.parametrize("slippage", ['"1%"', '"0,01"', "true", "1", "0.5"])
def test_a_slippage_that_is_no_fraction_is_refused_with_both_ways_to_write_it(
    slippage: str,
) -> None:
    text = f'{{"tokenIn":"SOL","tokenOut":"USDC","amount":"1.5","slippage":{slippage}}}'
    [error] = read_problem(text).errors
    assert "a fraction below 0.5 (0.01 is 1 %), or slippageBps in basis points" in error.reason


@given(st.decimals(0, 1, places=5))
def test_a_slippage_is_exactly_what_it_says_or_refused(slippage: Decimal) -> None:
    text = f'{{"tokenIn":"SOL","tokenOut":"USDC","amount":"1.5","slippage":{slippage}}}'
    bps = slippage * 10_000
    if slippage < Decimal("0.5") and bps == int(bps):
        assert read_text(text).terms.slippage_bps == bps
    else:
        error = read_problem(text).errors[0]
        assert error.field == "slippage"
        assert ("slippageBps" in error.reason) == (slippage >= Decimal("0.5"))


CLIENTS = {
    "fraction": '{"type":"market","tokenIn":"SOL","tokenOut":"USDC","amount":1.5,"slippage":0.01}',
    "capitals": '{"orderType":"MARKET","tokenIn":"SOL","tokenOut":"USDC","amountIn":"10"}',
    "basis points": '{"orderType":"market","tokenIn":"SOL","tokenOut":"USDC","amountIn":1.5,'
    '"slippageBps":100}',
    "ether": '{"tokenIn":"ETH","tokenOut":"USDC","amount":0.5,"slippage":0.005}',
    "bitcoin": '{"tokenIn":"USDT","tokenOut":"BTC","amountIn":100,"slippage":0.02}',
    "wrapped": '{"tokenIn":"WSOL","tokenOut":"weth","amountIn":10}',
}
"""What clients of other engines with this path send."""


@pytest.mark.parametrize("text", CLIENTS.values(), ids=CLIENTS.keys())
def test_clients_of_other_engines_are_understood(text: str) -> None:
    assert read_text(text).terms.amount_in > 0


def test_ether_and_bitcoin_are_their_wrapped_forms() -> None:
    assert TOKENS.find("eth", "tokenIn") == TOKENS.find(WETH.mint, "tokenIn") == WETH
    assert TOKENS.find("BTC", "tokenIn") == TOKENS.find(WBTC.mint, "tokenIn") == WBTC
    assert (WETH.decimals, WBTC.decimals) == (8, 8)


@pytest.mark.parametrize(
    "other",
    [
        {"amount": "1.6"},
        {"tokenOut": "USDT"},
        {"slippageBps": 50},
        {"minAmountOut": "1"},
        {"clientOrderId": "x"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_another_request_is_not_a_repeat(other: dict[str, object]) -> None:
    assert read_fields(**other).request_hash != read_fields().request_hash


def test_a_changed_default_does_not_make_a_repeat_another_request() -> None:
    assert read_order(ORDER, TOKENS, 100).request_hash == read_fields().request_hash


@pytest.mark.parametrize("name", ["type", "orderType", "clientOrderId", "timeInForce", "expiresAt"])
def test_a_quote_has_no_fields_of_an_order(name: str) -> None:
    with pytest.raises(Problem) as refused:
        read_quote({**ORDER, name: "x"}, TOKENS, 50)
    reason = "is not a known field: it belongs to an order, not to a quote"
    assert refused.value.errors[0] == (name, "unknown_field", reason)


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({}, "orders", "is required"),
        ({"orders": None}, "orders", "is required"),
        ({"orders": {}}, "orders", "must be an array"),
        ({"orders": "ab"}, "orders", "must be an array"),
        ({"orders": []}, "orders", "1 to 3 orders, not 0"),
        ({"orders": [1] * 4}, "orders", "1 to 3 orders, not 4"),
        ({"orders": [1], "x": 1}, "x", "is not a known field"),
        ([], "", "must be a JSON object"),
    ],
)
def test_a_batch_is_a_list_of_some_orders(body: object, field: str, words: str) -> None:
    with pytest.raises(Problem) as refused:
        read_batch(body, 3)
    assert refused.value.status == 422
    assert refused.value.errors[0].field == field
    assert words in refused.value.errors[0].reason

"""Amounts that are a share of what the wallet holds: how they are written, and what each is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from backend.api.wire.json import decode
from backend.api.wire.order_types.amounts import PLACEHOLDER, Holdings, names_share
from backend.api.wire.problems import Problem
from backend.api.wire.request_schemas import OrderRequest, read_order, read_quote
from backend.domain.amounts import U64_MAX, Token
from backend.domain.conditions import LOWEST_PRICE, Limit, Stop, StopLimit, get_awaited
from backend.domain.errors import Transient
from backend.domain.prices import PriceRatio
from backend.domain.tokens import SOL, USDC, TokenRegistry
from backend.domain.waiting.shares import (
    SHARE_TYPES,
    compute_share,
    format_share,
    is_share,
    parse_share,
)

Json = dict[str, Any]
STOP: Json = {"type": "stop", "triggerPrice": "95"}
CONDITIONS: dict[str, Json] = {
    "stop": STOP,
    "takeProfit": {"type": "takeProfit", "triggerPrice": "95"},
    "stopLimit": {"type": "stopLimit", "triggerPrice": "95", "limitPrice": "90"},
    "trailingStop": {"type": "trailingStop", "trailBps": 500},
}
OTHERS: dict[str, Json] = {
    "market": {},
    "limit": {"type": "limit", "limitPrice": "95"},
    "twap": {"type": "twap", "slices": 3, "intervalS": 5},
    "sniper": {"type": "sniper", "maxFeeBps": 100},
}
SHARES = {
    "all": 10_000,
    "100%": 10_000,
    "100.00%": 10_000,
    "50%": 5_000,
    "12.5%": 1_250,
    "0.01%": 1,
    "99.99%": 9_999,
    "05%": 500,
    "1.10%": 110,
}
BAD_SHARES = [
    *("0%", "0.00%", "0.001%", "100.001%", "100.01%", "101%", "-5%", "+5%", "1e1%", "%", "5 %"),
    *("all ", " all", "ALL", "All", "50%\n", "all\n", "5,5%", "½%", "٣%", "50%%", "1_0%", ".5%"),
]


def hold(amount: int) -> Holdings:
    def measure(token_in: Token, token_out: Token) -> int:
        assert (token_in, token_out) == (SOL, USDC)
        return amount

    return Holdings(measure)


def read(amount: object, holdings: Holdings | None = None, **members: object) -> OrderRequest:
    order = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": amount, **members}
    return read_order(
        decode(json.dumps(order)), TokenRegistry(), 50, holdings=holdings or hold(3 * 10**9)
    )


def refuse(amount: object, **members: Any) -> dict[str, str]:
    with pytest.raises(Problem) as caught:
        read(amount, **members)
    assert caught.value.status == 422
    return {each.field: each.reason for each in caught.value.errors}


@pytest.mark.parametrize(("text", "bps"), SHARES.items())
def test_a_share_is_read_exactly(text: str, bps: int) -> None:
    assert is_share(text)
    assert parse_share(text) == bps
    assert parse_share(format_share(bps)) == bps


def test_a_share_is_written_as_it_is_read() -> None:
    written = [bps for bps in range(1, 10_001) if parse_share(format_share(bps)) != bps]
    assert written == []


def test_the_whole_has_one_name() -> None:
    assert format_share(10_000) == "all"
    assert format_share(1_250) == "12.5%"


@pytest.mark.parametrize("text", BAD_SHARES)
def test_what_is_no_share_is_a_problem_that_names_the_field(text: str) -> None:
    assert is_share(text)
    with pytest.raises(ValueError, match='must be "all", or a percentage'):
        parse_share(text)
    errors = refuse(text, **STOP)
    assert errors.keys() == {"amount"}
    assert errors["amount"].startswith('must be "all", or a percentage from 0.01% to 100%')


@pytest.mark.parametrize("text", ["half", "50 percent", "", "none", "everything"])
def test_other_words_are_no_numbers(text: str) -> None:
    assert not is_share(text)
    assert "must be a decimal number" in refuse(text, **STOP)["amount"]


def test_a_number_without_a_percent_sign_is_an_amount() -> None:
    terms = read("50", **STOP).terms
    assert (terms.amount_in, terms.amount_in_bps) == (50 * 10**9, None)


@pytest.mark.parametrize(("free", "bps", "amount"), [
    (10, 10_000, 10),
    (999, 5_000, 499),
    (1, 9_999, 0),
    (U64_MAX, 9_999, U64_MAX * 9_999 // 10_000),
    (0, 10_000, 0),
])  # fmt: skip
def test_a_share_is_exact_and_rounded_down(free: int, bps: int, amount: int) -> None:
    assert compute_share(free, bps) == amount


@pytest.mark.parametrize("order_type", SHARE_TYPES)
def test_each_type_that_triggers_takes_a_share(order_type: str) -> None:
    request = read("50%", hold(3_000_000_001), **CONDITIONS[order_type])
    assert request.refusal is None
    assert request.terms.type == order_type
    assert (request.terms.amount_in, request.terms.amount_in_bps) == (1_500_000_000, 5_000)
    least = {"stopLimit": 135_000_000, "takeProfit": 142_500_000}
    assert request.terms.min_amount_out == least.get(order_type)


@pytest.mark.parametrize("order_type", OTHERS)
@pytest.mark.parametrize("name", ["amount", "amountIn"])
def test_the_others_say_which_types_take_one(order_type: str, name: str) -> None:
    order = {"tokenIn": "SOL", "tokenOut": "USDC", name: "all", **OTHERS[order_type]}
    assert names_share(order)
    with pytest.raises(Problem) as caught:
        read_order(order, TokenRegistry(), 50, holdings=hold(1))
    assert [each.field for each in caught.value.errors] == [name]
    assert "which stop, takeProfit, stopLimit and trailingStop orders take" in (
        caught.value.errors[0].reason
    )
    assert caught.value.errors[0].reason.endswith(f"amount of {order_type} orders as a number")


def test_a_minimum_of_an_amount_that_is_not_known_is_refused() -> None:
    errors = refuse("all", type="stopLimit", triggerPrice=95, minAmountOut=5)
    assert "give limitPrice" in errors["minAmountOut"]


def test_all_faults_of_a_body_are_told_together() -> None:
    errors = refuse("0%", type="stop", triggerPrice="x", slippageBps=-1)
    assert errors.keys() >= {"amount", "slippageBps"}


def test_a_quote_takes_no_share() -> None:
    with pytest.raises(Problem) as caught:
        read_quote({"tokenIn": "SOL", "tokenOut": "USDC", "amount": "all"}, TokenRegistry(), 50)
    assert caught.value.errors[0].field == "amount"


def test_the_share_of_nothing_is_refused_unless_it_was_accepted_before() -> None:
    nothing = read("all", hold(0), **STOP)
    assert isinstance(nothing.refusal, Problem)
    assert [each.field for each in nothing.refusal.errors] == ["amount"]
    assert "holds no SOL" in nothing.refusal.errors[0].reason
    assert nothing.terms.amount_in == PLACEHOLDER
    unknown = read("all", Holdings(error=Transient("holdings_unknown", "no answer")), **STOP)
    assert isinstance(unknown.refusal, Transient)
    less_than_one = read("0.01%", hold(9_999), **STOP)
    assert isinstance(less_than_one.refusal, Problem)
    order = {"tokenIn": "SOL", "tokenOut": "USDC", "amountIn": "all", **STOP}
    spelled = read_order(order, TokenRegistry(), 50, holdings=hold(0)).refusal
    assert isinstance(spelled, Problem)
    assert spelled.errors[0].field == "amountIn"


@pytest.mark.parametrize("order_type", SHARE_TYPES)
def test_the_hash_of_a_request_is_of_what_its_client_wrote(order_type: str) -> None:
    members = CONDITIONS[order_type]
    request_hash = read("all", hold(7), **members).request_hash
    assert read("100%", hold(10**12), **members).request_hash == request_hash
    assert read("all", hold(0), **members).request_hash == request_hash
    assert read("50%", hold(7), **members).request_hash != request_hash
    assert read("0.000000007", **members).request_hash != request_hash


def test_both_names_of_the_amount_may_say_the_same() -> None:
    assert read("50%", amountIn="50%", **STOP).terms.amount_in_bps == 5_000
    with pytest.raises(Problem):
        read("50%", amountIn="all", **STOP)


def test_what_was_to_be_sold_at_the_market_waits_for_something_to_sell_only() -> None:
    stop, at = Stop(PriceRatio(95, 1)), PriceRatio(90, 1)
    assert get_awaited(stop, is_triggered=False) is stop
    assert get_awaited(stop, is_triggered=True) == Limit(LOWEST_PRICE)
    assert get_awaited(StopLimit(stop.trigger, at), is_triggered=True) == Limit(at)

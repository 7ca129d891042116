"""Batches generated from a form."""

from __future__ import annotations

import json
import shlex
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.model import batch_plan as plan
from tui.model.batch_plan import DEFAULTS, InvalidPlan
from tui.model.messages import WireOrderTerms
from tui.settings import BatchForm

PRICES = {"SOL/USDC": Decimal("142.5"), "JUP/USDC": Decimal("0.9"), "BONK/SOL": Decimal("2e-7")}


def generate_orders(**fields: str) -> list[WireOrderTerms]:
    return list(plan.parse_form(DEFAULTS | fields).generate_orders(PRICES.get))


def find_errors(**fields: str) -> BatchForm:
    with pytest.raises(InvalidPlan) as error:
        plan.parse_form(DEFAULTS | fields)
    return error.value.errors


def test_the_same_seed_gives_the_same_orders() -> None:
    assert generate_orders(seed="7") == generate_orders(seed="7")
    assert generate_orders(seed="7") != generate_orders(seed="8")


def test_orders_match_the_fields() -> None:
    orders = generate_orders(
        count="50", pairs="SOL/USDC JUP/USDC", side="sell", slippage="0.25", minimum="3"
    )
    assert len(orders) == 50
    assert {order["tokenIn"] for order in orders} == {"SOL", "JUP"}
    for order in orders:
        assert Decimal("0.5") <= Decimal(order["amount"]) <= 25
        assert (order["tokenOut"], order["slippageBps"]) == ("USDC", 25)
        assert (order["minAmountOut"], order["type"]) == ("3", "market")


def test_amounts_of_the_base_token_are_the_same_on_both_sides() -> None:
    orders = generate_orders(count="200", low="10", high="10")
    assert {order["amount"] for order in orders if order["tokenIn"] == "SOL"} == {"10.00"}
    assert {order["amount"] for order in orders if order["tokenIn"] == "USDC"} == {"1425.00"}


def test_a_buy_in_the_base_token_needs_a_price() -> None:
    with pytest.raises(InvalidPlan, match="no price of RAY/USDC"):
        generate_orders(pairs="RAY/USDC", side="buy")
    assert generate_orders(pairs="RAY/USDC", side="buy", of="in")


@pytest.mark.parametrize(
    ("fields", "invalid_field"),
    [
        ({"count": "0"}, "count"),
        ({"count": "ten"}, "count"),
        ({"count": "10001"}, "count"),
        ({"pairs": ""}, "pairs"),
        ({"pairs": "SOLUSDC"}, "pairs"),
        ({"pairs": "SOL/SOL"}, "pairs"),
        ({"low": "0"}, "low"),
        ({"low": "30"}, "high"),
        ({"low": "0.000001"}, "low"),
        ({"high": "NaN"}, "high"),
        ({"high": "1e999"}, "high"),
        ({"slippage": "101"}, "slippage"),
        ({"slippage": "-1"}, "slippage"),
        ({"minimum": "0"}, "minimum"),
        ({"seed": "-1"}, "seed"),
        ({"type": "limit"}, "limit"),
        ({"side": "both"}, "side"),
    ],
)
def test_an_invalid_field_is_named(fields: BatchForm, invalid_field: str) -> None:
    assert set(find_errors(**fields)) == {invalid_field}


def test_all_errors_are_reported_together() -> None:
    assert set(find_errors(count="x", pairs="", seed="y")) == {"count", "pairs", "seed"}


@given(st.dictionaries(st.sampled_from(sorted(DEFAULTS)), st.text(max_size=12)))
def test_no_text_in_a_field_breaks_it(fields: dict[str, str]) -> None:
    try:
        orders = plan.parse_form(DEFAULTS | fields)
    except InvalidPlan:
        return
    assert orders.count > 0


@given(low=st.decimals("0.00001", "1000", places=5), more=st.decimals("0", "1000", places=5))
def test_amounts_are_short_exact_and_within_their_range(low: Decimal, more: Decimal) -> None:
    orders = generate_orders(count="20", side="sell", low=str(low), high=str(low + more))
    for order in orders:
        amount = Decimal(order["amount"])
        assert 0 < amount <= low + more
        assert len(order["amount"].partition(".")[2]) <= 5


@pytest.mark.parametrize("name", plan.PRESETS)
def test_a_preset_is_valid(name: str) -> None:
    assert plan.parse_form(DEFAULTS | plan.PRESETS[name]).count > 0


def test_totals_are_scaled_from_a_sample() -> None:
    orders = generate_orders(count="4", side="sell", low="2", high="2")
    assert plan.describe_totals(orders, 400) == "800.000 SOL"


def test_a_curl_command_carries_the_orders_and_a_key() -> None:
    words = shlex.split(
        plan.build_curl_command("http://127.0.0.1:3000", generate_orders(count="3"), "the key")
    )
    assert words[:3] == ["curl", "-sS", "http://127.0.0.1:3000/api/orders/batch"]
    assert "Idempotency-Key: the key" in words
    assert json.loads(words[-1])["orders"] == generate_orders(count="3")

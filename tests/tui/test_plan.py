"""Batches generated from a form."""

from __future__ import annotations

import json
import shlex
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.model.plan import batch_plan as plan
from tui.model.plan.batch_plan import DEFAULTS
from tui.model.plan.form_reader import InvalidPlan
from tui.model.wire import WireOrderTerms
from tui.settings import BatchForm

NOW_MS = 1_795_000_000_000
PRICES = {"SOL/USDC": Decimal("142.5"), "JUP/USDC": Decimal("0.9"), "BONK/SOL": Decimal("2e-7")}


def generate_orders(**fields: str) -> list[WireOrderTerms]:
    return list(plan.parse_form(DEFAULTS | fields, NOW_MS).generate_orders(PRICES.get))


def find_errors(**fields: str) -> BatchForm:
    with pytest.raises(InvalidPlan) as error:
        plan.parse_form(DEFAULTS | fields, NOW_MS)
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


def test_a_pasted_mint_is_a_token_as_any_other() -> None:
    mint = "8opHzTAnfzRpPEx21XtnrVTX28YQuCpAjcn1PczScKh"
    pair = f"{mint}/USDC"
    for order in generate_orders(count="9", pairs=pair, side="sell", type="limit", limit="2"):
        assert (order["tokenIn"], order["tokenOut"]) == (mint, "USDC")
    form = plan.parse_form(DEFAULTS | {"pairs": pair, "side": "buy"}, NOW_MS)
    for order in form.generate_orders({pair: Decimal(2)}.get):
        assert (order["tokenIn"], order["tokenOut"]) == ("USDC", mint)


def test_amounts_of_the_base_token_are_the_same_on_both_sides() -> None:
    orders = generate_orders(count="200", low="10", high="10")
    assert {order["amount"] for order in orders if order["tokenIn"] == "SOL"} == {"10.00"}
    assert {order["amount"] for order in orders if order["tokenIn"] == "USDC"} == {"1425.00"}


def test_amounts_of_all_pairs_are_worth_the_same_if_they_are_given_in_usdc() -> None:
    prices = {"SOL/USDC": Decimal("142.5"), "BONK/USDC": Decimal("0.00002134")}
    form = DEFAULTS | {"count": "60", "pairs": "SOL/USDC BONK/SOL", "of": "value"}
    batch = plan.parse_form(form | {"low": "50", "high": "50"}, NOW_MS)
    assert batch.needed_prices == ["SOL/USDC", "BONK/USDC"]
    amounts = {
        order["tokenIn"]: Decimal(order["amount"]) for order in batch.generate_orders(prices.get)
    }
    assert amounts == {"USDC": 50, "SOL": Decimal("0.3508"), "BONK": 2_343_017}
    with pytest.raises(InvalidPlan) as error:
        list(batch.generate_orders({"SOL/USDC": Decimal(1)}.get))
    assert "no price of BONK/USDC" in error.value.errors["of"]


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
        ({"type": "stop"}, "trigger"),
        ({"type": "stopLimit", "trigger": "140"}, "limit"),
        ({"type": "takeProfit", "trigger": "0"}, "trigger"),
        ({"type": "takeProfit", "trigger": "1", "then": "sell"}, "then"),
        ({"type": "trailingStop", "trail": ""}, "trail"),
        ({"type": "trailingStop", "trail": "0.4"}, "trail"),
        ({"type": "trailingStop", "trail": "50.1"}, "trail"),
        ({"type": "trailingStop", "activation": "x"}, "activation"),
        ({"type": "limit", "limit": "1", "price_of": "both"}, "price_of"),
        ({"type": "stop", "trigger": "1", "force": "ioc"}, "force"),
        ({"force": "day"}, "force"),
        ({"force": "gtd", "until": ""}, "until"),
        ({"side": "both"}, "side"),
    ],
)
def test_an_invalid_field_is_named(fields: BatchForm, invalid_field: str) -> None:
    assert set(find_errors(**fields)) == {invalid_field}


def test_all_errors_are_reported_together() -> None:
    assert set(find_errors(count="x", pairs="", seed="y")) == {"count", "pairs", "seed"}


def test_what_orders_wait_for_is_of_the_same_token_on_both_sides() -> None:
    """The base token is what a sell sells, and what a buy buys."""
    orders = generate_orders(count="40", type="stopLimit", trigger="140", limit="139.5")
    prices = {(order["tokenIn"], order["priceOf"]) for order in orders}
    assert prices == {("SOL", "tokenIn"), ("USDC", "tokenOut")}
    assert {(order["triggerPrice"], order["limitPrice"]) for order in orders} == {("140", "139.5")}
    [order] = generate_orders(count="1", side="buy", type="limit", limit="1", price_of="quote")
    assert order["priceOf"] == "tokenIn"


def test_an_order_has_the_fields_of_its_type_only() -> None:
    filled = {"limit": "1", "trigger": "2", "activation": "3", "trail": "2.55", "minimum": "4"}
    sent = {
        name: set(generate_orders(**filled, count="1", type=name)[0])
        - {"tokenIn", "tokenOut", "amount", "slippageBps", "type"}
        for name in ("market", "limit", "stop", "takeProfit", "stopLimit", "trailingStop")
    }
    assert sent == {
        "market": {"minAmountOut"},
        "limit": {"limitPrice", "priceOf"},
        "stop": {"triggerPrice", "priceOf"},
        "takeProfit": {"triggerPrice", "priceOf", "then"},
        "stopLimit": {"triggerPrice", "limitPrice", "priceOf"},
        "trailingStop": {"trailBps", "activationPrice", "priceOf"},
    }
    [trail] = generate_orders(**filled, count="1", type="trailingStop")
    assert trail["trailBps"] == 255


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "stop", "trigger": "140"},
        {"type": "trailingStop"},
        {"type": "takeProfit", "trigger": "160", "then": "market"},
        {"type": "oco", "profit": "160", "loss": "140"},
    ],
    ids=lambda fields: fields["type"],
)
def test_the_engine_sets_the_slippage_of_what_a_trigger_sells(fields: BatchForm) -> None:
    for order in generate_orders(**fields, count="1", slippage="0.5"):
        assert "slippageBps" not in order
    for order in generate_orders(**fields, count="1", trigger_slippage="2"):
        assert order["slippageBps"] == 200
    with pytest.raises(InvalidPlan):
        plan.parse_form({**DEFAULTS, **fields}, 0, needs_slippage=True)


@pytest.mark.parametrize(
    ("text", "expiry"),
    [
        ("2h", "2026-11-18T13:06:40Z"),
        ("1d 12h", "2026-11-19T23:06:40Z"),
        ("90s", "2026-11-18T11:08:10Z"),
        ("2026-11-21T16:09Z", "2026-11-21T16:09:00Z"),
        ("2026-11-21 16:09:30+01:00", "2026-11-21T15:09:30Z"),
    ],
)
def test_an_expiry_is_a_duration_or_a_time_with_its_zone(text: str, expiry: str) -> None:
    [order] = generate_orders(count="1", force="gtd", until=text)
    assert (order["timeInForce"], order["expiresAt"]) == ("gtd", expiry)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("tomorrow", "write 2h, 1d or 2026-11-21T16:09Z"),
        ("2", "write 2h"),
        ("0s", "must be later than now"),
        ("2020-01-01T00:00Z", "must be later than now"),
        ("367d", "must be within 366 days"),
        ("9999999w", "must be within 366 days"),
        ("2026-11-21T16:09", "needs its zone"),
        ("0001-01-01T00:00+23:59", "write 2h"),
    ],
)
def test_an_expiry_that_is_none_is_refused_with_a_sentence(text: str, reason: str) -> None:
    assert find_errors(force="gtd", until=text)["until"].startswith(reason)


@given(st.dictionaries(st.sampled_from(sorted(DEFAULTS)), st.text(max_size=12)))
def test_no_text_in_a_field_breaks_it(fields: dict[str, str]) -> None:
    try:
        orders = plan.parse_form(DEFAULTS | fields, NOW_MS)
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
    assert plan.parse_form(DEFAULTS | plan.PRESETS[name], NOW_MS).count > 0


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

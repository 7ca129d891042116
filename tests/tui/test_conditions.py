"""Orders that wait for a price: what the model keeps of them, and how it is put into words."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from typing import Any, cast

import pytest

from tests.tui.wire import START_MS, order_event, order_events, order_id, stored_order, timestamp
from tui.connection.order_sender import build_resubmit_terms
from tui.model.conditions import describe_awaited, format_awaited_short, format_trail
from tui.model.counts.rates import Rates
from tui.model.messages import Events
from tui.model.model import Model
from tui.model.orders import Order
from tui.model.plan.sense import describe_sense
from tui.model.wire import WireOrder, WireOrderTerms
from tui.output.cancellation import count_open, describe_chances, describe_order
from tui.output.export import order_to_record
from tui.output.order_detail import render_order_detail
from tui.output.timeline import TextContext
from tui.table.columns import COLUMNS
from tui.text.format import join_text
from tui.text.symbols import ASCII, UNICODE

LIMIT: dict[str, Any] = {"type": "limit", "limitPrice": "152.3", "priceOf": "tokenIn"}
BUY = {"tokenIn": "USDC", "tokenOut": "SOL", "amountIn": "500"}
STOP_LIMIT: dict[str, Any] = {"type": "stopLimit", "triggerPrice": "140", "limitPrice": "139.5"}
TRAIL = {"type": "trailingStop", "trailBps": 250, "confirmations": 2}
MET: dict[str, Any] = {
    "executablePrice": "139.9",
    "triggerPrice": "140",
    "priceOf": "tokenIn",
    "slot": 7,
    "dex": "raydium",
}


def place_order(*statuses: str, **terms: Any) -> Order:
    order = Order(order_id(1))
    for event in order_events(1, ("pending", *statuses), **terms):
        order.apply_event(event)
    return order


def describe(order: Order, *, is_ascii: bool = False) -> str:
    assert order.condition is not None
    return describe_awaited(
        order.condition,
        order.token_in,
        order.token_out,
        ASCII if is_ascii else UNICODE,
        is_triggered=order.is_triggered,
    )


def detail_text(order: Order, cells: int = 80, now_ms: int = START_MS) -> str:
    lines = render_order_detail(order, Rates(), TextContext(UNICODE, UTC, cells, now_ms))
    return "\n".join(map(join_text, lines))


@pytest.mark.parametrize(
    ("terms", "text", "short"),
    [
        (LIMIT, "≥ 152.3 USDC per SOL", "≥152.3"),
        (BUY | LIMIT | {"priceOf": "tokenOut"}, "≤ 152.3 USDC per SOL", "≤152.3"),
        ({"type": "stop", "triggerPrice": "1234.5678"}, "≤ 1,234.5678 USDC per SOL", "≤1234.57"),
        (
            BUY | {"type": "stop", "triggerPrice": "160", "priceOf": "tokenOut"},
            "≥ 160 USDC per SOL",
            "≥160",
        ),
        ({"type": "takeProfit", "triggerPrice": "160"}, "≥ 160 USDC per SOL", "≥160"),
        (STOP_LIMIT, "≤ 140 USDC per SOL", "≤140"),
        (TRAIL, "trails 2.5 %", "-2.5%"),
        (TRAIL | {"activationPrice": "155"}, "trails 2.5 % from 155 USDC per SOL", "-2.5%"),
        ({"type": "limit", "limitPrice": "0.00002134"}, "≥ 0.00002134 USDC per SOL", "≥0.0₄213"),
        ({"type": "limit", "limitPrice": "0.0095238095238"}, "≥ 0.009524 USDC per SOL", "≥0.00952"),
        ({"type": "limit", "limitPrice": "123456789"}, "≥ 123,456,789 USDC per SOL", "≥123M"),
    ],
)
def test_what_an_order_waits_for_is_said_in_words_and_in_a_cell(
    terms: dict[str, Any], text: str, short: str
) -> None:
    order = place_order("waiting", **terms)
    assert order.condition is not None
    assert describe(order) == text
    assert format_awaited_short(order.condition, UNICODE, is_triggered=False) == short
    assert COLUMNS["price"].format_cell(order, 0, UNICODE) == (short, "waiting", "")
    in_ascii = format_awaited_short(order.condition, ASCII, is_triggered=False)
    assert in_ascii.isascii()
    assert max(len(short), len(in_ascii)) <= COLUMNS["price"].cells


def test_a_trailing_distance_is_told_exactly() -> None:
    shown = {bps: format_trail(bps) for bps in range(1, 5_001)}
    assert all(Decimal(text) * 100 == bps for bps, text in shown.items())
    assert [shown[bps] for bps in (1, 10, 250, 1_000, 5_000)] == ["0.01", "0.1", "2.5", "10", "50"]


def test_a_stop_limit_waits_for_its_limit_once_its_trigger_was_met() -> None:
    order = place_order("waiting", **STOP_LIMIT)
    assert "WAITS     ≤ 140 USDC per SOL, then limit 139.5" in detail_text(order)
    order.apply_event(order_event(1, 3, "routing", 400, **MET))
    assert (order.is_triggered, order.dex) == (True, None)
    assert "MET AT    139.9 USDC per SOL on raydium, slot 7" in detail_text(order)
    code: dict[str, Any] = {
        "code": "min_out_not_met",
        "reason": "below the minimum",
        "waitMs": 1_000,
    }
    order.apply_event(order_event(1, 4, "waiting", 500, **code))
    assert "WAITS     ≥ 139.5 USDC per SOL" in detail_text(order)
    assert "then limit" not in detail_text(order)


def test_a_stored_order_keeps_its_condition_and_its_expiry() -> None:
    events = order_events(
        1, ("pending", "waiting"), **STOP_LIMIT, timeInForce="gtd", expiresAt=timestamp(7_200_000)
    )
    stored = cast(
        WireOrder,
        stored_order(events) | {**events[0], "isTriggered": True, "status": "waiting", "seq": 4},
    )
    order = Order(order_id(1))
    order.load_stored(stored)
    assert describe(order) == "≥ 139.5 USDC per SOL"
    assert order.expires_ms == START_MS + 7_200_000
    assert ", in 2h00m" in detail_text(order)


def test_the_slippage_is_told_of_what_is_sold_at_the_market() -> None:
    order = place_order("waiting", **TRAIL, slippageBps=300)
    assert "trails 2.5 %, then market with slippage ≤ 3.00%" in detail_text(order)
    assert all(len(line) <= 40 for line in detail_text(order, cells=40).splitlines())


def test_what_waits_is_counted_apart_from_what_is_in_flight() -> None:
    model = Model()
    for number in (1, 2, 3):
        events = order_events(number, ("pending", "waiting"), **LIMIT, batchId="a-batch")
        model.apply(Events(events), START_MS)
    assert (model.counters.by_status["waiting"], model.counters.in_flight) == (3, 0)
    batch = model.counters.batches.get("a-batch")
    assert batch is not None
    assert (batch.total, batch.waiting, batch.left) == (3, 3, 0)
    model.apply(Events([order_event(1, 3, "routing", 400)]), START_MS)
    assert (batch.waiting, batch.left, model.counters.in_flight) == (2, 1, 1)
    end = [order_event(1, seq, status, 900) for seq, status in ((4, "submitted"), (5, "confirmed"))]
    model.apply(Events(end), START_MS)
    assert (batch.waiting, batch.left, batch.ended) == (2, 0, 1)
    assert model.counters.rates.duration_percentiles_ms() is None  # the market's time is no latency
    assert model.counters.rates.median_phase_ms("waiting") is None


def test_a_cancellation_names_what_waits() -> None:
    order = place_order("waiting", **LIMIT)
    assert describe_order(order) == "limit sell SOL/USDC, 1 SOL"
    assert describe_chances(count_open([order])) == "What is cancelled is never executed."


def test_an_order_is_sent_again_with_its_condition() -> None:
    order = place_order(
        "waiting",
        **STOP_LIMIT,
        minAmountOut="139.5",
        timeInForce="gtd",
        expiresAt=timestamp(7_200_000),
    )
    terms = build_resubmit_terms(order, now_ms=START_MS)
    assert {name: terms.get(name) for name in STOP_LIMIT} == STOP_LIMIT
    assert (terms["timeInForce"], terms["expiresAt"]) == ("gtd", "2026-11-18T13:06:40.000Z")
    assert "minAmountOut" not in terms
    late = build_resubmit_terms(order, now_ms=START_MS + 7_200_001)
    assert {"timeInForce", "expiresAt"}.isdisjoint(late)


def test_an_export_has_the_condition() -> None:
    record = order_to_record(place_order("waiting", **STOP_LIMIT))
    assert (record["triggerPrice"], record["limitPrice"]) == ("140", "139.5")
    assert (record["trailBps"], record["timeInForce"], record["expiresAt"]) == (None, "gtc", None)


def sense(market: str, **terms: object) -> str:
    order = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1", **terms}
    return describe_sense(cast(WireOrderTerms, order), Decimal(market))


def test_an_order_is_compared_with_the_market() -> None:
    def limit(price: str, **terms: object) -> str:
        return sense("100", type="limit", limitPrice=price, **terms)

    def stop(price: str, **terms: object) -> str:
        return sense("100", type="stop", triggerPrice=price, **terms)

    assert limit("104.8") == "this limit is 4.8 % above the market and would wait"
    assert limit("98") == "this limit is 2.0 % below the market and would fill now"
    assert limit("100") == "this limit is at the market and would fill now"
    assert limit("105", timeInForce="ioc").endswith("above the market and would expire unfilled")
    assert stop("95") == "this stop is 5.0 % below the market and would wait"
    assert stop("105") == "this stop is 5.0 % above the market and would trigger at once"
    assert sense("100", type="market") == ""
    assert sense("0", type="limit", limitPrice="1") == ""
    profit = sense("100", type="takeProfit", triggerPrice="110")
    assert profit == "this take-profit is 10.0 % above the market and would wait"
    beyond = sense("100", type="stopLimit", triggerPrice="95", limitPrice="96")
    assert beyond.endswith("its limit is better than its trigger and may not be had then")


def test_the_price_of_a_purchase_is_compared_the_other_way_round() -> None:
    buy: dict[str, object] = {"tokenIn": "USDC", "tokenOut": "SOL", "priceOf": "tokenOut"}
    below = sense("0.01", type="limit", limitPrice="95", **buy)
    assert below == "this limit is 5.0 % below the market and would wait"
    above = sense("0.01", type="limit", limitPrice="105", **buy)
    assert above == "this limit is 5.0 % above the market and would fill now"
    stop = sense("0.01", type="stop", triggerPrice="95", **buy)
    assert stop == "this stop is 5.0 % below the market and would trigger at once"
    trail = sense("0.01", type="trailingStop", trailBps=200, activationPrice="100", **buy)
    assert "would trigger at 102.0408 USDC per SOL or later, 2 % above the best" in trail


def test_a_trailing_stop_says_where_it_begins() -> None:
    assert sense("100", type="trailingStop", trailBps=200) == (
        "it would trigger at 98.0000 USDC per SOL or later, 2 % below the best from now on"
    )
    later = sense(
        "100", type="trailingStop", trailBps=200, activationPrice="110", priceOf="tokenIn"
    )
    assert later == "it begins to trail 10.0 % above the market"

"""Orders that belong together, their distance to the market, and what the form makes of them."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from typing import Any

import pytest

from tests.tui.waiting import group_messages
from tests.tui.wire import START_MS, order_event, order_events, order_id
from tui.connection.order_canceller import CancelOutcome
from tui.model.filters import OrderFilter
from tui.model.messages import Events
from tui.model.model import Model
from tui.model.orders import Order
from tui.model.plan import batch_plan
from tui.model.plan.amendment import build_changes, build_form, explain_refusal
from tui.model.plan.batch_plan import DEFAULTS
from tui.model.plan.form_reader import InvalidPlan
from tui.model.plan.sense import describe_senses
from tui.model.wire import WireOrderTerms
from tui.output.cancellation import (
    describe_cancelled_slices,
    describe_effects,
    describe_outcome,
)
from tui.output.order_detail import render_order_detail
from tui.output.timeline import TextContext
from tui.screens.order_rows import get_hint
from tui.table.columns import COLUMNS
from tui.text.format import join_text
from tui.text.symbols import UNICODE

NOW_MS = START_MS + 61_000
MINT = "9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin"


@pytest.fixture
def model() -> Model:
    model = Model()
    for recorded in group_messages():
        model.apply(recorded.message, recorded.at_ms)
    return model


def get_order(model: Model, number: int) -> Order:
    return model.orders[order_id(number)]


def detail_text(model: Model, number: int) -> str:
    order, rates = get_order(model, number), model.counters.rates
    context = TextContext(UNICODE, UTC, 80, NOW_MS, model.groups)
    return "\n".join(map(join_text, render_order_detail(order, rates, context)))


def cell(order: Order, column: str) -> str:
    return COLUMNS[column].format_cell(order, NOW_MS, UNICODE).text


def plan_orders(**fields: str) -> list[WireOrderTerms]:
    form = DEFAULTS | {"count": "1", "side": "buy", "of": "in", "low": "500", "high": "500"}
    return list(batch_plan.parse_form(form | fields, NOW_MS).generate_orders(lambda _: None))


def find_errors(**fields: str) -> dict[str, str]:
    with pytest.raises(InvalidPlan) as refused:
        plan_orders(**fields)
    return refused.value.errors


def test_children_are_below_their_parent_and_told_with_it(model: Model) -> None:
    newest_first = [order.short_id[-1] for order in reversed(model.sorted_orders)]
    assert newest_first == ["7", "6", "4", "5", "1", "2", "3"]
    assert cell(get_order(model, 2), "time") == "└0000002"
    entry = detail_text(model, 1)
    assert "CHILDREN  ◇ 00000002 takeProfit ≥ 160 USDC per SOL" in entry
    assert "          ◇ 00000003 trailingStop trails 3 %" in entry
    profit = detail_text(model, 2)
    assert "OCO WITH  ◇ 00000003 trailingStop trails 3 %" in profit
    assert "PARENT    ● 00000001 market buy 500 USDC" in profit
    assert "BRACKET   stop ≤ 0.0069 USDC per SOL" in detail_text(model, 6)


def test_the_distance_to_the_market_is_told_and_filtered_by(model: Model) -> None:
    assert "DISTANCE  5.05 % to go; the market is at 152.31 USDC per SOL" in detail_text(model, 2)
    trailing = "BEST      153.9 so far, so it triggers at 149.2830 USDC per SOL"
    assert trailing in detail_text(model, 3)
    assert "BEST      0.00659 since it was placed" in detail_text(model, 6)
    assert [cell(get_order(model, number), "bps") for number in (2, 3, 6)] == [
        "5.0%",
        "2.0%",
        "0.6%",
    ]
    near = OrderFilter.parse("status:open distance<300")
    orders = [order for order in model.sorted_orders if near.matches(order, NOW_MS)]
    assert {order.id for order in orders} == {order_id(3), order_id(6)}
    model.apply(Events([order_event(6, 3, "waiting", 62_000, limitPrice="0.007")]), NOW_MS)
    amended = get_order(model, 6)
    assert (amended.distance, cell(amended, "price")) == (None, "≥0.007")


def test_the_progress_of_slices_is_drawn(model: Model) -> None:
    text = detail_text(model, 4)
    assert "SLICES    ██████░░░░░░░░░░░░░░ 3 of 10" in text
    assert "FILLED    3 of 10 SOL, for 457.2 USDC" in text
    assert "AVERAGE   152.4 USDC per SOL" in text
    assert "PACE      every 30 s, give or take 10 %, next in 14 s" in text
    twap = get_order(model, 4)
    assert cell(twap, "price") == "█░░ 3/10"
    assert twap.price == Decimal("152.4")


def test_a_cancellation_says_what_it_does_to_the_others(model: Model) -> None:
    effects = [describe_effects(get_order(model, number), model.groups) for number in (2, 4, 6, 7)]
    assert effects == [
        "The other order of its OCO, 00000003 trailingStop, goes on.",
        "3 of 10 slices are placed; no other one will be. 3 SOL of 10 SOL is swapped.",
        "Its take-profit and stop are then never placed.",
        "",
    ]


def test_a_cancelled_order_says_what_its_slices_have_swapped(model: Model) -> None:
    twap = get_order(model, 4)
    reason = {"code": "cancelled_by_request", "reason": "cancelled by its owner"}
    slices = [
        event
        for number in (8, 9, 10, 11)
        for event in order_events(number, start_ms=61_000, parentId=order_id(4))
    ]
    placed = order_event(4, 3, "waiting", 61_000, slice=6)
    cancelled = order_event(4, 4, "cancelled", 62_000, **reason)
    model.apply(Events([placed, *slices[:-1], cancelled]), NOW_MS)
    text = "cancelled after 6 of 10 slices; 4 SOL of 10 SOL was swapped"
    assert describe_cancelled_slices(twap, model.groups) == f"{text}, 1 slice may still land"
    model.apply(Events(slices[-1:]), NOW_MS)
    text = text.replace("4 SOL", "5 SOL")
    assert text in detail_text(model, 4)
    assert "before anything was sent" not in detail_text(model, 4)
    assert "FILLED    5 of 10 SOL\n" in detail_text(model, 4)
    [one, many] = CancelOutcome(1, cancelled=1), CancelOutcome(3, cancelled=3)
    assert describe_outcome(one, [text]) == text
    assert describe_outcome(many, [text]) == (
        f"cancelled 3, what is left of them will never be executed; 1 had slices: {text}"
    )
    untouched = get_order(model, 6)
    assert describe_cancelled_slices(untouched, model.groups) == ""


def test_a_bracket_is_priced_by_what_the_entry_receives() -> None:
    [buy] = plan_orders(type="limit", limit="150", profit="160", loss_trail="3", confirmations="3")
    common = {"confirmations": 3, "priceOf": "tokenIn"}
    assert buy["bracket"] == {
        "takeProfit": {"triggerPrice": "160", "then": "limit", **common},
        "stop": {"trailBps": 300, **common},
    }
    assert buy["priceOf"] == "tokenOut"
    [sell] = plan_orders(type="market", side="sell", loss="170")
    assert sell["bracket"] == {"stop": {"triggerPrice": "170", "priceOf": "tokenOut"}}
    assert describe_senses(buy, 1 / Decimal(155)) == [
        "this limit is 3.2 % below the market and would wait",
        "its take-profit is 3.2 % above the market and would wait",
        "its stop would trigger at 150.3500 USDC per SOL or later, 3 % below the best from now on",
    ]
    assert "bracket" not in plan_orders(type="market")[0]


@pytest.mark.parametrize(
    ("fields", "ways"),
    [
        ({"side": "sell", "profit": "160"}, "sell the profit lies below, the stop above, in USDC"),
        ({"side": "sell", "loss": "150"}, "sell the profit lies below, the stop above, in USDC"),
        ({"side": "buy", "profit": "150"}, "buy the profit lies above, the stop below, in USDC"),
        (
            {"side": "buy", "loss": "0.006", "price_of": "quote"},
            "buy the profit lies below, the stop above, in SOL",
        ),
    ],
)
def test_a_leg_that_would_trigger_at_once_says_where_it_should_lie(
    fields: dict[str, str], ways: str
) -> None:
    [order] = plan_orders(type="market", **fields)
    price = Decimal(155) if fields["side"] == "sell" else 1 / Decimal(155)
    [sense] = describe_senses(order, price)
    assert f"would trigger at once: of a {ways} per " in sense
    profit, stop = (get_hint(row, DEFAULTS | fields) for row in ("profit", "loss"))
    assert f"profit lies {profit.rpartition(' ')[2]}, the stop {stop.partition(',')[0]}" in sense


def test_an_oco_is_two_orders_with_one_label() -> None:
    orders = plan_orders(type="oco", count="2", profit="140", profit_then="market", loss="160")
    assert [order["ocoGroup"] for order in orders] == ["1", "1", "2", "2"]
    profit, stop = orders[:2]
    assert (profit["type"], profit["triggerPrice"], profit["then"]) == (
        "takeProfit",
        "140",
        "market",
    )
    assert (stop["type"], stop["triggerPrice"], stop["priceOf"]) == ("stop", "160", "tokenOut")
    assert profit["amount"] == stop["amount"]
    assert batch_plan.sum_amounts_in(orders) == {"USDC": Decimal(1_000)}
    assert set(find_errors(type="oco")) == {"profit", "loss"}
    assert set(find_errors(type="oco", profit="1", loss="2", loss_trail="3", force="fok")) == {
        "loss",
        "force",
    }


def test_slices_and_guards_are_written_as_the_wire_has_them() -> None:
    [twap] = plan_orders(type="twap", slices="20", interval="1m30s", jitter="10", limit="150")
    written = {name: twap.get(name) for name in ("slices", "intervalS", "jitterBps", "limitPrice")}
    assert written == {"slices": 20, "intervalS": 90, "jitterBps": 1_000, "limitPrice": "150"}
    assert set(find_errors(type="twap", slices="1", interval="soon")) == {"slices", "interval"}
    fields = {"mint": MINT, "liquidity": "10000", "fee": "1", "locked": "95", "age": "5m"}
    [sniper] = plan_orders(type="sniper", dexes="raydium", looks="2", impact="3", **fields)
    assert (sniper["tokenIn"], sniper["tokenOut"]) == ("USDC", MINT)
    guards = {
        "minLiquidity": "10000",
        "mintAuthorityRevoked": True,
        "freezeAuthorityNone": True,
        "maxFeeBps": 100,
        "lpLockedMinBps": 9_500,
        "maxPoolAgeS": 300,
        "dexes": ["raydium"],
        "looks": 2,
        "maxPriceImpactBps": 300,
    }
    assert {name: sniper.get(name) for name in guards} == guards
    assert set(find_errors(type="sniper", fee="101")) == {"mint", "fee"}


def test_an_amendment_has_what_was_changed_and_nothing_else(model: Model) -> None:
    before = build_form(get_order(model, 2))
    form = before | {"trigger": "155.5", "slippage": "1", "force": "gtd", "until": "1h"}
    [terms] = batch_plan.parse_form(form, NOW_MS).generate_orders(lambda _: None)
    assert build_changes(terms, form, before) == {
        "triggerPrice": "155.5",
        "slippageBps": 100,
        "expiresAt": "2026-11-18T12:07:41Z",
    }
    assert build_changes(terms, before, before) == {}
    refused = {number: explain_refusal(get_order(model, number)) for number in (1, 4, 6)}
    assert refused == {
        1: "00000001 is confirmed: only what waits can be amended",
        4: "00000004 is of type twap: cancel it and place another",
        6: "",
    }


def test_an_event_of_an_amendment_changes_the_order(model: Model) -> None:
    amended: dict[str, Any] = {
        "triggerPrice": "161",
        "amountIn": "2",
        "expiresAt": "2026-11-18T12:07:41Z",
        "timeInForce": "gtd",
    }
    model.apply(Events([order_event(2, 3, "waiting", 62_000, **amended)]), NOW_MS)
    order = get_order(model, 2)
    assert order.condition is not None
    assert order.condition.to_terms() == {
        "triggerPrice": "161",
        "priceOf": "tokenIn",
        "then": "limit",
    }
    form = build_form(order)
    assert (form["low"], form["force"]) == ("2", "gtd")
    assert form["until"].startswith("2026-11-18T12:07:41")

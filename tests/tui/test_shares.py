"""Orders that sell a share of what the wallet holds: in the form, in the model and in words."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tui.connection.order_sender import build_resubmit_terms
from tui.model.orders import Order
from tui.model.plan.amendment import build_changes, build_form
from tui.model.plan.batch_plan import DEFAULTS, BatchPlan, describe_totals, parse_form
from tui.model.plan.form_reader import InvalidPlan
from tui.model.plan.question import describe_question, name_answer
from tui.model.wire import WireOrderTerms
from tui.output.cancellation import describe_order
from tui.output.export import order_to_record

FORM = {
    **DEFAULTS,
    "count": "1",
    "side": "sell",
    "type": "stop",
    "trigger": "95",
    "low": "all",
    "high": "all",
}
DIALOG_COLUMNS = 72
"""What a dialog has for text in a terminal of 80 columns."""
AT = "2026-11-22T04:10:12.915876Z"
PENDING: dict[str, Any] = {
    "orderId": "01a20172-1111-7000-8000-000000000001",
    "seq": 1,
    "status": "pending",
    "at": AT,
    "attempt": 1,
    "type": "stop",
    "tokenIn": "SOL",
    "tokenOut": "USDC",
    "amountIn": "12.5",
    "amountInShare": "all",
    "slippageBps": 300,
    "triggerPrice": "95",
    "priceOf": "tokenIn",
    "confirmations": 2,
}
WAITING: dict[str, Any] = {
    "orderId": PENDING["orderId"],
    "seq": 2,
    "status": "waiting",
    "at": AT,
    "attempt": 1,
}


def plan(**fields: str) -> BatchPlan:
    return parse_form({**FORM, **fields}, 0)


def refuse(**fields: str) -> dict[str, str]:
    with pytest.raises(InvalidPlan) as caught:
        plan(**fields)
    return caught.value.errors


def apply(*events: dict[str, Any]) -> Order:
    order = Order(PENDING["orderId"])
    for event in (PENDING, WAITING, *events):
        order.apply_event(event)  # type: ignore[arg-type]
    return order


@pytest.mark.parametrize("share", ["all", "50%", "0.01%", "100%"])
def test_an_order_of_a_share_is_built_as_it_was_written(share: str) -> None:
    [terms] = plan(low=share, high=share).generate_orders(lambda name: None)
    assert (terms["amount"], terms["type"]) == (share, "stop")
    assert describe_totals([terms], 1) == f"{share} of SOL"


def test_a_buy_of_a_share_needs_no_price() -> None:
    [terms] = plan(side="buy").generate_orders(lambda name: None)
    assert (terms["amount"], terms["tokenIn"]) == ("all", "USDC")


def test_both_orders_of_an_oco_may_sell_all() -> None:
    both = plan(type="oco", profit="120", loss="80").generate_orders(lambda name: None)
    assert [terms["amount"] for terms in both] == ["all", "all"]


def sell(amount: str, sold: str = "SOL", order_type: str = "stop") -> WireOrderTerms:
    return {"tokenIn": sold, "tokenOut": "USDC", "amount": amount, "type": order_type}


def test_a_share_is_asked_about_whatever_the_limit_as_its_value_is_not_known() -> None:
    assert describe_question([sell("all")], None, 10**12) == [
        "1 order sells all of SOL that the wallet holds at the trigger:",
        "its value is not known before",
    ]
    assert name_answer([sell("all")], None) == "Place 1 order"
    many = [sell("50.25%"), sell("50.25%", order_type="takeProfit")] * 5_000
    lines = describe_question(many, None, 150_000)
    assert lines[0] == "10,000 orders sell 50.25% of SOL that the wallet holds at the trigger:"
    assert max(map(len, lines)) <= DIALOG_COLUMNS


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, ""),
        (Decimal(1_200), ", about 1,200 USDC"),
        (Decimal(200_000), ", about 200,000 USDC: more than 150,000 USDC"),
    ],
    ids=["unknown", "below", "above"],
)
def test_amounts_are_told_beside_the_shares_of_the_same_plan(
    value: Decimal | None, told: str
) -> None:
    orders = [sell("6"), sell("all", "JUP"), sell("6")]
    lines = describe_question(orders, value, 150_000)
    assert lines == [
        f"12.000 SOL in 2 orders{told}",
        "1 order sells all of JUP that the wallet holds at the trigger:",
        "its value is not known before",
    ]
    assert max(map(len, lines)) <= DIALOG_COLUMNS
    assert name_answer(orders, value) == "Place 3 orders"


def test_amounts_alone_are_asked_about_above_the_limit_only() -> None:
    orders = [sell("6"), sell("6")]
    assert describe_question(orders, None, 150_000) == []
    assert describe_question(orders, Decimal(150_000), 150_000) == []
    assert describe_question(orders, Decimal(150_001), 150_000) == [
        "12.000 SOL in 2 orders, about 150,001 USDC: more than 150,000 USDC"
    ]
    assert name_answer(orders, Decimal(150_001)) == "Place about 150,001 USDC"


@pytest.mark.parametrize("share", ["0%", "100.001%", "-5%", "ALL", "50 %"])
def test_what_is_no_share_is_said_beside_the_amount(share: str) -> None:
    assert refuse(low=share, high=share) == {"low": "write all, or 0.01% to 100%"}


def test_other_types_take_no_share_and_a_range_has_none() -> None:
    assert refuse(type="market") == {"low": "a share is of orders that trigger"}
    assert refuse(high="50%") == {"high": "must be all too"}


def test_the_amount_is_an_estimate_until_the_release_decides_it() -> None:
    order = apply()
    assert describe_order(order) == "stop sell SOL/USDC, all of SOL, about 12.5"
    released = {"executablePrice": "94", "amountIn": "7.25", "amountInShare": "all"}
    order = apply({**WAITING, "seq": 3, "status": "routing", **released})
    assert order.amount_in == "7.25"
    assert describe_order(order) == "stop sell SOL/USDC, 7.25 SOL, all of what was free"


def test_an_amendment_tells_a_share_and_takes_it_back() -> None:
    order = apply({**WAITING, "seq": 3, "amountIn": "6", "amountInShare": "50%"})
    assert (order.amount_in, order.share) == ("6", "50%")
    taken_back = {**WAITING, "seq": 4, "amountIn": "2", "amountInShare": None}
    order = apply({**WAITING, "seq": 3, "amountIn": "6", "amountInShare": "50%"}, taken_back)
    assert (order.amount_in, order.share) == ("2", None)
    assert describe_order(order).endswith("SOL/USDC, 2 SOL")


def test_it_is_amended_sent_again_and_exported_by_its_share() -> None:
    order = apply()
    before = build_form(order)
    assert (before["low"], before["high"]) == ("all", "all")
    changed = {**before, "low": "25%", "high": "25%"}
    [terms] = parse_form(changed, 0).generate_orders(lambda name: Decimal(1))
    assert build_changes(terms, changed, before) == {"amount": "25%"}
    assert build_resubmit_terms(order, now_ms=0)["amount"] == "all"
    assert order_to_record(order)["amountInShare"] == "all"

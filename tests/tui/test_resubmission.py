"""Failed orders that are sent again: what the server reads of them, and which are left out."""

from __future__ import annotations

from typing import Any

import pytest

from backend.api.wire.request_schemas import OrderRequest, read_order
from backend.domain.condition_fields import format_condition
from backend.domain.groups.bracket_fields import format_bracket
from backend.domain.prices import PriceOf
from backend.domain.tokens import TokenRegistry
from backend.domain.waiting.guards import GUARD_NAMES
from tests.tui.waiting import BUY, PROFIT, SNIPER, TRAIL, TWAP
from tests.tui.wire import order_event, order_id
from tui.connection.order_sender import build_resubmit_terms
from tui.model.orders import Order
from tui.model.plan.resubmission import explain_left_out, explain_none_sent, list_left_out

OF_ITS_OWN: dict[str, Any] = {"parentId": None, "ocoGroup": None, "bracket": None}
GUARDS: dict[str, Any] = {
    "minLiquidity": "10000",
    "mintAuthorityRevoked": True,
    "maxTransferFeeBps": 0,
    "maxFeeBps": 100,
    "lpLockedMinBps": 9_500,
    "maxPoolAgeS": 300,
    "dexes": ["meteora"],
    "looks": 2,
}
PROFIT_LEG: dict[str, Any] = {"triggerPrice": "160", "confirmations": 3, "then": "market"}
STOP_LEG: dict[str, Any] = {"triggerPrice": "140", "slippageBps": 450}
TRAILING_LEG: dict[str, Any] = {"trailBps": 1_000, "confirmations": 1}


def read(terms: Any) -> OrderRequest:
    return read_order(terms, TokenRegistry(), 50, None, 300)


def fail(number: int = 1, **terms: Any) -> Order:
    order = Order(order_id(number))
    order.apply_event(order_event(number, 1, "pending", 0, **OF_ITS_OWN | terms))
    order.apply_event(order_event(number, 2, "failed", 10))
    return order


def send_again(request: OrderRequest) -> OrderRequest:
    """Read the terms that the dashboard sends for an order, from what the API tells of it."""
    terms, condition = request.terms, request.terms.condition
    pair = terms.token_in, terms.token_out
    bracket = None if request.bracket is None else format_bracket(request.bracket, *pair)
    waits: dict[str, Any] = {}
    if condition is not None:
        waits |= format_condition(condition, terms.price_of, *pair)
    told: dict[str, Any] = {
        "type": terms.type.value,
        "tokenIn": pair[0].symbol,
        "tokenOut": pair[1].symbol,
    }
    failed = fail(**told, amountIn="5", **waits, bracket=bracket, slippageBps=terms.slippage_bps)
    return read(build_resubmit_terms(failed, now_ms=0))


@pytest.mark.parametrize(
    "bracket",
    [
        {"takeProfit": PROFIT_LEG, "stop": STOP_LEG},
        {"takeProfit": {"triggerPrice": "160"}},
        {"stop": TRAILING_LEG},
        {"takeProfit": PROFIT_LEG, "stop": TRAILING_LEG | {"activationPrice": "150"}},
        {
            "takeProfit": {"triggerPrice": "0.006", "priceOf": "tokenOut"},
            "stop": {"triggerPrice": "0.007", "priceOf": "tokenOut"},
        },
    ],
    ids=["both", "profit", "trailing", "both_trailing", "priced_by_the_other_token"],
)
@pytest.mark.parametrize("entry", [{}, {"type": "limit", "limitPrice": "0.0066"}])
def test_an_entry_is_sent_again_with_its_bracket(
    entry: dict[str, str], bracket: dict[str, Any]
) -> None:
    body = {"tokenIn": "USDC", "tokenOut": "SOL", "amount": "5", **entry, "bracket": bracket}
    request = read(body)
    assert request.bracket is not None
    again = send_again(request)
    assert (again.terms, again.bracket) == (request.terms, request.bracket)


def test_a_sniper_is_sent_again_with_its_guards() -> None:
    body = {"tokenIn": "USDC", "tokenOut": "JUP", "amount": "5", "type": "sniper"}
    for name in GUARD_NAMES:
        if name in GUARDS:
            request = read({**body, name: GUARDS[name]})
            assert send_again(request).terms == request.terms != read(body).terms
    request = read(body | GUARDS | {"freezeAuthorityNone": True})
    assert send_again(request).terms == request.terms
    assert request.terms.price_of is PriceOf.TOKEN_IN


def test_an_order_is_left_out_of_whose_amount_a_part_may_be_swapped() -> None:
    of_parent, of_oco = {"parentId": order_id(9)}, {"ocoGroup": order_id(8)}
    limit = BUY | {"type": "limit", "limitPrice": "150"}
    twap = fail(1, **TWAP, slices=10, intervalS=30)
    slices = [fail(2, **of_parent), fail(3, **limit | of_parent)]
    legs = [fail(4, **PROFIT | of_oco), fail(5, **PROFIT | of_parent | of_oco)]
    sent = [fail(6), fail(7, **TRAIL | of_parent), fail(8, **SNIPER), fail(9, **limit)]
    assert [explain_left_out(order) for order in sent] == ["", "", "", ""]
    left_out = [twap, *slices, *legs]
    assert list_left_out([*left_out, *sent]) == [
        "1 left out: slices of a TWAP may have swapped a part: place the rest as a new order",
        "2 left out: the TWAP of a slice swaps its amount later: place what it leaves at its end",
        "2 left out: the other order of an OCO may be executed too: cancel it, place both anew",
    ]
    assert explain_none_sent(None, []) == "no failed order is shown"
    assert explain_none_sent(None, left_out) == "\n".join(list_left_out(left_out))
    assert explain_none_sent(None, [*left_out, *sent]) == ""
    assert explain_none_sent(sent[0], [*left_out, *sent]) == ""
    told = explain_none_sent(twap, [*left_out, *sent])
    assert told.startswith(f"{twap.short_id} is not sent again: slices of a TWAP may have swapped")

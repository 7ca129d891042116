"""The cap on the price impact in the dashboard: what is shown, and what is sent again."""

from __future__ import annotations

from typing import Any, cast

from tests.tui.test_detail import render_events
from tests.tui.wire import ROUTE, order_event, order_id
from tui.connection.order_sender import build_resubmit_terms
from tui.model.orders import Order

REASON = "the price impact, 9.1 % on meteora, is above the cap of 5 %"
REFUSED = {"code": "price_impact_too_high", "reason": REASON}


def build_route(*, refused: bool) -> dict[str, Any]:
    raydium, meteora = cast("list[dict[str, Any]]", ROUTE["quotes"])
    quotes = [raydium, {**meteora, "refused": REFUSED} if refused else meteora]
    return {**ROUTE, "dex": "raydium", "quotes": quotes}


def test_a_failed_order_names_the_price_impact_and_what_to_do() -> None:
    events = [order_event(1, 1, "pending", 0), order_event(1, 2, "routing", 10)]
    text = "\n".join(render_events(*events, order_event(1, 3, "failed", 20, **REFUSED)))
    assert "price_impact_too_high" in text
    assert "9.1 % on meteora" in text
    assert "split it into smaller orders" in text


def test_a_quote_above_the_cap_is_no_offer_that_was_passed_over() -> None:
    events = [order_event(1, 1, "pending", 0), order_event(1, 2, "routing", 10)]
    lines = render_events(*events, order_event(1, 3, "building", 20, **build_route(refused=True)))
    [meteora] = [line for line in lines if line.strip().startswith("meteora")]
    assert meteora.split() == ["meteora", "price_impact_too_high"]
    assert not any("bps more" in line for line in lines)


def test_an_order_is_sent_again_with_its_cap_and_without_one_if_it_had_none() -> None:
    order = Order(order_id(1))
    order.apply_event(order_event(1, 1, "pending", 0))
    assert "maxPriceImpactBps" not in build_resubmit_terms(order, now_ms=0)
    order.apply_event(order_event(1, 1, "pending", 0, maxPriceImpactBps=0))
    assert build_resubmit_terms(order, now_ms=0)["maxPriceImpactBps"] == 0

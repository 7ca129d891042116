"""Routes in the dashboard: what the model keeps of them, the list, and the filter."""

from __future__ import annotations

from decimal import Decimal
from typing import cast

import pytest

from tests.tui.route_records import (
    CLMM,
    DLMM,
    HOPS,
    QUOTES,
    SINGLE,
    SPLIT,
    Record,
    route_messages,
    routed_events,
    routed_order,
)
from tests.tui.sessions import StaticSource, make_session
from tests.tui.test_detail import make_model
from tests.tui.wire import START_MS, order_events, order_id
from tui.console import ConsoleOutput
from tui.model.filters import OrderFilter
from tui.model.messages import Page
from tui.model.model import Model
from tui.model.orders import Order
from tui.model.routes.legs import group_by_path
from tui.model.routes.route import Route
from tui.model.wire import WireOrder
from tui.output.export import describe_field
from tui.quotes import describe_legs
from tui.table.layouts import select_columns
from tui.text.format import format_share
from tui.text.symbols import UNICODE


def make_order(route: Record, **terms: str) -> Order:
    return make_model(*routed_events(1, route, **terms)).orders[order_id(1)]


def show_venue(order: Order, cells: int) -> str:
    [column] = [each for each in select_columns(cells) if each.key == "dex"]
    return column.format_cell(order, START_MS, UNICODE).text


def test_what_a_route_pays_is_expected_and_not_received() -> None:
    model = make_model(*routed_events(1, SPLIT)[:3])
    order = model.orders[order_id(1)]
    assert (order.status, order.amount_out, order.price) == ("building", None, None)
    assert order.route is not None
    assert order.route.expected_amount_out == Decimal("1420.000067")
    stored = Order(order_id(1))
    record = {**routed_order(1, SPLIT), "status": "building", "amountOut": None}
    stored.load_stored(cast(WireOrder, record))
    assert (stored.amount_out, stored.leg_count) == (None, 2)


def test_a_stored_route_is_that_of_the_event() -> None:
    model = make_model()
    page = [cast(WireOrder, routed_order(1, SPLIT))]
    model.apply(Page(page, is_last=True, is_all=True), START_MS)
    stored, live = model.orders[order_id(1)].route, make_order(SPLIT).route
    assert stored is not None
    assert live is not None
    assert (stored.legs, stored.quotes, stored.missing) == (live.legs, live.quotes, live.missing)
    assert stored.leg_venues is live.leg_venues  # shared: tens of thousands are in memory


def test_an_execution_is_compared_with_all_legs_together() -> None:
    events = routed_events(1, SPLIT)
    events[-1]["amountOut"] = "1418.580067"
    order = make_model(*events).orders[order_id(1)]
    assert order.improvement_bps is not None
    assert f"{order.improvement_bps:.2f}" == "-10.00"


@pytest.mark.parametrize(
    ("route", "bps"),
    [(SPLIT, "3.1"), (SINGLE, "10.6"), ({**SPLIT, "improvementBps": None}, None)],
    ids=["split", "single", "not-compared"],
)
def test_the_gap_is_to_the_best_that_was_not_chosen(route: Record, bps: str | None) -> None:
    gap = make_order(route).quote_gap_bps
    assert (None if gap is None else f"{gap:.1f}") == bps


def test_savings_are_those_of_the_route() -> None:
    savings = make_model(*routed_events(1, SPLIT)).counters.savings
    assert f"{savings.rate_bps:.1f}" == "3.1"
    assert f"{savings.dollars:.2f}" == "0.44"


def test_an_exchange_that_quotes_one_of_its_pools_does_not_fail() -> None:
    missing = [{"dex": "meteora", "pool": "x", "code": "venue_timeout", "reason": "slow"}] * 3
    for quotes, failing in ((QUOTES, []), (QUOTES[:1], ["meteora"])):
        route = {**SPLIT, "quotes": quotes, "unavailable": missing}
        model = Model()
        for number in range(1, 6):
            model = make_model(
                *(event for each in range(1, number + 1) for event in routed_events(each, route))
            )
        health = model.counters.venue_health
        assert health.list_failing(START_MS + 6_000) == failing


def test_the_list_names_the_exchange_and_how_many_legs_more() -> None:
    assert show_venue(make_order(SPLIT), 79) == "ray +1"
    assert show_venue(make_order(SPLIT), 80) == "raydium +1"
    assert show_venue(make_order(SPLIT), 110) == "raydium 62% · meteora 38%"
    assert show_venue(make_order(HOPS, tokenOut="JUP"), 110) == "raydium +2"
    chain = {**HOPS, "legs": HOPS["legs"][:2]}
    assert show_venue(make_order(chain, tokenOut="JUP"), 110) == "raydium → meteora"
    thirds = [{**leg, "share": "0.3", "tokenIn": "SOL", "tokenOut": "USDC"} for leg in HOPS["legs"]]
    three = make_order({**SPLIT, "legs": thirds})
    assert show_venue(three, 110) == "ray 30% · met 30% · ray 30%"


@pytest.mark.parametrize("cells", [79, 80, 110, 160])
def test_the_list_shows_an_order_of_one_leg_as_it_does_without_legs(cells: int) -> None:
    assert show_venue(make_order(SINGLE), cells) == "meteora"
    order = make_model(*order_events(1)).orders[order_id(1)]
    assert show_venue(order, cells) == "meteora"
    assert show_venue(make_model(*order_events(1)[:1]).orders[order_id(1)], cells) == "·"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("dex:meteora", {"split", "single"}),
        ("dex:raydium", {"split"}),
        ("dex:clmm", {"split"}),
        ("dex:meteora/dlmm !dex:raydium", {"single"}),
    ],
)
def test_an_order_is_found_by_each_of_its_venues(words: str, found: set[str]) -> None:
    orders = {"split": make_order(SPLIT), "single": make_order(SINGLE)}
    order_filter = OrderFilter.parse(words)
    assert {name for name, each in orders.items() if order_filter.matches(each, START_MS)} == found


def test_the_pools_of_an_order_can_be_copied() -> None:
    assert describe_field(make_order(SPLIT), "pools") == f"{CLMM}\n{DLMM}"
    assert describe_field(make_model(*order_events(1)).orders[order_id(1)], "pools") is None


def test_a_route_that_is_not_taken_yet_is_told_in_one_line() -> None:
    assert describe_legs(Route(SPLIT), "→") == "Raydium CLMM 62% + Meteora DLMM 38%"
    assert describe_legs(Route(SINGLE), "→") == "Meteora DLMM"
    assert describe_legs(Route({**HOPS, "legs": HOPS["legs"][:2]}), "→") == (
        "Raydium CLMM → Meteora DLMM"
    )


def test_legs_that_lead_nowhere_are_shown_too() -> None:
    legs = Route(HOPS).legs
    assert [path.tokens for path in group_by_path(legs, "SOL", "JUP")] == [
        ("SOL", "USDC", "JUP"),
        ("SOL", "JUP"),
    ]
    [rest] = group_by_path(legs, "BONK", "JUP")
    assert (rest.tokens, rest.legs) == ((), legs)


@pytest.mark.parametrize(
    ("share", "text"),
    [("1", "100%"), ("0.62", "62%"), ("0.625", "62.5%"), ("0.0004", "<0.1%"), ("0", "0%")],
)
def test_a_share_is_short(share: str, text: str) -> None:
    assert format_share(Decimal(share)) == text


async def test_plain_output_tells_a_split_without_an_amount() -> None:
    lines: list[str] = []
    await ConsoleOutput(make_session(StaticSource(route_messages())), lines.append).run()
    [building] = [line for line in lines if order_id(4) in line and "building" in line]
    assert building.endswith("SOL raydium +1")
    assert any(line.endswith("raydium for 1,420.0 USDC") for line in lines)

"""Routes in the dashboard: what the model keeps of them, the list, the detail, and the filter."""

from __future__ import annotations

from decimal import Decimal
from typing import cast

import pytest

from tests.tui.route_records import (
    CLMM,
    CPMM,
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
from tests.tui.test_detail import make_model, render_lines
from tests.tui.wire import START_MS, order_events, order_id
from tui.connection.order_sender import build_resubmit_terms
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
from tui.table.columns import select_columns
from tui.text.format import format_share
from tui.text.symbols import ASCII, UNICODE

NARROW_CELLS, WIDE_CELLS, WIDEST_CELLS = 38, 76, 110
"""The panes of the detail in 120x40 and in 80x24, and one of a large terminal."""


def make_order(route: Record, **terms: str) -> Order:
    return make_model(*routed_events(1, route, **terms)).orders[order_id(1)]


def render(route: Record, cells: int = NARROW_CELLS, **terms: str) -> list[str]:
    model = make_model(*routed_events(1, route, **terms))
    return render_lines(model, model.orders[order_id(1)], cells=cells)


def take_section(lines: list[str], title: str) -> list[str]:
    start = next(number for number, line in enumerate(lines) if line.startswith(title))
    return lines[start : lines.index("", start)]


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
    assert f"{savings.mean_bps:.1f}" == "3.1"
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


def test_a_split_is_shown_leg_by_leg() -> None:
    assert take_section(render(SPLIT), "ROUTE") == [
        "ROUTE              share    fee impact",
        "  Raydium CLMM       62%  0.04%  0.31%",
        "  6.2 SOL → 880.412345 USDC  7Xaw…bEmX",
        "  Meteora DLMM       38%  0.10%  0.12%",
        "  3.8 SOL → 539.587722 USDC  5rCf…AS6H",
        "  price impact 0.09%, 3.1 bps better",
        "  than the best single pool",
        "  at least 1,412.4622 USDC",
    ]


def test_a_route_through_other_tokens_names_them() -> None:
    lines = take_section(render(HOPS, WIDE_CELLS, tokenOut="JUP"), "ROUTE")
    assert [line.strip() for line in lines if "→" in line and "." not in line] == [
        "SOL → USDC → JUP",
        "SOL → JUP",
    ]
    assert lines[1] == "  SOL → USDC → JUP"
    assert lines[3] == f"  7 SOL → 994.21 USDC  {CLMM}"
    assert lines[6] == "  SOL → JUP"
    assert "41.2 bps better than the best single pool" in lines[-2]


def test_a_route_of_one_leg_is_shown_with_its_pool() -> None:
    lines = render(SINGLE, WIDE_CELLS)
    assert take_section(lines, "ROUTE")[1:] == [
        "  Meteora DLMM      100%  0.10%  0.12%",
        f"  10 SOL → 1,419.56 USDC  {DLMM}",
        "  at least 1,412.4622 USDC",
    ]
    assert "  Meteora DLMM pays 10.6 bps more" in lines
    assert any(line.startswith("EXECUTED  1,419.56 USDC on meteora") for line in lines)


def test_all_quotes_are_shown_the_best_first_and_the_refused_marked() -> None:
    lines = take_section(render(SPLIT), "QUOTES")
    assert lines == [
        "QUOTES               price  fee impact",
        "▸ Meteora DLMM    141.9560 0.10% 0.12%",
        "▸ Raydium CLMM    141.8062 0.04% 0.31%",
        "  Meteora DAMM v2 140.2000 0.25% 1.04%",
        "  Raydium CPMM    139.8400 0.25% 1.23%",
        "✕ Raydium AMM v4 price_impact_too_high",
        "✕ Meteora DLMM   venue_timeout",
        "  3 pools were not quoted",
    ]


@pytest.mark.parametrize("cells", [NARROW_CELLS, WIDE_CELLS, WIDEST_CELLS])
@pytest.mark.parametrize("symbols", [UNICODE, ASCII], ids=["shapes", "ascii"])
def test_every_route_fits_into_the_pane(cells: int, symbols: object) -> None:
    for route in (SINGLE, SPLIT, HOPS):
        model = make_model(*routed_events(1, route, tokenOut="JUP"))
        lines = render_lines(model, model.orders[order_id(1)], cells=cells, symbols=symbols)  # type: ignore[arg-type]
        sections = take_section(lines, "ROUTE") + take_section(lines, "QUOTES")
        assert max(map(len, sections)) <= cells
        assert CPMM in "\n".join(sections) or cells < WIDEST_CELLS


def test_amounts_of_many_digits_are_not_cut_off() -> None:
    [clmm, dlmm] = SPLIT["legs"]
    long = {**clmm, "amountIn": "123456.123456789", "amountOut": "98765432.123456"}
    lines = take_section(render({**SPLIT, "legs": [long, dlmm]}), "ROUTE")
    assert lines[2:5] == [
        "  123,456.123456789 SOL →",
        "  98,765,432.123456 USDC  7Xawh…EbEmX",
        "  Meteora DLMM       38%  0.10%  0.12%",
    ]
    almost = {**clmm, "amountIn": "3456.12345", "amountOut": "6543.123456"}
    lines = take_section(render({**SPLIT, "legs": [almost, dlmm]}), "ROUTE")
    assert lines[2:4] == ["  3,456.12345 SOL → 6,543.123456 USDC", "  7Xawhbbx…U5EEbEmX"]


def test_fees_and_amounts_of_a_split_are_those_of_its_pools() -> None:
    lines = render(SPLIT)
    assert "EXECUTED  1,420.000067 USDC in 2 pools" in lines
    assert "  0.01 SOL to the pools" in lines


def test_what_a_later_version_adds_is_ignored() -> None:
    more = {"later": [1], "score": None}
    legs = [{**leg, **more} for leg in SPLIT["legs"]]
    quotes = [{**quote, **more} for quote in QUOTES]
    known = render(SPLIT)
    assert render({**SPLIT, **more, "legs": legs, "quotes": quotes}) == known
    program = {**SINGLE, "program": "clamm", "legs": [{**SINGLE["legs"][0], "program": "clamm"}]}
    assert any("Meteora clamm" in line for line in render(program))


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


def test_what_an_order_asks_of_its_route_is_shown_and_sent_again() -> None:
    asked: Record = {"dexes": ["raydium/clmm", "meteora"], "excludeDexes": ["meteora/dlmm"]}
    asked |= {"pools": [CLMM], "maxLegs": 2, "maxHops": 1}
    model = make_model(*order_events(1, ("pending", "routing", "failed"), **asked))
    order = model.orders[order_id(1)]
    text = " ".join(" ".join(render_lines(model, order, cells=WIDE_CELLS)).split())
    assert (
        f"ROUTED only raydium/clmm, meteora, not meteora/dlmm, in no pool but {CLMM}, "
        "legs at most 2, direct"
    ) in text
    terms = build_resubmit_terms(order, now_ms=0)
    assert {name: terms.get(name) for name in asked} == asked


async def test_plain_output_tells_a_split_without_an_amount() -> None:
    lines: list[str] = []
    await ConsoleOutput(make_session(StaticSource(route_messages())), lines.append).run()
    [building] = [line for line in lines if order_id(4) in line and "building" in line]
    assert building.endswith("SOL raydium +1")
    assert any(line.endswith("raydium for 1,420.0 USDC") for line in lines)

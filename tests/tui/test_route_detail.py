"""Routes in the detail of an order: legs, hops, what a split brings, and the quotes of pools."""

from __future__ import annotations

import pytest

from tests.tui.route_records import (
    CLMM,
    CPMM,
    DLMM,
    HOPS,
    LONE,
    QUOTES,
    SINGLE,
    SPLIT,
    Record,
    routed_events,
)
from tests.tui.test_detail import make_model, render_lines
from tests.tui.test_routes import show_venue
from tests.tui.wire import START_MS, order_events, order_id
from tui.connection.order_sender import build_resubmit_terms
from tui.model.filters import OrderFilter
from tui.output.export import describe_field
from tui.text.symbols import ASCII, UNICODE

NARROW_CELLS, WIDE_CELLS, WIDEST_CELLS = 38, 76, 110
"""The panes of the detail in 120x40 and in 80x24, and one of a large terminal."""


def render(route: Record, cells: int = NARROW_CELLS, **terms: str) -> list[str]:
    model = make_model(*routed_events(1, route, **terms))
    return render_lines(model, model.orders[order_id(1)], cells=cells)


def take_section(lines: list[str], title: str) -> list[str]:
    start = next(number for number, line in enumerate(lines) if line.startswith(title))
    return lines[start : lines.index("", start)]


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


def test_a_route_of_one_leg_may_have_only_the_quote_of_its_pool() -> None:
    events = routed_events(1, LONE)
    events[-1]["amountOut"] = "1418.14044"
    order = make_model(*events).orders[order_id(1)]
    assert f"{order.improvement_bps:.2f} {order.quote_gap_bps:.2f}" == "-10.00 10.56"
    lines = render(LONE, WIDE_CELLS)
    assert not any(line.startswith("ROUTE") for line in lines)
    assert take_section(lines, "QUOTES")[1].startswith("▸ Meteora DLMM")
    assert take_section(lines, "QUOTES")[-2:] == [
        "  Meteora DLMM pays 10.6 bps more",
        "  at least 1,412.4622 USDC",
    ]
    assert describe_field(order, "pools") == DLMM
    assert OrderFilter.parse("dex:dlmm !dex:raydium").matches(order, START_MS)
    assert show_venue(order, 79) == "meteora"


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

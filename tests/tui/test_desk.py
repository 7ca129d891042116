"""The views of positions and markets: what they show, what is asked for, and when."""

from __future__ import annotations

import asyncio
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.integration.apis import RunningApi
from tests.tui.desk_messages import (
    BARS,
    MISSING_BARS,
    bars,
    fill,
    market_messages,
    positions_message,
    route,
)
from tests.tui.servers import show_live_dashboard
from tests.tui.sessions import (
    NARROW,
    WIDE,
    StaticSource,
    get_dashboard,
    make_session,
    press_keys,
    screen_text,
    show_dashboard,
    wait_for,
    wait_until_drawn,
)
from tests.tui.waiting import LIMIT, PROFIT, TRAIL, waiting_messages
from tests.tui.wire import START_MS, order_events, order_id
from tui.connection.recording import RecordedMessage
from tui.model.connection_state import ConnectionStatus
from tui.model.desk.holdings import add_up_holdings, list_shortages
from tui.model.desk.levels import list_levels
from tui.model.desk.market import Bar, Fill, Market, MarketChoice, find_best_prices, read_pools
from tui.model.messages import ViewProblem
from tui.model.model import Model
from tui.model.orders import Order
from tui.model.pairs import PairTokens
from tui.output.desk.chart import AXIS_CELLS, ChartContext, render_chart
from tui.output.desk.positions import describe_shortage
from tui.polls.polling import poll_while_live
from tui.screens.cancel import CancelScreen
from tui.text.format import join_text, line_width
from tui.text.symbols import ASCII, UNICODE
from tui.text.views import POSITIONS

SOL = PairTokens("SOL", "USDC")


def load_model() -> Model:
    model = Model()
    for message in waiting_messages():
        model.apply(message.message, message.at_ms)
    return model


def test_what_waiting_orders_sell_together_is_told_before_it_is_too_much() -> None:
    orders = load_model().sorted_orders
    message = positions_message(sol="3")
    told = list_shortages(add_up_holdings(message.wallets, message.positions["positions"]), orders)
    [shortage] = [each for each in told if each.token == "SOL"]
    assert shortage.free == 1
    assert describe_shortage(shortage).startswith(f"orders that wait sell {shortage.needed:f} SOL")
    rich = positions_message(sol="3000")
    holdings = add_up_holdings(rich.wallets, rich.positions["positions"])
    assert not [each for each in list_shortages(holdings, orders) if each.token == "SOL"]


def make_waiting(number: int, **terms: Any) -> Order:
    order = Order(order_id(number))
    for event in order_events(number, ("pending", "waiting"), **terms):
        order.apply_event(event)
    return order


def test_of_two_orders_of_an_oco_the_larger_is_needed() -> None:
    pair = [
        make_waiting(1, **PROFIT | {"ocoGroup": "g", "amountIn": "3"}),
        make_waiting(2, **TRAIL | {"ocoGroup": "g", "amountIn": "4"}),
    ]
    [shortage] = list_shortages([], [*pair, make_waiting(3, **TRAIL | {"amountInShare": "50%"})])
    assert shortage.needed == 4


def test_too_little_for_fees_is_told() -> None:
    message = positions_message(sol="0.005", reserved="0")
    [shortage, *_] = list_shortages(add_up_holdings(message.wallets, []), [])
    assert shortage.is_fees
    assert describe_shortage(shortage).startswith("0.005 SOL is free: too little for the fees")


def chart(is_ascii: bool = False, **changes: object) -> list[str]:
    market = Market()
    market.add_bars("SOL/USDC", 1, bars())
    context: dict[str, object] = {
        "bars": market.bars,
        "fills": [],
        "levels": [],
        "step_s": 1,
        "end_ms": START_MS + BARS * 1_000 - 1_000,
        "cells": BARS // 2 + AXIS_CELLS,
        "lines": 12,
        "symbols": ASCII if is_ascii else UNICODE,
    }
    lines = render_chart(ChartContext(**(context | changes)))  # type: ignore[arg-type]
    assert {line_width(line) for line in lines[:-1]} == {BARS // 2 + AXIS_CELLS}
    return [join_text(line) for line in lines]


def test_a_time_without_a_bar_stays_blank() -> None:
    blank = range(MISSING_BARS.start // 2, MISSING_BARS.stop // 2)
    columns = list(zip(*(line[: BARS // 2] for line in chart()[:-1]), strict=True))
    empty = [x for x, column in enumerate(columns) if set(column) <= {" ", "⠀"}]
    assert empty == list(blank)


def test_fills_are_marks_by_side_and_size() -> None:
    told = [
        fill(10, "buy", "10", "145.5"),
        fill(20, "sell", "1", "146"),
        fill(30, "sell", "9", "145"),
    ]
    text = "\n".join(chart(fills=[Fill.read(each) for each in told]))
    assert ("▲" in text, "▵" in text, "▼" in text, "▿" in text) == (True, False, True, True)
    assert "\n".join(chart(is_ascii=True)).isascii()


def test_open_orders_are_lines_at_their_prices_in_quote_tokens() -> None:
    levels = list_levels([*load_model().sorted_orders, make_waiting(99, **LIMIT)], SOL)
    prices = [level.price for level in levels if level.price is not None]
    assert prices == sorted(prices, reverse=True)
    assert Decimal("140.25") in prices
    # A limit of 0.0066 SOL for a USDC is one of 151.5 USDC for a SOL.
    assert any(abs(price - 1 / Decimal("0.0066")) < Decimal("0.001") for price in prices)
    text = "\n".join(chart(levels=levels, has_all_orders=True, lines=400))
    assert "STP sell 140.2500" in text
    assert "┄" in text
    assert "STP sell 140.2500" not in "\n".join(chart(levels=levels))


def test_the_spread_between_venues_is_that_of_their_best_pools() -> None:
    buy = route(("meteora", "dlmm", "0", "1"), ("raydium", "clmm", "0", "0.98"))
    sell = route(("meteora", "dlmm", "99", "0"), ("raydium", "clmm", "98.01", "0"))
    best = find_best_prices(read_pools(buy, sell, Decimal(100)))
    assert (best.bid, best.ask) == (Decimal(99), Decimal(100))
    assert best.venues_bps == (Decimal(99) / Decimal("98.01") - 1) * 10_000
    one_way = find_best_prices(read_pools(buy, None, Decimal(100)))
    assert (one_way.bid, one_way.spread_bps, one_way.venues_bps) == (None, None, None)


def test_newer_bars_replace_known_ones_and_another_step_begins_anew() -> None:
    market = Market()
    market.add_bars("SOL/USDC", 1, bars())
    newer = {**bars()[-1], "close": "7"}
    market.add_bars("SOL/USDC", 1, [newer])  # type: ignore[list-item]
    assert len(market.bars) == len(bars())
    newest_ms = market.newest_ms
    assert newest_ms is not None
    assert market.bars[newest_ms].close == 7
    market.add_bars("SOL/USDC", 5, bars()[:1])
    assert list(market.bars.values()) == [Bar.read(bars()[0])]


async def test_the_order_chosen_on_the_chart_is_lit_and_acted_upon() -> None:
    async with show_dashboard(make_session(StaticSource(market_messages()))) as pilot:
        session = get_dashboard(pilot).session
        await press_keys(pilot, "f6", "v")
        first = session.selected_order
        await press_keys(pilot, "j")
        chosen = session.selected_order
        assert chosen is not None
        assert chosen is not first
        assert "▶" in screen_text(pilot)
        await press_keys(pilot, "x")
        assert isinstance(pilot.app.screen, CancelScreen)
        assert chosen.short_id in screen_text(pilot)
        await press_keys(pilot, "escape", "minus", "minus")
        assert session.market.step_s == 15
        await press_keys(pilot, "plus", "right_square_bracket")
        assert session.market.step_s == 5


def test_the_pairs_of_known_orders_are_gone_through() -> None:
    choice, pairs = MarketChoice(), {SOL: 3, PairTokens("JUP", "USDC"): 1}
    for pair in (SOL, PairTokens("JUP", "USDC"), SOL):
        choice.step_pair(pairs, 1)
        assert choice.pair == pair
    choice.step_pair(pairs, -1)
    assert choice.pair == PairTokens("JUP", "USDC")


async def test_keys_of_orders_do_nothing_where_no_order_is_shown() -> None:
    async with show_dashboard(make_session(StaticSource(market_messages())), NARROW) as pilot:
        await press_keys(pilot, "f5", "x", "X", "a", "R", "e", "enter", "slash")
        assert pilot.app.screen is get_dashboard(pilot).main
        await press_keys(pilot, "6")
        assert get_dashboard(pilot).session.shown_view == "orders"


async def test_why_a_view_is_not_up_to_date_is_told_in_it() -> None:
    source = StaticSource(market_messages())
    async with show_dashboard(make_session(source), WIDE) as pilot:
        await press_keys(pilot, "f5")
        told = ViewProblem(POSITIONS, "the key has no scope accounts:read (forbidden)")
        source.play([RecordedMessage(source.at_ms, told)])
        await wait_until_drawn(pilot)
        assert "! the key has no scope accounts:read (forbidden)" in screen_text(pilot)


async def test_a_click_chooses_the_order_of_a_row() -> None:
    async with show_dashboard(make_session(StaticSource(market_messages())), WIDE) as pilot:
        session = get_dashboard(pilot).session
        await press_keys(pilot, "f6")
        lines = [join_text(line) for line in get_dashboard(pilot).main.panes["markets"].lines]
        y = next(n for n, line in enumerate(lines) if "STP sell" in line)
        await pilot.click("#markets", offset=(lines[y].index("STP sell"), y))
        await wait_until_drawn(pilot)
        assert session.selected_order is not None
        assert session.selected_order.type == "stop"


async def test_an_answer_that_is_not_understood_ends_no_poll() -> None:
    session = make_session(StaticSource([*market_messages()]))
    for message in market_messages():
        session.model.apply(message.message, message.at_ms)
    session.model.connection.status = ConnectionStatus.LIVE
    failures = iter([KeyError("positions"), InvalidOperation(), TypeError()])
    is_done = asyncio.Event()

    async def poll() -> None:
        if (failure := next(failures, None)) is not None:
            raise failure
        is_done.set()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(poll_while_live(session, poll, interval_s=0.001))
        await is_done.wait()
        task.cancel()


async def test_the_views_ask_a_real_api(api: RunningApi) -> None:
    async with show_live_dashboard(api.url, WIDE) as pilot:
        session = get_dashboard(pilot).session
        await press_keys(pilot, "f5")
        await wait_for(pilot, lambda: session.model.desk.positions is not None)
        session.market.pair = SOL
        await press_keys(pilot, "f6")
        await wait_for(pilot, lambda: session.model.desk.market.pair == "SOL/USDC")
        await wait_for(pilot, lambda: session.model.desk.market.quoted_at_ms > 0)
        await wait_until_drawn(pilot)
        assert "no price was read in this time" in screen_text(pilot)
        assert "no quote yet" in screen_text(pilot)

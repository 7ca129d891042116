"""The chart of a market shows the past: what is read for it, what is kept, and the keys."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.integration.apis import RunningApi
from tests.tui.desk_messages import market_messages
from tests.tui.servers import show_live_dashboard
from tests.tui.sessions import (
    WIDE,
    StaticSource,
    get_dashboard,
    make_session,
    press_keys,
    screen_text,
    show_dashboard,
    wait_for,
)
from tui.model.desk.market import BARS_MAX, BARS_SHOWN_MAX, Market, MarketChoice
from tui.model.desk.wire import WireBar
from tui.model.pairs import PairTokens
from tui.polls.markets import BARS_AT_ONCE, LoadedBars
from tui.text.format import format_timestamp

NOW_MS = 1_800_000_000_000
REQUESTS_MAX = 12


def make_bars(start_s: int, count: int) -> list[WireBar]:
    prices = dict.fromkeys(("open", "high", "low", "close"), "100")
    return [
        WireBar(at=format_timestamp((start_s + number) * 1_000), slot=number, **prices)  # type: ignore[typeddict-item]
        for number in range(count)
    ]


@given(st.lists(st.integers(0, 4 * BARS_MAX), min_size=1, max_size=12))
def test_what_a_chart_shows_is_read_in_few_requests_and_as_much_is_kept(ends: list[int]) -> None:
    loaded = LoadedBars("SOL/USDC")
    for ago_s in ends:
        end_ms = NOW_MS - ago_s * 1_000
        for _ in range(REQUESTS_MAX):
            missing = loaded.find_missing(end_ms, NOW_MS)
            if missing is None:
                break
            start_ms, to_ms = missing
            assert 0 < to_ms - start_ms <= BARS_AT_ONCE * 1_000
            loaded = loaded.add(start_ms, to_ms)
        assert missing is None
        assert loaded.from_ms <= end_ms - BARS_SHOWN_MAX * 1_000
        assert loaded.to_ms >= end_ms
        assert loaded.to_ms - loaded.from_ms <= BARS_MAX * 1_000


def test_bars_that_are_far_from_those_read_last_are_dropped() -> None:
    market = Market()
    market.add_bars("SOL/USDC", 1, make_bars(10_000, BARS_MAX))
    market.add_bars("SOL/USDC", 1, make_bars(9_990, 10))
    assert (min(market.bars), max(market.bars)) == (9_990_000, (9_990 + BARS_MAX - 1) * 1_000)
    market.add_bars("SOL/USDC", 1, make_bars(9_990 + BARS_MAX, 20))
    assert (min(market.bars), len(market.bars)) == (10_010_000, BARS_MAX)


def test_a_chart_moves_to_the_past_and_back_to_the_present() -> None:
    choice = MarketChoice(PairTokens("SOL", "USDC"))
    choice.pan(1, NOW_MS)
    assert choice.end_ms is None
    choice.pan(-1, NOW_MS)
    choice.pan(-1, NOW_MS)
    assert choice.end_ms == NOW_MS - 80_000
    choice.pan(1, NOW_MS)
    choice.pan(1, NOW_MS)
    assert choice.end_ms is None


async def test_keys_move_the_chart_and_the_view_says_until_when_it_is() -> None:
    async with show_dashboard(make_session(StaticSource(market_messages())), WIDE) as pilot:
        await press_keys(pilot, "f6", "left")
        assert "chart until" in screen_text(pilot)
        await press_keys(pilot, "0")
        assert "chart until" not in screen_text(pilot)
        assert get_dashboard(pilot).session.shown_view == "markets"


async def test_the_past_is_asked_of_a_real_api(api: RunningApi) -> None:
    await api.place_order()
    async with show_live_dashboard(api.url, WIDE) as pilot:
        session = get_dashboard(pilot).session
        await wait_for(pilot, lambda: len(session.model.orders) == 1)
        await press_keys(pilot, "f6", *["left"] * 20)
        await wait_for(pilot, lambda: session.model.desk.market.pair == "SOL/USDC")
        assert session.model.desk.problems == {}

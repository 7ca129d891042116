"""The view of quality: times by step, failures by reason, periods and groups."""

from __future__ import annotations

from tests.integration.apis import RunningApi
from tests.tui.desk_messages import fill, quality_messages, report_message
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
    wait_until_drawn,
)
from tui.connection.recording import RecordedMessage
from tui.model.desk.quality import BOUNDS_MS, count_by_bound, find_percentile, read_fill_times
from tui.model.messages import Lost, Report
from tui.output.desk.latency_chart import render_latency, render_throughput
from tui.text.format import join_text, line_width
from tui.text.symbols import ASCII, UNICODE


def test_durations_are_counted_by_their_bounds() -> None:
    counts = count_by_bound([0, BOUNDS_MS[0], BOUNDS_MS[0] + 1, BOUNDS_MS[-1] + 1, 10**9])
    assert (counts[0], counts[1], counts[-1], sum(counts)) == (2, 1, 2, 5)


def test_the_steps_of_a_fill_add_up_to_its_time() -> None:
    told = [
        fill(1, "buy", "1", "100", sinceAcceptedMs=900, sinceSubmittedMs=400),
        fill(2, "buy", "1", "100", sinceAcceptedMs=None),
    ]
    [times] = read_fill_times(told)
    assert (times.to_submission, times.on_chain, times.total) == (500, 400, 900)
    assert find_percentile([times], 95, lambda each: each.total) == 900
    assert find_percentile([], 50, lambda each: each.total) is None


def test_charts_fit_and_the_latest_second_is_at_the_right() -> None:
    times = read_fill_times(report_message().fills)
    for symbols in (ASCII, UNICODE):
        lines = render_latency(times, 60, 8, symbols)
        assert {line_width(line) for line in lines[1:]} == {60}
    *_, bottom = render_throughput([0] * 50 + [9], 60, UNICODE)
    assert join_text(bottom).endswith("▁█")
    assert "fewer than two" in join_text(render_latency(times[:1], 60, 8, UNICODE)[1])


async def test_a_period_and_a_group_are_chosen_by_keys_and_clicks() -> None:
    source = StaticSource(quality_messages())
    async with show_dashboard(make_session(source), WIDE) as pilot:
        session = get_dashboard(pilot).session
        await press_keys(pilot, "f7")
        assert "36 confirmed  4 failed 10.0%" in screen_text(pilot)
        await press_keys(pilot, "right_square_bracket", "b")
        assert (session.quality.period, session.quality.group) == ("1 d", "dex")
        assert "36 confirmed" not in screen_text(pilot)  # that is of another period
        source.play([RecordedMessage(source.at_ms, report_message("1 d", "dex"))])
        await wait_until_drawn(pilot)
        line = next(each for each in screen_text(pilot).splitlines() if "over" in each)
        assert "36 confirmed" in screen_text(pilot)
        await pilot.click("#quality", offset=(line.index("1 h"), 0))
        assert session.quality.period == "1 h"


async def test_a_report_of_an_earlier_server_is_shown() -> None:
    messages = quality_messages()
    report = messages[-1].message
    assert isinstance(report, Report)
    for row in (*report.report["rows"], report.report["total"]):
        del row["failureReasons"]
    async with show_dashboard(make_session(StaticSource(messages)), WIDE) as pilot:
        await press_keys(pilot, "f7")
        assert "36 confirmed  4 failed 10.0%" in screen_text(pilot)
        assert "the server does not say" in screen_text(pilot)


async def test_a_reason_shows_the_orders_that_failed_for_it() -> None:
    async with show_dashboard(make_session(StaticSource(quality_messages())), WIDE) as pilot:
        await press_keys(pilot, "f7")
        lines = get_dashboard(pilot).main.panes["quality"].lines
        y = next(n for n, line in enumerate(lines) if "min_out_not_met" in join_text(line))
        await pilot.click("#quality", offset=(join_text(lines[y]).index("min_out"), y))
        await wait_until_drawn(pilot)
        session = get_dashboard(pilot).session
        assert session.shown_view == "orders"
        assert str(session.view.filter) == "status:failed code:min_out_not_met"


async def test_what_is_shown_while_offline_is_said_to_be_old() -> None:
    source = StaticSource(quality_messages())
    async with show_dashboard(make_session(source), WIDE) as pilot:
        source.play([RecordedMessage(source.at_ms, Lost("nothing answers", 1_000))])
        for key in ("f5", "f6", "f7"):
            await press_keys(pilot, key)
            assert "offline: this is the last that is known" in screen_text(pilot)


async def test_the_view_asks_a_real_api(api: RunningApi) -> None:
    async with show_live_dashboard(api.url, WIDE) as pilot:
        session = get_dashboard(pilot).session
        await press_keys(pilot, "f7")
        await wait_for(pilot, lambda: session.model.desk.quality.period == "1 h")
        await press_keys(pilot, "left_square_bracket")
        await wait_for(pilot, lambda: session.model.desk.quality.period == "all")
        await wait_until_drawn(pilot)
        assert "0 confirmed  0 failed" in screen_text(pilot)

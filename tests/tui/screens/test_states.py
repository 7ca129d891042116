"""Every state of the connection is shown as text, and no screen is blank."""

from __future__ import annotations

from functools import partial

import pytest

from tests.tui.sessions import (
    NARROW,
    WIDE,
    StaticSource,
    get_dashboard,
    load_recorded_messages,
    make_session,
    press_keys,
    row_texts,
    screen_text,
    show_dashboard,
    wait_for,
    wait_until_drawn,
)
from tests.tui.wire import (
    START_MS,
    connection_messages,
    order_event,
    order_events,
    stored_order,
    timestamp,
)
from tui.connection.recording import RecordedMessage
from tui.model.messages import Connecting, Events, Heartbeat, Lost, Message, Page, Totals
from tui.text.format import Span
from tui.widgets.text_pane import TextPane

MIDDLE_MS = 26_600
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x40", "80x24"])


def record_messages(*messages: Message, ms: int = 0) -> list[RecordedMessage]:
    return [RecordedMessage(START_MS + ms, message) for message in messages]


def has_scrollbar(pane: TextPane, expected: bool) -> bool:
    return pane.show_vertical_scrollbar is expected


EMPTY_JOURNAL = [*connection_messages(), *record_messages(Page([], is_last=True, is_all=True))]


@SIZES
async def test_connecting(size: tuple[int, int]) -> None:
    async with show_dashboard(
        make_session(StaticSource(record_messages(Connecting("http://127.0.0.1:8080", 3)))), size
    ) as pilot:
        assert "◌ connecting 127.0.0.1:8080 (try 3)" in screen_text(pilot)
        assert "Order▼" in screen_text(pilot)
        await press_keys(pilot, "question_mark")
        await pilot.pause()
        assert "KEYS" in screen_text(pilot)


async def test_loading_shows_progress_and_the_rows_loaded_so_far() -> None:
    stats = {"at": timestamp(0), "cursor": "c", "total": 1_942, "open": 0, "byStatus": {}}
    messages = [
        *connection_messages(),
        *record_messages(
            Totals(stats),  # type: ignore[arg-type]
            Page([stored_order(order_events(n)) for n in (3, 2)], is_last=False, is_all=False),
        ),
    ]
    async with show_dashboard(make_session(StaticSource(messages))) as pilot:
        assert "loading 2 of 1,942 orders" in screen_text(pilot)
        assert len(row_texts(pilot)) == 2


@SIZES
async def test_empty(size: tuple[int, int]) -> None:
    async with show_dashboard(make_session(StaticSource(EMPTY_JOURNAL)), size) as pilot:
        assert "No orders yet." in screen_text(pilot)
        assert "n creates a batch" in screen_text(pilot)


@SIZES
async def test_live(size: tuple[int, int]) -> None:
    async with show_dashboard(
        make_session(StaticSource(load_recorded_messages(MIDDLE_MS))), size
    ) as pilot:
        assert "● live" in screen_text(pilot)


async def test_quiet_without_messages_from_the_server() -> None:
    source = StaticSource(EMPTY_JOURNAL)
    async with show_dashboard(make_session(source)) as pilot:
        source.at_ms += 9_000
        await wait_until_drawn(pilot)
        assert "quiet 9 s" in screen_text(pilot)
        source.play(record_messages(Heartbeat(timestamp(9_000)), ms=9_000))
        await wait_until_drawn(pilot)
        assert "● live" in screen_text(pilot)


@SIZES
async def test_offline_keeps_the_last_rows_and_counts_down(size: tuple[int, int]) -> None:
    source = StaticSource(load_recorded_messages(MIDDLE_MS))
    async with show_dashboard(make_session(source), size) as pilot:
        rows = row_texts(pilot)
        source.play([RecordedMessage(source.at_ms, Lost("it closed", 3_000))])
        source.at_ms += 1_000
        await wait_until_drawn(pilot)
        text = screen_text(pilot)
        assert "offline 1 s · retry in 2 s · r now" in text
        assert [row.split()[0] for row in row_texts(pilot)] == [row.split()[0] for row in rows]
        assert "offline, showing the last known state" in text
        assert " s left" not in text


async def test_a_refusal_says_that_the_next_attempt_is_the_users() -> None:
    source = StaticSource(load_recorded_messages(MIDDLE_MS))
    async with show_dashboard(make_session(source)) as pilot:
        source.play([RecordedMessage(source.at_ms, Lost("it wants a key", None))])
        await wait_until_drawn(pilot)
        text = screen_text(pilot)
        assert "refused · r tries again" in text
        assert "it wants a key" in text
        assert "retry in" not in text


async def test_rows_are_dimmed_while_offline() -> None:
    source = StaticSource(load_recorded_messages(MIDDLE_MS))
    async with show_dashboard(make_session(source)) as pilot:
        order_table = get_dashboard(pilot).main.order_table
        source.play([RecordedMessage(source.at_ms, Lost("it closed", 3_000))])

        def is_dimmed() -> bool:
            return all(part.style and part.style.dim for part in order_table.render_line(3))

        await wait_for(pilot, is_dimmed)


async def test_resumed() -> None:
    async with show_dashboard(make_session(StaticSource(load_recorded_messages(14_000)))) as pilot:
        assert "resumed after 2.20s, 60 events replayed" in screen_text(pilot)


async def test_a_server_with_another_journal() -> None:
    source = StaticSource([*EMPTY_JOURNAL, *record_messages(Events(order_events(1)))])
    async with show_dashboard(make_session(source)) as pilot:
        source.play(connection_messages(5_000, was_reset=True))
        await pilot.pause(0.1)
        assert [row[1:9] for row in row_texts(pilot)] == ["00000001"]
        source.play(
            record_messages(
                Page([stored_order(order_events(7))], is_last=True, is_all=True), ms=5_001
            )
        )
        await wait_until_drawn(pilot)
        assert "restarted with another journal" in screen_text(pilot)
        assert [row[1:9] for row in row_texts(pilot)] == ["00000007"]


@SIZES
async def test_degraded(size: tuple[int, int]) -> None:
    async with show_dashboard(
        make_session(StaticSource(load_recorded_messages(18_600))), size
    ) as pilot:
        assert "! meteora quotes failing" in screen_text(pilot)


async def test_degraded_passes() -> None:
    async with show_dashboard(make_session(StaticSource(load_recorded_messages(24_000)))) as pilot:
        assert "failing" not in screen_text(pilot)


@pytest.mark.parametrize("size", [(59, 24), (80, 14), (40, 10)])
async def test_too_small(size: tuple[int, int]) -> None:
    async with show_dashboard(
        make_session(StaticSource(load_recorded_messages(MIDDLE_MS))), size
    ) as pilot:
        text = screen_text(pilot).strip()
        assert text == f"needs 60x15, this is {size[0]}x{size[1]}"
        await pilot.resize_terminal(60, 15)
        await wait_until_drawn(pilot)
        assert "● live" in screen_text(pilot)


@pytest.mark.parametrize("width", range(60, 160, 7))
async def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    async with show_dashboard(
        make_session(StaticSource(load_recorded_messages(MIDDLE_MS))), (width, 32)
    ) as pilot:
        for name in ("#summary", "#keys"):
            for line in get_dashboard(pilot).main.query_one(name).lines:  # type: ignore[attr-defined]
                assert sum(len(span.text) for span in line) <= width
        assert (width >= 110) == get_dashboard(pilot).main.query_one("#detail").display


async def test_text_from_the_server_cannot_touch_the_terminal() -> None:
    escape_text = "\x1b]0;owned\x07[red]\u202e"
    failed = [
        *order_events(1, ("pending", "routing"), clientOrderId=escape_text),
        order_event(1, 3, "failed", 300, code="odd\x1b[2J", reason=escape_text),
    ]
    async with show_dashboard(
        make_session(StaticSource([*EMPTY_JOURNAL, *record_messages(Events(failed))]))
    ) as pilot:
        text = screen_text(pilot)
        assert "[red]" in text
        assert not set("\x1b\x07\u202e") & set(text)


async def test_a_pane_has_a_scrollbar_while_its_lines_do_not_fit() -> None:
    async with show_dashboard(make_session(StaticSource(EMPTY_JOURNAL))) as pilot:
        await press_keys(pilot, "question_mark")  # the other panes are repainted twice a second
        pane = pilot.app.screen.query_one("#help", TextPane)
        for count in (200, 3, 201, 202, 0):
            pane.show_lines([[Span(f"line {number}")] for number in range(count)])
            beyond = max(count - pane.container_size.height, 0)
            await wait_for(pilot, partial(has_scrollbar, pane, beyond > 0))
            assert pane.max_scroll_y == beyond

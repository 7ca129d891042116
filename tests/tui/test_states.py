"""Every state of the dashboard says what it is, and none of them is blank."""

from __future__ import annotations

import pytest

from tests.tui.desks import (
    NARROW,
    WIDE,
    Still,
    comes,
    dashboard,
    desk,
    recorded,
    row_texts,
    screen_text,
    settled,
    shown,
)
from tests.tui.wire import BEGAN_MS, at, event, hello, life, stored
from tui.connection.recording import Recorded
from tui.model.messages import Connecting, Events, Heartbeat, Lost, Message, Page, Totals

MIDDLE_MS = 26_600
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x40", "80x24"])


def now(*messages: Message, ms: int = 0) -> list[Recorded]:
    return [Recorded(BEGAN_MS + ms, message) for message in messages]


EMPTY = [*hello(), *now(Page([], is_last=True, is_all=True))]


@SIZES
async def test_connecting(size: tuple[int, int]) -> None:
    async with shown(desk(Still(now(Connecting("http://127.0.0.1:8080", 3)))), size) as pilot:
        assert "◌ connecting 127.0.0.1:8080 (try 3)" in screen_text(pilot)
        assert "Order▼" in screen_text(pilot)
        await pilot.press("question_mark")
        await pilot.pause()
        assert "KEYS" in screen_text(pilot)


async def test_loading_tells_how_many_and_shows_the_rows_that_came() -> None:
    stats = {"at": at(0), "cursor": "c", "total": 1_942, "open": 0, "byStatus": {}}
    messages = [
        *hello(),
        *now(
            Totals(stats),  # type: ignore[arg-type]
            Page([stored(life(n)) for n in (3, 2)], is_last=False, is_all=False),
        ),
    ]
    async with shown(desk(Still(messages))) as pilot:
        assert "loading 2 of 1,942 orders" in screen_text(pilot)
        assert len(row_texts(pilot)) == 2


@SIZES
async def test_empty(size: tuple[int, int]) -> None:
    async with shown(desk(Still(EMPTY)), size) as pilot:
        assert "No orders yet." in screen_text(pilot)
        assert "n creates a batch" in screen_text(pilot)


@SIZES
async def test_live(size: tuple[int, int]) -> None:
    async with shown(desk(Still(recorded(MIDDLE_MS))), size) as pilot:
        assert "● live" in screen_text(pilot)


async def test_quiet_when_the_server_says_nothing() -> None:
    source = Still(EMPTY)
    async with shown(desk(source)) as pilot:
        source.at_ms += 9_000
        await settled(pilot)
        assert "quiet 9 s" in screen_text(pilot)
        source.play(now(Heartbeat(at(9_000)), ms=9_000))
        await settled(pilot)
        assert "● live" in screen_text(pilot)


@SIZES
async def test_offline_keeps_the_last_rows_and_counts_down(size: tuple[int, int]) -> None:
    source = Still(recorded(MIDDLE_MS))
    async with shown(desk(source), size) as pilot:
        rows = row_texts(pilot)
        source.play([Recorded(source.at_ms, Lost("it closed", 3_000))])
        source.at_ms += 1_000
        await settled(pilot)
        text = screen_text(pilot)
        assert "offline 1 s · retry in 2 s · r now" in text
        assert [row.split()[0] for row in row_texts(pilot)] == [row.split()[0] for row in rows]
        assert "offline, showing the last known state" in text
        assert " s left" not in text


async def test_rows_are_dimmed_while_offline() -> None:
    source = Still(recorded(MIDDLE_MS))
    async with shown(desk(source)) as pilot:
        blotter = dashboard(pilot).main.blotter
        source.play([Recorded(source.at_ms, Lost("it closed", 3_000))])

        def is_dimmed() -> bool:
            return all(part.style and part.style.dim for part in blotter.render_line(3))

        await comes(pilot, is_dimmed)


async def test_resumed() -> None:
    async with shown(desk(Still(recorded(14_000)))) as pilot:
        assert "resumed after 2.20s, 60 events replayed" in screen_text(pilot)


async def test_a_server_with_another_journal() -> None:
    source = Still([*EMPTY, *now(Events(life(1)))])
    async with shown(desk(source)) as pilot:
        source.play(hello(5_000, was_reset=True))
        await pilot.pause(0.1)
        assert [row[1:9] for row in row_texts(pilot)] == ["00000001"]
        source.play(now(Page([stored(life(7))], is_last=True, is_all=True), ms=5_001))
        await settled(pilot)
        assert "restarted with another journal" in screen_text(pilot)
        assert [row[1:9] for row in row_texts(pilot)] == ["00000007"]


@SIZES
async def test_degraded(size: tuple[int, int]) -> None:
    async with shown(desk(Still(recorded(18_600))), size) as pilot:
        assert "! meteora quotes failing" in screen_text(pilot)


async def test_degraded_passes() -> None:
    async with shown(desk(Still(recorded(24_000)))) as pilot:
        assert "failing" not in screen_text(pilot)


@pytest.mark.parametrize("size", [(59, 24), (80, 14), (40, 10)])
async def test_too_small(size: tuple[int, int]) -> None:
    async with shown(desk(Still(recorded(MIDDLE_MS))), size) as pilot:
        text = screen_text(pilot).strip()
        assert text == f"needs 60x15, this is {size[0]}x{size[1]}"
        await pilot.resize_terminal(60, 15)
        await settled(pilot)
        assert "● live" in screen_text(pilot)


@pytest.mark.parametrize("width", range(60, 160, 7))
async def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    async with shown(desk(Still(recorded(MIDDLE_MS))), (width, 32)) as pilot:
        for name in ("#strip", "#keys"):
            for line in dashboard(pilot).main.query_one(name).text:  # type: ignore[attr-defined]
                assert sum(len(span.text) for span in line) <= width
        assert (width >= 110) == dashboard(pilot).main.query_one("#side").display


async def test_text_from_the_server_cannot_touch_the_terminal() -> None:
    evil = "\x1b]0;owned\x07[red]\u202e"
    failed = [
        *life(1, ("pending", "routing"), clientOrderId=evil),
        event(1, 3, "failed", 300, code="odd\x1b[2J", reason=evil),
    ]
    async with shown(desk(Still([*EMPTY, *now(Events(failed))]))) as pilot:
        text = screen_text(pilot)
        assert "[red]" in text
        assert not set("\x1b\x07\u202e") & set(text)

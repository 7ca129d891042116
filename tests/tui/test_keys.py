"""Every key of the dashboard does what the help says."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from tests.tui.desks import (
    NARROW,
    Still,
    comes,
    dashboard,
    desk,
    press,
    recorded,
    row_texts,
    screen_text,
    settled,
    shown,
    statuses,
)
from tui.screens.batch import BatchScreen
from tui.screens.export import ExportScreen
from tui.screens.help import HelpScreen
from tui.screens.main import MainScreen
from tui.screens.order import OrderScreen
from tui.screens.reasons import ReasonsScreen
from tui.screens.resubmit import ResubmitScreen
from tui.text.symbols import STATUSES

MIDDLE_MS = 26_600


def cursor_row(pilot: Pilot[None]) -> str:
    return next(row for row in row_texts(pilot) if row.startswith("▶"))


@pytest.mark.parametrize(("digit", "status"), list(enumerate(STATUSES[:6], start=1)))
async def test_a_digit_switches_a_status_on_and_off(digit: int, status: str) -> None:
    async with shown(desk(Still(recorded(MIDDLE_MS)))) as pilot:
        everything = statuses(pilot)
        await press(pilot, str(digit))
        assert statuses(pilot) == +Counter({status: everything[status]})
        await press(pilot, str(digit))
        assert statuses(pilot) == everything


async def test_zero_shows_every_status_and_keeps_the_words_of_the_filter() -> None:
    async with shown(desk(Still(recorded()))) as pilot:
        await press(pilot, *"/pair:JUP", "enter", "5", "6", "0")
        assert set(statuses(pilot)) == {"confirmed", "failed"}
        assert all("JUP/USDC" in row for row in row_texts(pilot))


async def test_a_filter_narrows_while_it_is_typed_and_escape_clears_it() -> None:
    async with shown(desk(Still(recorded()))) as pilot:
        await press(pilot, *"/status:failed code:slip")
        assert statuses(pilot) == {"failed": 1}
        await press(pilot, "escape")
        assert sum(statuses(pilot).values()) == 453
        assert isinstance(pilot.app.focused, type(dashboard(pilot).main.blotter))


async def test_a_word_that_means_nothing_is_told_beside_the_field() -> None:
    async with shown(desk(Still(recorded()))) as pilot:
        await press(pilot, *"/colour:red")
        assert "colour: is not a field" in screen_text(pilot)


async def test_a_filter_that_nothing_matches_says_so() -> None:
    async with shown(desk(Still(recorded()))) as pilot:
        await press(pilot, *"/nothing-like-this")
        assert "0 of 453 match  nothing-like-this" in screen_text(pilot)


async def test_sorting_goes_through_the_columns_and_turns_around() -> None:
    async with shown(desk(Still(recorded()))) as pilot:
        view = dashboard(pilot).desk.view
        shown_columns = [column.key for column in dashboard(pilot).main.blotter.columns]
        seen = []
        for _ in shown_columns:
            await press(pilot, "s")
            seen.append(view.sort.key)
        assert seen == shown_columns[1:] + shown_columns[:1]
        first = view[0]
        await press(pilot, "S")
        assert view[len(view) - 1] is first


async def test_a_click_on_a_title_sorts_and_another_turns_around() -> None:
    async with shown(desk(Still(recorded()))) as pilot:
        view = dashboard(pilot).desk.view
        await pilot.click("#blotter", offset=(11, 0))
        await settled(pilot)
        assert (view.sort.key, view.is_descending) == ("pair", True)
        await pilot.click("#blotter", offset=(11, 0))
        await settled(pilot)
        assert (view.sort.key, view.is_descending) == ("pair", False)


async def test_brackets_walk_the_failures() -> None:
    async with shown(desk(Still(recorded()))) as pilot:
        view, cursor = dashboard(pilot).desk.view, dashboard(pilot).desk.cursor
        failed = [y for y in range(len(view)) if view[y].status == "failed"]
        await press(pilot, "right_square_bracket", "right_square_bracket")
        assert cursor.y == failed[1]
        assert "failed" in cursor_row(pilot)
        await press(pilot, "left_square_bracket")
        assert cursor.y == failed[0]
        await press(pilot, "left_square_bracket")
        assert cursor.y == failed[0]


@pytest.mark.parametrize(
    ("pressed", "y"),
    [
        (("j",), 1),
        (("j", "j", "k"), 1),
        (("down", "up", "up"), 0),
        (("G",), 452),
        (("end", "home"), 0),
        (("G", "g"), 0),
        (("pagedown",), 28),
        (("pagedown", "pageup"), 0),
    ],
)
async def test_keys_move_the_cursor_and_end_following(pressed: tuple[str, ...], y: int) -> None:
    async with shown(desk(Still(recorded()))) as pilot:
        cursor = dashboard(pilot).desk.cursor
        assert cursor.is_following
        await press(pilot, *pressed)
        assert cursor.y == y
        assert not cursor.is_following
        assert cursor.order is not None
        assert cursor.order.short_id in cursor_row(pilot)
        await press(pilot, "f")
        assert (cursor.y, cursor.is_following) == (0, True)


async def test_a_click_chooses_a_row_and_two_clicks_open_it() -> None:
    async with shown(desk(Still(recorded()))) as pilot:
        await pilot.click("#blotter", offset=(20, 5))
        await settled(pilot)
        assert dashboard(pilot).desk.cursor.y == 4
        await pilot.click("#blotter", offset=(20, 5), times=2)
        await pilot.pause()
        assert isinstance(pilot.app.screen, OrderScreen)


async def test_a_pause_holds_rows_and_the_engine_goes_on() -> None:
    source = Still(recorded(MIDDLE_MS))
    async with shown(desk(source)) as pilot:
        await press(pilot, "space")
        before = row_texts(pilot)
        source.play(recorded())
        await settled(pilot)
        assert row_texts(pilot) == before
        assert "paused +" in screen_text(pilot)
        assert dashboard(pilot).desk.model.tally.counts["confirmed"] == 434
        await press(pilot, "4")
        assert [row[1:] for row in row_texts(pilot)[:3]] == [
            row[1:] for row in before if "submitted" in row
        ][:3]
        await press(pilot, "0", "space")
        assert row_texts(pilot) != before
        assert sum(statuses(pilot).values()) == 453


async def test_copying_gives_the_id_the_order_and_the_signature() -> None:
    async with shown(desk(Still(recorded()))) as pilot:
        order = dashboard(pilot).desk.cursor.order
        assert order is not None
        await press(pilot, "y")
        assert pilot.app.clipboard == order.id
        await press(pilot, "Y")
        assert json.loads(pilot.app.clipboard)["amountOut"] == order.amount_out
        await press(pilot, "t")
        assert pilot.app.clipboard == order.tx_hash


@pytest.mark.parametrize(
    ("key", "screen"),
    [
        ("n", BatchScreen),
        ("o", BatchScreen),
        ("e", ExportScreen),
        ("R", ResubmitScreen),
        ("x", ReasonsScreen),
        ("question_mark", HelpScreen),
        ("enter", OrderScreen),
    ],
)
async def test_a_key_opens_a_dialog_and_escape_closes_it(
    key: str, screen: type[Screen[None]]
) -> None:
    async with shown(desk(Still(recorded())), NARROW) as pilot:
        await pilot.press(key)
        await pilot.pause()
        assert isinstance(pilot.app.screen, screen)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(pilot.app.screen, MainScreen)


async def test_failures_can_be_walked_while_one_is_shown_in_full() -> None:
    async with shown(desk(Still(recorded())), NARROW) as pilot:
        await press(pilot, "right_square_bracket", "enter")
        first = dashboard(pilot).desk.cursor.order
        await press(pilot, "right_square_bracket")
        second = dashboard(pilot).desk.cursor.order
        assert first is not second
        assert second is not None
        await comes(pilot, lambda: f"order {second.id}" in screen_text(pilot))


async def test_a_reason_filters_to_its_orders() -> None:
    async with shown(desk(Still(recorded()))) as pilot:
        await press(pilot, "x", "down", "enter")
        assert str(dashboard(pilot).desk.view.filter) == "status:failed code:insufficient_funds"
        assert statuses(pilot) == {"failed": 3}

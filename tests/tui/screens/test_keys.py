"""Every key of the dashboard does what the help page says."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from tests.tui.sessions import (
    NARROW,
    StaticSource,
    count_statuses,
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
from tui.screens.batch import BatchScreen
from tui.screens.export import ExportScreen
from tui.screens.failure_reasons import FailureReasonsScreen
from tui.screens.help import HelpScreen
from tui.screens.main import MainScreen
from tui.screens.order import OrderScreen
from tui.screens.resubmit import ResubmitScreen
from tui.text.symbols import STATUSES

MIDDLE_MS = 26_600


def cursor_row(pilot: Pilot[None]) -> str:
    return next(row for row in row_texts(pilot) if row.startswith("▶"))


@pytest.mark.parametrize(("digit", "status"), list(enumerate(STATUSES[:6], start=1)))
async def test_a_digit_switches_a_status_on_and_off(digit: int, status: str) -> None:
    async with show_dashboard(
        make_session(StaticSource(load_recorded_messages(MIDDLE_MS)))
    ) as pilot:
        all_counts = count_statuses(pilot)
        await press_keys(pilot, str(digit))
        assert count_statuses(pilot) == +Counter({status: all_counts[status]})
        await press_keys(pilot, str(digit))
        assert count_statuses(pilot) == all_counts


async def test_zero_shows_every_status_and_keeps_the_words_of_the_filter() -> None:
    async with show_dashboard(make_session(StaticSource(load_recorded_messages()))) as pilot:
        await press_keys(pilot, *"/pair:JUP", "enter", "5", "6", "0")
        assert set(count_statuses(pilot)) == {"confirmed", "failed"}
        assert all("JUP/USDC" in row for row in row_texts(pilot))


async def test_a_filter_narrows_while_it_is_typed_and_escape_clears_it() -> None:
    async with show_dashboard(make_session(StaticSource(load_recorded_messages()))) as pilot:
        await press_keys(pilot, *"/status:failed code:slip")
        assert count_statuses(pilot) == {"failed": 1}
        await press_keys(pilot, "escape")
        assert sum(count_statuses(pilot).values()) == 453
        assert isinstance(pilot.app.focused, type(get_dashboard(pilot).main.order_table))


async def test_an_invalid_word_shows_its_error_beside_the_field() -> None:
    async with show_dashboard(make_session(StaticSource(load_recorded_messages()))) as pilot:
        await press_keys(pilot, *"/colour:red")
        assert "colour: is not a field" in screen_text(pilot)


async def test_a_filter_without_matches_shows_a_hint() -> None:
    async with show_dashboard(make_session(StaticSource(load_recorded_messages()))) as pilot:
        await press_keys(pilot, *"/nothing-like-this")
        assert "0 of 453 match  nothing-like-this" in screen_text(pilot)


async def test_sorting_goes_through_the_columns_and_turns_around() -> None:
    async with show_dashboard(make_session(StaticSource(load_recorded_messages()))) as pilot:
        view = get_dashboard(pilot).session.view
        shown_columns = [column.key for column in get_dashboard(pilot).main.order_table.columns]
        keys = []
        for _ in shown_columns:
            await press_keys(pilot, "s")
            keys.append(view.sort_column.key)
        assert keys == shown_columns[1:] + shown_columns[:1]
        first = view[0]
        await press_keys(pilot, "S")
        assert view[len(view) - 1] is first


async def test_a_click_on_a_title_sorts_and_another_turns_around() -> None:
    async with show_dashboard(make_session(StaticSource(load_recorded_messages()))) as pilot:
        view = get_dashboard(pilot).session.view
        await pilot.click("#order-table", offset=(11, 0))
        await wait_until_drawn(pilot)
        assert (view.sort_column.key, view.is_descending) == ("pair", True)
        await pilot.click("#order-table", offset=(11, 0))
        await wait_until_drawn(pilot)
        assert (view.sort_column.key, view.is_descending) == ("pair", False)


async def test_brackets_move_between_failures() -> None:
    async with show_dashboard(make_session(StaticSource(load_recorded_messages()))) as pilot:
        view, cursor = get_dashboard(pilot).session.view, get_dashboard(pilot).session.cursor
        failed = [y for y in range(len(view)) if view[y].status == "failed"]
        await press_keys(pilot, "right_square_bracket", "right_square_bracket")
        assert cursor.y == failed[1]
        assert "failed" in cursor_row(pilot)
        await press_keys(pilot, "left_square_bracket")
        assert cursor.y == failed[0]
        await press_keys(pilot, "left_square_bracket")
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
        (("pagedown",), 27),
        (("pagedown", "pageup"), 0),
    ],
)
async def test_keys_move_the_cursor_and_end_following(pressed: tuple[str, ...], y: int) -> None:
    async with show_dashboard(make_session(StaticSource(load_recorded_messages()))) as pilot:
        cursor = get_dashboard(pilot).session.cursor
        assert cursor.is_following
        await press_keys(pilot, *pressed)
        assert cursor.y == y
        assert not cursor.is_following
        assert cursor.order is not None
        assert cursor.order.short_id in cursor_row(pilot)
        await press_keys(pilot, "f")
        assert (cursor.y, cursor.is_following) == (0, True)


async def test_a_click_moves_the_cursor_and_a_double_click_opens_the_order() -> None:
    async with show_dashboard(make_session(StaticSource(load_recorded_messages()))) as pilot:
        await pilot.click("#order-table", offset=(20, 5))
        await wait_until_drawn(pilot)
        assert get_dashboard(pilot).session.cursor.y == 4
        await pilot.click("#order-table", offset=(20, 5), times=2)
        await pilot.pause()
        assert isinstance(pilot.app.screen, OrderScreen)


async def test_a_pause_freezes_the_rows_while_the_model_changes() -> None:
    source = StaticSource(load_recorded_messages(MIDDLE_MS))
    async with show_dashboard(make_session(source)) as pilot:
        await press_keys(pilot, "space")
        before = row_texts(pilot)
        source.play(load_recorded_messages())
        await wait_until_drawn(pilot)
        assert row_texts(pilot) == before
        assert "paused +" in screen_text(pilot)
        assert get_dashboard(pilot).session.model.counters.by_status["confirmed"] == 434
        await press_keys(pilot, "4")
        assert [row[1:] for row in row_texts(pilot)[:3]] == [
            row[1:] for row in before if "submitted" in row
        ][:3]
        await press_keys(pilot, "0", "space")
        assert row_texts(pilot) != before
        assert sum(count_statuses(pilot).values()) == 453


async def test_copying_gives_the_id_the_order_and_the_signature() -> None:
    async with show_dashboard(make_session(StaticSource(load_recorded_messages()))) as pilot:
        order = get_dashboard(pilot).session.cursor.order
        assert order is not None
        await press_keys(pilot, "y")
        assert pilot.app.clipboard == order.id
        await press_keys(pilot, "Y")
        assert json.loads(pilot.app.clipboard)["amountOut"] == order.amount_out
        await press_keys(pilot, "t")
        assert pilot.app.clipboard == order.tx_hash


@pytest.mark.parametrize(
    ("key", "screen"),
    [
        ("n", BatchScreen),
        ("o", BatchScreen),
        ("e", ExportScreen),
        ("R", ResubmitScreen),
        ("F", FailureReasonsScreen),
        ("question_mark", HelpScreen),
        ("enter", OrderScreen),
    ],
)
async def test_a_key_opens_a_dialog_and_escape_closes_it(
    key: str, screen: type[Screen[None]]
) -> None:
    async with show_dashboard(
        make_session(StaticSource(load_recorded_messages())), NARROW
    ) as pilot:
        await pilot.press(key)
        await pilot.pause()
        assert isinstance(pilot.app.screen, screen)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(pilot.app.screen, MainScreen)


async def test_brackets_move_between_failures_in_the_order_screen() -> None:
    async with show_dashboard(
        make_session(StaticSource(load_recorded_messages())), NARROW
    ) as pilot:
        await press_keys(pilot, "right_square_bracket", "enter")
        first = get_dashboard(pilot).session.cursor.order
        await press_keys(pilot, "right_square_bracket")
        second = get_dashboard(pilot).session.cursor.order
        assert first is not second
        assert second is not None
        await wait_for(pilot, lambda: f"order {second.id}" in screen_text(pilot))


async def test_a_reason_filters_to_its_orders() -> None:
    async with show_dashboard(make_session(StaticSource(load_recorded_messages()))) as pilot:
        await press_keys(pilot, "F", "down", "enter")
        assert (
            str(get_dashboard(pilot).session.view.filter) == "status:failed code:insufficient_funds"
        )
        assert count_statuses(pilot) == {"failed": 3}

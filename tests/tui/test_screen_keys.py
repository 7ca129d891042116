"""The keys and clicks that change the screen itself, and leave it."""

from __future__ import annotations

from textual.widgets import Input

from tests.tui.desks import (
    NARROW,
    Still,
    dashboard,
    desk,
    notices,
    press,
    recorded,
    screen_text,
    settled,
    shown,
    statuses,
)
from tui import keys
from tui.app import Dashboard
from tui.screens.batch import BatchScreen

MIDDLE_MS = 26_600


async def test_the_log_can_be_hidden_and_shown() -> None:
    async with shown(desk(Still(recorded()))) as pilot:
        assert "resumed" not in screen_text(pilot).splitlines()[-2]
        await press(pilot, "l")
        assert not dashboard(pilot).main.query_one("#log").display
        assert dashboard(pilot).main.query_one("#status").display
        await press(pilot, "l")
        assert dashboard(pilot).main.query_one("#log").display


async def test_the_log_opens_where_there_is_little_room() -> None:
    async with shown(desk(Still(recorded())), NARROW) as pilot:
        assert not dashboard(pilot).main.query_one("#log").display
        await press(pilot, "l")
        assert dashboard(pilot).main.query_one("#log").display


async def test_the_mouse_is_given_away_and_taken_back() -> None:
    async with shown(desk(Still(recorded()))) as pilot:
        await press(pilot, "m")
        assert "the mouse belongs to the terminal" in notices(pilot)[-1]
        await press(pilot, "m")
        assert "the mouse belongs to the dashboard" in notices(pilot)[-1]


async def test_a_click_on_a_count_or_a_key_does_what_it_says() -> None:
    async with shown(desk(Still(recorded()))) as pilot:
        line = screen_text(pilot).splitlines()[1]
        await pilot.click("#strip", offset=(line.index("failed"), 1))
        await settled(pilot)
        assert set(statuses(pilot)) == {"failed"}
        await pilot.click("#keys", offset=(2, 0))
        await pilot.pause()
        assert isinstance(pilot.app.screen, BatchScreen)


async def test_the_palette_shows_an_optional_column() -> None:
    async with shown(desk(Still(recorded())), (140, 40)) as pilot:
        await pilot.press("ctrl+p")
        await pilot.pause()
        await pilot.press(*"Column: try")
        await pilot.pause(0.5)
        await pilot.press("enter")
        await settled(pilot)
        assert [c.key for c in dashboard(pilot).main.blotter.columns if c.is_optional] == ["tries"]
        assert dashboard(pilot).desk.settings.columns == ["tries"]


async def test_q_leaves() -> None:
    async with shown(desk(Still(recorded()))) as pilot:
        await pilot.press("q")
        await pilot.pause()
        assert pilot.app.return_code == 0


async def test_every_key_of_the_footer_and_the_help_is_bound() -> None:
    async with shown(desk(Still(recorded()))) as pilot:
        app: Dashboard = dashboard(pilot)
        bound = {
            key
            for node in (app.main.blotter, app.main, app)
            for key in node._bindings.key_to_bindings
        }
        named = {"/": "slash", "]": "right_square_bracket", "?": "question_mark"}
        for key in (*keys.FOOTER, *keys.OTHERS):
            words = "12345678" if key.key == "1-8" else key.key.split()
            for word in words:
                assert named.get(word, word) in bound, key


async def test_typing_into_a_field_does_not_trigger_keys() -> None:
    async with shown(desk(Still(recorded()))) as pilot:
        await press(pilot, "slash", *"q n x")
        assert pilot.app.is_running
        assert dashboard(pilot).main.query_one(Input).value == "q n x"

"""The keys and clicks that change the layout of the screen, and quit."""

from __future__ import annotations

from textual.widgets import Input

from tests.tui.sessions import (
    NARROW,
    StaticSource,
    count_statuses,
    get_dashboard,
    load_recorded_messages,
    make_session,
    notification_texts,
    press_keys,
    screen_text,
    show_dashboard,
    wait_until_drawn,
)
from tests.tui.waiting import TWAP
from tests.tui.wire import START_MS, connection_messages, order_events
from tui import keys
from tui.app import Dashboard
from tui.connection.recording import RecordedMessage
from tui.model.messages import Events
from tui.screens.batch import BatchScreen
from tui.screens.order import OrderScreen
from tui.screens.resubmit import ResubmitScreen

MIDDLE_MS = 26_600


async def test_the_log_can_be_hidden_and_shown() -> None:
    async with show_dashboard(make_session(StaticSource(load_recorded_messages()))) as pilot:
        assert "resumed" not in screen_text(pilot).splitlines()[-2]
        await press_keys(pilot, "l")
        assert not get_dashboard(pilot).main.query_one("#log").display
        assert get_dashboard(pilot).main.query_one("#status").display
        await press_keys(pilot, "l")
        assert get_dashboard(pilot).main.query_one("#log").display


async def test_the_log_opens_where_there_is_little_room() -> None:
    async with show_dashboard(
        make_session(StaticSource(load_recorded_messages())), NARROW
    ) as pilot:
        assert not get_dashboard(pilot).main.query_one("#log").display
        await press_keys(pilot, "l")
        assert get_dashboard(pilot).main.query_one("#log").display


async def test_the_mouse_is_released_and_captured_again() -> None:
    async with show_dashboard(make_session(StaticSource(load_recorded_messages()))) as pilot:
        await press_keys(pilot, "m")
        assert "the mouse belongs to the terminal" in notification_texts(pilot)[-1]
        await press_keys(pilot, "m")
        assert "the mouse belongs to the dashboard" in notification_texts(pilot)[-1]


async def test_a_click_on_a_count_or_a_key_runs_its_action() -> None:
    async with show_dashboard(make_session(StaticSource(load_recorded_messages()))) as pilot:
        line = screen_text(pilot).splitlines()[1]
        await pilot.click("#summary", offset=(line.index("failed"), 1))
        await wait_until_drawn(pilot)
        assert set(count_statuses(pilot)) == {"failed"}
        await pilot.click("#keys", offset=(2, 0))
        await pilot.pause()
        assert isinstance(pilot.app.screen, BatchScreen)


async def test_the_palette_shows_an_optional_column() -> None:
    async with show_dashboard(
        make_session(StaticSource(load_recorded_messages())), (140, 40)
    ) as pilot:
        await pilot.press("ctrl+p")
        await pilot.pause()
        await pilot.press(*"Column: try")
        await pilot.pause(0.5)
        await pilot.press("enter")
        await wait_until_drawn(pilot)
        assert [c.key for c in get_dashboard(pilot).main.order_table.columns if c.is_optional] == [
            "tries"
        ]
        assert get_dashboard(pilot).session.settings.columns == ["tries"]


async def test_the_palette_pauses_the_view_below_the_screen_of_an_order() -> None:
    async with show_dashboard(
        make_session(StaticSource(load_recorded_messages())), (140, 40)
    ) as pilot:
        view, cursor = get_dashboard(pilot).session.view, get_dashboard(pilot).session.cursor
        await press_keys(pilot, "j", "j", "enter")
        assert isinstance(pilot.app.screen, OrderScreen)
        assert not cursor.is_following
        for command in ("Follow", "Pause"):
            await pilot.press("ctrl+p")
            await pilot.pause()
            await pilot.press(*command)
            await pilot.pause(0.5)
            await pilot.press("enter")
            await wait_until_drawn(pilot)
        assert isinstance(pilot.app.screen, OrderScreen)
        assert (cursor.is_following, view.is_paused) == (True, True)


async def test_what_is_not_sent_again_is_told_where_failures_are() -> None:
    failed = ("pending", "failed")
    events = [
        *order_events(1, failed),
        *order_events(2, failed, start_ms=500, **TWAP, slices=10, intervalS=30),
    ]
    messages = [*connection_messages(), RecordedMessage(START_MS + 600, Events(events))]
    async with show_dashboard(make_session(StaticSource(messages)), NARROW) as pilot:
        await press_keys(pilot, "R")
        told = notification_texts(pilot)[-1]
        assert told.startswith("00000002 is not sent again: slices of a TWAP may have swapped")
        await press_keys(pilot, "j", "R")
        assert isinstance(pilot.app.screen, ResubmitScreen)
        text = screen_text(pilot)
        assert "( ) all 1 failed orders shown" in text
        assert "1 left out: slices of a TWAP may have swapped a part: place the" in text


async def test_q_quits() -> None:
    async with show_dashboard(make_session(StaticSource(load_recorded_messages()))) as pilot:
        await pilot.press("q")
        await pilot.pause()
        assert pilot.app.return_code == 0


async def test_every_key_of_the_footer_and_the_help_is_bound() -> None:
    async with show_dashboard(make_session(StaticSource(load_recorded_messages()))) as pilot:
        app: Dashboard = get_dashboard(pilot)
        bound = {
            key
            for node in (app.main.order_table, app.main, app)
            for key in node._bindings.key_to_bindings
        }
        named = {".": "full_stop", "/": "slash", "]": "right_square_bracket", "?": "question_mark"}
        for key in (*keys.FOOTER_KEYS, *keys.OTHER_KEYS):
            words = "123456789" if key.key == "1-9" else key.key.split()
            for word in words:
                assert named.get(word, word) in bound, key
        for view, shown in keys.VIEW_KEYS.items():
            pane = app.main.panes.get(view)
            of_view = set() if pane is None else {*pane._bindings.key_to_bindings}
            for key in shown:
                word = {**named, "-": "minus"}.get(key.key, key.key)
                assert word in bound | of_view, (view, key)


async def test_typing_into_a_field_does_not_trigger_keys() -> None:
    async with show_dashboard(make_session(StaticSource(load_recorded_messages()))) as pilot:
        await press_keys(pilot, "slash", *"q n x")
        assert pilot.app.is_running
        assert get_dashboard(pilot).main.query_one(Input).value == "q n x"

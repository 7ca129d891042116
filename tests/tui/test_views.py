"""The views of the main screen: tabs, keys, and the list of open orders."""

from __future__ import annotations

import pytest

from tests.tui.sessions import (
    NARROW,
    StaticSource,
    get_dashboard,
    load_recorded_messages,
    make_session,
    press_keys,
    row_texts,
    screen_text,
    show_dashboard,
    wait_until_drawn,
)
from tests.tui.waiting import waiting_messages
from tests.tui.wire import order_events
from tui.connection.recording import RecordedMessage
from tui.model.messages import Events
from tui.output.desk.view_tabs import render_tabs
from tui.screens.cancel import CancelScreen
from tui.table.layouts import OPEN_LAYOUT, ORDERS_LAYOUT, Layout, select_columns
from tui.text.format import join_text, line_width
from tui.text.views import OPEN, ORDERS, VIEWS


async def test_the_open_list_has_what_has_not_ended_and_follows_it() -> None:
    source = StaticSource(waiting_messages())
    async with show_dashboard(make_session(source), NARROW) as pilot:
        session = get_dashboard(pilot).session
        await press_keys(pilot, "f3")
        shown = session.view.list_displayed()
        assert shown == [order for order in shown if not order.is_end]
        assert f"F3 Open {len(shown)}" in screen_text(pilot)
        event = order_events(99, ("pending",), start_ms=60_000)[0]
        source.play([RecordedMessage(source.at_ms, Events([event]))])
        await wait_until_drawn(pilot)
        assert f"F3 Open {len(shown) + 1}" in screen_text(pilot)
        ended = order_events(99, ("pending", "failed"), start_ms=60_000)[1:]
        source.play([RecordedMessage(source.at_ms, Events(ended))])
        await wait_until_drawn(pilot)
        assert session.view.list_displayed() == shown
        assert len(row_texts(pilot)) == len(shown)


async def test_each_list_keeps_its_own_filter_sorting_and_cursor() -> None:
    async with show_dashboard(make_session(StaticSource(waiting_messages())), NARROW) as pilot:
        session = get_dashboard(pilot).session
        await press_keys(pilot, "j", "s")
        column, order = session.view.sort_column, session.cursor.order
        await press_keys(pilot, "tab", "slash", *"type:stop", "enter")
        assert session.view.is_open_list
        assert str(session.view.filter) == "type:stop"
        assert session.settings.sort == column.key
        await press_keys(pilot, "shift+tab")
        assert (session.view.sort_column, session.cursor.order) == (column, order)
        assert session.view.filter.is_empty
        assert not get_dashboard(pilot).main.query_one("#filter-row").display
        await press_keys(pilot, "f3")
        assert str(session.view.filter) == "type:stop"


async def test_what_is_open_is_cancelled_from_its_list() -> None:
    async with show_dashboard(make_session(StaticSource(waiting_messages())), NARROW) as pilot:
        await press_keys(pilot, "f3", "X")
        assert isinstance(pilot.app.screen, CancelScreen)
        shown = len(get_dashboard(pilot).session.view)
        assert f"{shown}" in screen_text(pilot)


async def test_a_click_on_a_tab_shows_its_view() -> None:
    async with show_dashboard(make_session(StaticSource(load_recorded_messages()))) as pilot:
        line = next(each for each in screen_text(pilot).splitlines() if "F3 Open" in each)
        await pilot.click("#tabs", offset=(line.index("Open"), 0))
        await wait_until_drawn(pilot)
        assert get_dashboard(pilot).session.shown_view == OPEN
        await pilot.click("#tabs", offset=(line.index("Orders"), 0))
        await wait_until_drawn(pilot)
        assert get_dashboard(pilot).session.shown_view == ORDERS


@pytest.mark.parametrize("cells", [60, 80, 120, 200])
def test_all_tabs_fit(cells: int) -> None:
    counts: dict[str, int | None] = {view.name: 12_345 for view in VIEWS}
    line = render_tabs(ORDERS, counts, cells)
    assert line_width(line) <= cells
    assert all(view.title in join_text(line) for view in VIEWS)


@pytest.mark.parametrize("layout", [ORDERS_LAYOUT, OPEN_LAYOUT])
def test_optional_columns_fill_a_wide_list_unless_some_are_chosen(layout: Layout) -> None:
    def list_optional(*chosen: str) -> list[str]:
        return [each.key for each in select_columns(400, chosen, layout) if each.is_optional]

    assert len(list_optional()) > 2
    assert set(list_optional("tx")) == {"tx", *layout.extra} & {*list_optional()}

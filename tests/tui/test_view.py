"""The rows of the order table: incremental updates give the rows of a full rebuild."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.tui.wire import CONFIRMED, START_MS, connection_messages, order_events, order_id
from tui.model.filters import OrderFilter
from tui.model.messages import Events, Page
from tui.model.model import Model
from tui.table.columns import COLUMNS
from tui.table.cursor import Cursor
from tui.table.view import OrderView

NOW_MS = START_MS + 60_000
FAILED = ("pending", "routing", "failed")
FILTERS = ("", "status:failed", "side:sell status:confirmed,failed", "!status:failed <300ms")


def make_model() -> Model:
    model = Model()
    for recorded in connection_messages():
        model.apply(recorded.message, recorded.at_ms)
    model.apply(Page([], is_last=True, is_all=True), START_MS)
    return model


def make_view(model: Model) -> OrderView:
    view = OrderView(model)
    view.rebuild(NOW_MS)
    return view


def list_ids(view: OrderView) -> list[str]:
    return [view[y].id for y in range(len(view))]


def add_order(model: Model, number: int, statuses: tuple[str, ...] = CONFIRMED) -> None:
    side = {"tokenIn": "USDC", "tokenOut": "SOL"} if number % 3 == 0 else {}
    model.apply(
        Events(order_events(number, statuses, start_ms=number, amountIn=str(number), **side)),
        NOW_MS,
    )


@given(
    steps=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 5)), max_size=40),
    words=st.sampled_from(FILTERS),
    sort=st.sampled_from(sorted(COLUMNS)),
    is_descending=st.booleans(),
)
def test_rows_are_those_of_a_fresh_view(
    steps: list[tuple[int, int]], words: str, sort: str, is_descending: bool
) -> None:
    model = make_model()
    view = make_view(model)
    view.set_filter(OrderFilter.parse(words))
    view.sort_by(COLUMNS[sort], is_descending=is_descending)
    view.rebuild(NOW_MS)
    for number, length in steps:
        statuses = FAILED if number % 4 == 0 else CONFIRMED
        add_order(model, number, statuses[:length])
        view.apply_changes(NOW_MS)
        if view.is_stale:
            view.rebuild(NOW_MS)
    fresh = OrderView(model, sort=sort, is_descending=is_descending)
    fresh.set_filter(OrderFilter.parse(words))
    fresh.rebuild(NOW_MS)
    assert list_ids(view) == list_ids(fresh)


def test_the_newest_order_is_at_the_top() -> None:
    model = make_model()
    view = make_view(model)
    for number in (1, 2, 3):
        add_order(model, number)
    assert view.apply_changes(NOW_MS).new_rows == 3
    assert list_ids(view) == [order_id(3), order_id(2), order_id(1)]


def test_orders_without_a_value_are_at_the_bottom_in_both_directions() -> None:
    model = make_model()
    view = make_view(model)
    add_order(model, 1)
    add_order(model, 2, FAILED)
    for is_descending in (True, False):
        view.sort_by(COLUMNS["price"], is_descending=is_descending)
        view.rebuild(NOW_MS)
        assert list_ids(view)[-1] == order_id(2)


def test_a_paused_view_filters_and_sorts_the_frozen_state() -> None:
    model = make_model()
    view = make_view(model)
    add_order(model, 1, CONFIRMED[:3])
    add_order(model, 2)
    view.rebuild(NOW_MS)
    view.pause(NOW_MS)
    add_order(model, 1)
    add_order(model, 3)
    assert view.apply_changes(NOW_MS).new_rows == 0
    assert view.held_back_events == 10
    view.set_filter(OrderFilter.parse("status:building"))
    view.rebuild(NOW_MS)
    assert list_ids(view) == [order_id(1)]
    assert view.now_ms(NOW_MS + 5_000) == NOW_MS
    view.resume()
    view.set_filter(OrderFilter())
    view.rebuild(NOW_MS)
    assert [order.status for order in view.list_displayed()] == ["confirmed"] * 3


def test_a_cursor_stays_on_its_order_when_rows_are_added() -> None:
    model = make_model()
    view = make_view(model)
    cursor = Cursor(view)
    for number in (1, 2, 3):
        add_order(model, number)
    cursor.shift_for_new_rows(view.apply_changes(NOW_MS).new_rows)
    assert cursor.order is model.orders[order_id(3)]
    cursor.move_to(1)
    add_order(model, 4)
    cursor.shift_for_new_rows(view.apply_changes(NOW_MS).new_rows)
    assert (cursor.y, cursor.order) == (2, model.orders[order_id(2)])
    view.set_filter(OrderFilter.parse("!id:4"))
    view.rebuild(NOW_MS)
    cursor.restore_position()
    assert (cursor.y, cursor.order) == (1, model.orders[order_id(2)])


def test_a_cursor_whose_order_is_filtered_away_stays_at_its_row() -> None:
    model = make_model()
    view = make_view(model)
    cursor = Cursor(view)
    for number in range(1, 5):
        add_order(model, number, FAILED if number == 3 else CONFIRMED)
    view.rebuild(NOW_MS)
    cursor.move_to(1)
    view.set_filter(OrderFilter.parse("status:confirmed"))
    view.rebuild(NOW_MS)
    cursor.restore_position()
    assert (cursor.y, len(view)) == (1, 3)


def test_a_failure_is_found_in_both_directions() -> None:
    model = make_model()
    for number in range(1, 8):
        add_order(model, number, FAILED if number in {2, 5} else CONFIRMED)
    view = make_view(model)

    def find(start: int, step: int) -> int | None:
        return view.find_row(start, step, lambda order: order.status == "failed")

    assert (find(0, 1), find(2, 1), find(5, 1)) == (2, 5, None)
    assert (find(6, -1), find(5, -1), find(2, -1)) == (5, 2, None)

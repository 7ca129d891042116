"""The rows: kept up to date step by step, they are those that filtering and sorting anew gives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.tui.wire import BEGAN_MS, CONFIRMED, hello, life, order_id
from tui.model.filters import Filter
from tui.model.messages import Events, Page
from tui.model.model import Model
from tui.table.columns import COLUMNS
from tui.table.cursor import Cursor
from tui.table.view import View

NOW_MS = BEGAN_MS + 60_000
FAILED = ("pending", "routing", "failed")
FILTERS = ("", "status:failed", "side:sell status:confirmed,failed", "!status:failed <300ms")


def model() -> Model:
    made = Model()
    for recorded in hello():
        made.apply(recorded.message, recorded.at_ms)
    made.apply(Page([], is_last=True, is_all=True), BEGAN_MS)
    return made


def view(made: Model) -> View:
    shown = View(made)
    shown.rebuild(NOW_MS)
    return shown


def ids(shown: View) -> list[str]:
    return [shown[y].id for y in range(len(shown))]


def add(made: Model, number: int, statuses: tuple[str, ...] = CONFIRMED) -> None:
    side = {"tokenIn": "USDC", "tokenOut": "SOL"} if number % 3 == 0 else {}
    made.apply(
        Events(life(number, statuses, start_ms=number, amountIn=str(number), **side)), NOW_MS
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
    made = model()
    shown = view(made)
    shown.show(Filter.parse(words))
    shown.sort_by(COLUMNS[sort], is_descending=is_descending)
    shown.rebuild(NOW_MS)
    for number, length in steps:
        lifes = FAILED if number % 4 == 0 else CONFIRMED
        add(made, number, lifes[:length])
        shown.absorb(NOW_MS)
        if shown.is_stale:
            shown.rebuild(NOW_MS)
    fresh = View(made, sort=sort, is_descending=is_descending)
    fresh.show(Filter.parse(words))
    fresh.rebuild(NOW_MS)
    assert ids(shown) == ids(fresh)


def test_the_newest_order_is_at_the_top() -> None:
    made = model()
    shown = view(made)
    for number in (1, 2, 3):
        add(made, number)
    assert shown.absorb(NOW_MS).added == 3
    assert ids(shown) == [order_id(3), order_id(2), order_id(1)]


def test_what_has_no_value_is_at_the_bottom_either_way() -> None:
    made = model()
    shown = view(made)
    add(made, 1)
    add(made, 2, FAILED)
    for is_descending in (True, False):
        shown.sort_by(COLUMNS["price"], is_descending=is_descending)
        shown.rebuild(NOW_MS)
        assert ids(shown)[-1] == order_id(2)


def test_a_paused_view_filters_and_sorts_what_was() -> None:
    made = model()
    shown = view(made)
    add(made, 1, CONFIRMED[:3])
    add(made, 2)
    shown.rebuild(NOW_MS)
    shown.pause(NOW_MS)
    add(made, 1)
    add(made, 3)
    assert shown.absorb(NOW_MS).added == 0
    assert shown.held == 10
    shown.show(Filter.parse("status:building"))
    shown.rebuild(NOW_MS)
    assert ids(shown) == [order_id(1)]
    assert shown.now_ms(NOW_MS + 5_000) == NOW_MS
    shown.resume()
    shown.show(Filter())
    shown.rebuild(NOW_MS)
    assert [order.status for order in shown.all()] == ["confirmed"] * 3


def test_a_cursor_stays_with_its_order_when_rows_come() -> None:
    made = model()
    shown = view(made)
    cursor = Cursor(shown)
    for number in (1, 2, 3):
        add(made, number)
    cursor.grown(shown.absorb(NOW_MS).added)
    assert cursor.order is made.orders[order_id(3)]
    cursor.move(1)
    add(made, 4)
    cursor.grown(shown.absorb(NOW_MS).added)
    assert (cursor.y, cursor.order) == (2, made.orders[order_id(2)])
    shown.show(Filter.parse("!id:4"))
    shown.rebuild(NOW_MS)
    cursor.rebuilt()
    assert (cursor.y, cursor.order) == (1, made.orders[order_id(2)])


def test_a_cursor_whose_order_is_filtered_away_stays_at_its_row() -> None:
    made = model()
    shown = view(made)
    cursor = Cursor(shown)
    for number in range(1, 5):
        add(made, number, FAILED if number == 3 else CONFIRMED)
    shown.rebuild(NOW_MS)
    cursor.move(1)
    shown.show(Filter.parse("status:confirmed"))
    shown.rebuild(NOW_MS)
    cursor.rebuilt()
    assert (cursor.y, len(shown)) == (1, 3)


def test_a_failure_is_found_in_both_directions() -> None:
    made = model()
    for number in range(1, 8):
        add(made, number, FAILED if number in {2, 5} else CONFIRMED)
    shown = view(made)

    def find(start: int, step: int) -> int | None:
        return shown.find(start, step, lambda order: order.status == "failed")

    assert (find(0, 1), find(2, 1), find(5, 1)) == (2, 5, None)
    assert (find(6, -1), find(5, -1), find(2, -1)) == (5, 2, None)

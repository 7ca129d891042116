"""The lines above and below the table, at every width: none is empty or too long."""

from __future__ import annotations

import pytest

from tests.tui.wire import START_MS, connection_messages
from tui.connection.recording import RecordedMessage
from tui.keys import render_footer
from tui.model.messages import Page, Totals
from tui.model.model import Model
from tui.model.wire import WireStats
from tui.output.summary import SummaryContext, render_summary
from tui.table.view import OrderView
from tui.text.format import join_text
from tui.text.symbols import ASCII, STATUSES, UNICODE, Symbols

WIDTHS = range(80, 161)
PLACING_KEYS = ("n New", "o Order", "x Cancel", "a Amend", "? Help")


def render_lines(counts: int, cells: int, symbols: Symbols) -> list[str]:
    model = Model()
    messages = [
        *connection_messages(),
        RecordedMessage(START_MS, Page([], is_last=True, is_all=True)),
    ]
    for recorded in messages:
        model.apply(recorded.message, recorded.at_ms)
    model.counters.load_server_counts(dict.fromkeys(STATUSES, counts))
    context = SummaryContext(model, OrderView(model), symbols, cells, START_MS)
    return [join_text(line) for line in render_summary(context)]


@pytest.mark.parametrize("symbols", [UNICODE, ASCII], ids=["shapes", "ascii"])
@pytest.mark.parametrize("count", [1, 30, 999, 12_345, 1_234_567])
def test_every_status_with_orders_is_counted_at_every_width(count: int, symbols: Symbols) -> None:
    for cells in WIDTHS:
        lines = render_lines(count, cells, symbols)
        assert max(map(len, lines)) <= cells
        for digit, status in enumerate(STATUSES, start=1):
            mark = symbols.status[status]
            assert f"{digit}{mark}" in lines[1].replace(" ", ""), (cells, lines[1])


def test_the_footer_names_the_keys_that_place_and_change_orders_at_every_width() -> None:
    for cells in WIDTHS:
        footer = join_text(render_footer(cells))
        assert len(footer) == cells
        assert [key for key in PLACING_KEYS if key not in footer] == []


@pytest.mark.parametrize("symbols", [UNICODE, ASCII], ids=["shapes", "ascii"])
def test_what_is_halted_is_in_plain_sight_at_every_width(symbols: Symbols) -> None:
    sentence = "all orders: halted since 2026-11-30 09:00:00 UTC: a wallet leaks \x1b[2J (by ops)"
    model = Model()
    for recorded in connection_messages():
        model.apply(recorded.message, recorded.at_ms)
    counts = dict.fromkeys(STATUSES, 1)
    stats: WireStats = {"at": "", "cursor": "", "total": 8, "open": 1, "byStatus": counts}
    model.apply(Totals({**stats, "stopped": [sentence]}), START_MS)
    for cells in WIDTHS:
        context = SummaryContext(model, OrderView(model), symbols, cells, START_MS)
        lines = [join_text(line) for line in render_summary(context)]
        assert max(map(len, lines)) <= cells
        assert "all orders: halted since 2026-11-30 09:00" in lines[0]
    assert "\x1b" not in "".join(lines)
    model.apply(Totals(stats), START_MS)
    context = SummaryContext(model, OrderView(model), symbols, 120, START_MS)
    assert "halted" not in join_text(render_summary(context)[0])
    assert [entry.text for entry in model.log.entries][-1] == "nothing is halted any more"

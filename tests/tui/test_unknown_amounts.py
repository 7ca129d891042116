"""A confirmed order whose amount is not known yet, in the dashboard and in plain output."""

from __future__ import annotations

from tests.tui.sessions import StaticSource, make_session
from tests.tui.test_detail import make_model, render_lines
from tests.tui.wire import (
    CONFIRMED,
    START_MS,
    connection_messages,
    order_event,
    order_events,
    order_id,
    stored_order,
)
from tui.connection.recording import RecordedMessage
from tui.console import ConsoleOutput
from tui.model.messages import Events
from tui.model.orders import Order

UNKNOWN = {
    "amountOut": None,
    "executedPrice": None,
    "amountKnown": False,
    "minAmountOut": "100.5",
}
EVENTS = [*order_events(1, CONFIRMED[:4]), order_event(1, 5, "confirmed", 900, **UNKNOWN)]


def test_the_detail_says_that_the_amount_is_not_known_yet() -> None:
    model = make_model(*EVENTS)
    order = model.orders[order_id(1)]
    assert (order.status, order.amount_out, order.price) == ("confirmed", None, None)
    assert order.improvement_bps is None
    assert "EXECUTED  amount not known yet" in render_lines(model, order)


def test_the_stored_order_shows_the_amount_once_it_is_known() -> None:
    amounts = []
    for events in (EVENTS, order_events(1)):
        order = Order(order_id(1))
        order.load_stored(stored_order(events))
        amounts.append((order.amount_out, order.executed_price))
    assert amounts == [(None, None), ("100.9", "100.9")]


async def test_plain_output_says_that_the_amount_is_not_known_yet() -> None:
    messages = [*connection_messages(), RecordedMessage(START_MS + 1_000, Events(EVENTS))]
    lines: list[str] = []
    await ConsoleOutput(make_session(StaticSource(messages)), lines.append).run()
    assert any(line.endswith("for an amount of USDC that is not known yet") for line in lines)

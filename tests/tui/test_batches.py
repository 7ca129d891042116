"""The view of batches: what was sent as one is one, and what is done with all its orders."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tui.sessions import (
    NARROW,
    StaticSource,
    get_dashboard,
    make_session,
    notification_texts,
    press_keys,
    screen_text,
    show_dashboard,
)
from tests.tui.wire import CONFIRMED, START_MS, connection_messages, order_events
from tui.connection.order_sender import assign_client_order_ids
from tui.connection.recording import RecordedMessage
from tui.model.counts.batch_names import name_batch
from tui.model.messages import Events
from tui.model.model import Model
from tui.model.wire import WireEvent
from tui.screens.cancel import CancelScreen
from tui.screens.export import ExportScreen
from tui.screens.resubmit import ResubmitScreen

UUID = "0f8fad5b-d9cb-469f-a165-708677289500"
SEND = f"send-{UUID.replace('-', '')}"
FAILED = ("pending", "failed")


@pytest.mark.parametrize(
    ("batch_id", "client_order_id", "name"),
    [
        (None, None, None),
        ("b1", None, "b1"),
        ("b1", f"{SEND}-7", SEND),
        (None, "42-1039e76e4ce6-12", "42-1039e76e4ce6"),
        (None, "42-1039e76e4ce6-again-12", "42-1039e76e4ce6-again"),
        ("b1", UUID, "b1"),
        ("b1", "0f8fad5b-d9cb-469f-a165-708677289512", "b1"),
        ("b1", "my order 7", "b1"),
        ("b1", f"{SEND}-7b", "b1"),
    ],
)
def test_the_name_that_a_client_gave_names_a_batch(
    batch_id: str | None, client_order_id: str | None, name: str | None
) -> None:
    assert name_batch(batch_id, client_order_id) == name


def test_orders_that_are_sent_together_have_a_name_in_common() -> None:
    terms = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1"}
    named = assign_client_order_ids([terms] * 3, lambda: UUID)  # type: ignore[list-item]
    ids = [each["clientOrderId"] for each in named]
    assert len(set(ids)) == 3
    assert {name_batch("b", each) for each in ids} == {SEND}


def batch_events() -> list[WireEvent]:
    """A send of two requests, of which one order is open and two failed; and a request alone."""
    one: dict[str, Any] = {"batchId": "aaaa1111"}
    other: dict[str, Any] = {"batchId": "bbbb2222"}
    return [
        *order_events(1, CONFIRMED, **one, clientOrderId=f"{SEND}-0"),
        *order_events(2, FAILED, start_ms=10, **one, clientOrderId=f"{SEND}-1"),
        *order_events(3, FAILED, start_ms=20, **other, clientOrderId=f"{SEND}-2"),
        *order_events(4, ("pending",), start_ms=30, **other, clientOrderId=f"{SEND}-3"),
        *order_events(5, FAILED, start_ms=40, batchId="cccc3333"),
    ]


def batch_messages(codes: tuple[str, str] = ("slippage", "no_pool")) -> list[RecordedMessage]:
    events = batch_events()
    failures = [event for event in events if event["status"] == "failed"]
    for event, code in zip(failures, (*codes, "no_pool"), strict=True):
        event["code"] = code
    return [*connection_messages(), RecordedMessage(START_MS + 600, Events(events))]


def test_a_batch_of_several_requests_is_counted_as_one() -> None:
    model = Model()
    for message in batch_messages():
        model.apply(message.message, message.at_ms)
    alone, sent = model.counters.batches.list_newest_first()
    assert (sent.total, sent.confirmed, sent.failed, sent.left) == (4, 1, 2, 1)
    assert (sent.request_count, sent.short_id) == (2, SEND[-8:])
    assert (alone.total, alone.request_count, alone.short_id) == (1, 1, "3333")


async def test_what_is_done_with_the_orders_of_a_batch() -> None:
    async with show_dashboard(make_session(StaticSource(batch_messages())), NARROW) as pilot:
        session = get_dashboard(pilot).session
        await press_keys(pilot, "f4", "j")
        text = screen_text(pilot)
        assert "F4 Batches 2" in text
        assert "R sends 1 again that can pass" in text
        await press_keys(pilot, "x")
        assert isinstance(pilot.app.screen, CancelScreen)
        assert f"batch  #{SEND[-8:]}" in screen_text(pilot)
        await press_keys(pilot, "escape", "e")
        assert isinstance(pilot.app.screen, ExportScreen)
        await press_keys(pilot, "escape", "R")
        assert isinstance(pilot.app.screen, ResubmitScreen)
        assert "1 left out: no_pool fails again" in screen_text(pilot)
        await press_keys(pilot, "escape", "enter")
        assert session.shown_view == "orders"
        assert len(session.view) == 4


async def test_a_batch_of_which_nothing_can_pass_says_so() -> None:
    async with show_dashboard(make_session(StaticSource(batch_messages())), NARROW) as pilot:
        await press_keys(pilot, "f4", "R")
        assert notification_texts(pilot)[-1] == "1 left out: no_pool fails again"
        await press_keys(pilot, "x")
        assert notification_texts(pilot)[-1] == "no order of #3333 is open"

"""The amend dialog, against a real API: what it changes, and what has changed meanwhile."""

from __future__ import annotations

from pathlib import Path

from textual.pilot import Pilot

from tests.tui.screens.dialogs import fill_fields, label_text
from tests.tui.screens.test_dialogs import show_dashboard_with_a_node
from tests.tui.sessions import (
    get_dashboard,
    press_keys,
    screen_text,
    wait_for,
    wait_until_drawn,
)
from tui.connection.client import ApiClient
from tui.model.orders import Order
from tui.screens.amend import AmendScreen
from tui.screens.main import MainScreen


async def place_limit(pilot: Pilot[None], price: str) -> Order:
    session = get_dashboard(pilot).session
    await press_keys(pilot, "o")
    await fill_fields(pilot, type="limit", limit=price, low="1")
    await press_keys(pilot, "ctrl+s")
    await wait_for(pilot, lambda: session.model.counters.by_status["waiting"] == 1)
    await wait_for(pilot, lambda: isinstance(pilot.app.screen, MainScreen))
    await wait_until_drawn(pilot)  # keys are about the order whose row is drawn
    return session.model.sorted_orders[-1]


def get_client(pilot: Pilot[None]) -> ApiClient:
    client = get_dashboard(pilot).session.client
    assert client is not None
    return client


def limit_of(order: Order) -> str | None:
    return None if order.condition is None else order.condition.limit_price


async def test_an_order_that_waits_is_amended_in_place(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with show_dashboard_with_a_node(database_url, redis_url, data_dir) as pilot:
        order = await place_limit(pilot, "100000")
        await press_keys(pilot, "a")
        await wait_for(
            pilot, lambda: "above the market and would wait" in label_text(pilot, "sense")
        )
        await press_keys(pilot, "ctrl+s")
        await wait_for(pilot, lambda: label_text(pilot) == "nothing is changed yet")
        await fill_fields(pilot, limit="90000", until="1h")
        await press_keys(pilot, "ctrl+s")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, MainScreen))
        await wait_for(pilot, lambda: limit_of(order) == "90000" and order.expires_ms is not None)

        await press_keys(pilot, "enter", "e")  # from its full view too
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, AmendScreen))
        await fill_fields(pilot, slippage="2")
        await get_client(pilot).amend_order(order.id, order.seq, {"limitPrice": "80000"})
        await wait_for(pilot, lambda: limit_of(order) == "80000")
        await press_keys(pilot, "ctrl+s")
        await wait_for(pilot, lambda: "changed meanwhile" in label_text(pilot))
        assert "80000" in screen_text(pilot)
        await press_keys(pilot, "ctrl+s")
        await wait_for(pilot, lambda: order.slippage_bps == 200)
        assert (limit_of(order), order.status) == ("80000", "waiting")


async def test_an_amendment_that_would_be_met_at_once_is_asked_about(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with show_dashboard_with_a_node(database_url, redis_url, data_dir) as pilot:
        order = await place_limit(pilot, "100000")
        await press_keys(pilot, "a")
        await fill_fields(pilot, limit="1")
        await press_keys(pilot, "ctrl+s")
        await wait_for(pilot, lambda: "submit once more to amend it" in label_text(pilot))
        assert limit_of(order) == "100000"
        await fill_fields(pilot, limit="2")  # what was asked was about another price
        assert label_text(pilot) == ""
        await press_keys(pilot, "ctrl+s")
        await wait_for(pilot, lambda: "submit once more to amend it" in label_text(pilot))
        dialog = pilot.app.screen
        assert isinstance(dialog, AmendScreen)
        dialog.answer_at_s = 0  # as after a moment
        await press_keys(pilot, "ctrl+s")
        await wait_for(pilot, lambda: limit_of(order) == "2")

"""The dialogs, against a real API: orders are placed, and errors are shown in the dialog."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input

from tests.integration.apis import RunningApi, open_api, open_driver
from tests.integration.share_orders import run_share_engine
from tests.scenario import run_node
from tests.tui.screens.dialogs import fill_fields, label_text
from tests.tui.servers import (
    TERMS,
    ApiProcess,
    make_live_session,
    show_live_dashboard,
)
from tests.tui.sessions import (
    get_dashboard,
    press_keys,
    screen_text,
    wait_for,
    wait_until_drawn,
)
from tui.app import Dashboard
from tui.connection.client import ApiClient
from tui.screens.main import MainScreen
from tui.screens.submit import ANSWER_DELAY_S
from tui.widgets.choice import Choice

WIDE = (120, 40)


async def test_a_batch_is_placed_and_its_orders_appear(api: RunningApi) -> None:
    async with show_live_dashboard(api.url) as pilot:
        await press_keys(pilot, "n")
        await fill_fields(pilot, count="12", of="in", seed="5")
        await press_keys(pilot, "ctrl+s")
        session = get_dashboard(pilot).session
        await wait_for(pilot, lambda: len(session.model.orders) == 12)
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, MainScreen))
        assert len({order.batch_id for order in session.model.sorted_orders}) == 1
        assert "accepted 12 of 12" in session.model.log.entries[-1].text
        assert session.settings.last_batch["seed"] == "5"


async def test_a_single_order_is_placed_outside_any_batch(api: RunningApi) -> None:
    async with show_live_dashboard(api.url) as pilot:
        await press_keys(pilot, "o")
        await fill_fields(pilot, low="3.25", side="buy")
        await press_keys(pilot, "ctrl+s")
        session = get_dashboard(pilot).session
        await wait_for(pilot, lambda: len(session.model.orders) == 1)
        [order] = session.model.sorted_orders
        assert (order.batch_id, order.amount_in, order.token_in) == (None, "3.25", "USDC")


async def test_what_is_refused_for_good_is_shown_and_nothing_is_sent_twice(api: RunningApi) -> None:
    async with show_live_dashboard(api.url) as pilot:
        await press_keys(pilot, "n")
        await fill_fields(pilot, count="20", pairs="SOL/USDC SOL/NOPE", of="in")
        await press_keys(pilot, "ctrl+s")
        await wait_for(pilot, lambda: "refused" in label_text(pilot))
        match = re.match(r"(\d+) accepted, (\d+) refused", label_text(pilot))
        assert match is not None
        accepted, refused = map(int, match.groups())
        assert accepted + refused == 20
        assert f"{refused} x unknown_token: " in label_text(pilot)
        assert "; correct the pair" in label_text(pilot)
        label = str(pilot.app.screen.query_one("#submit", Button).label)
        assert label == "Sent: esc closes"  # the others would be refused again
        await wait_for(pilot, lambda: label in screen_text(pilot))
        session = get_dashboard(pilot).session
        await wait_for(pilot, lambda: len(session.model.orders) == accepted)
        await press_keys(pilot, "ctrl+s")
        await wait_until_drawn(pilot)
        assert len(session.model.orders) == accepted
        await fill_fields(pilot, pairs="SOL/USDC")
        assert str(pilot.app.screen.query_one("#submit", Button).label) == "Submit ^s"


async def test_a_rate_limit_is_shown_with_its_wait(database_url: str, redis_url: str) -> None:
    async with (
        open_api(database_url, redis_url, rate_limit=5) as api,
        show_live_dashboard(api.url) as pilot,
    ):
        await press_keys(pilot, "n")
        await fill_fields(pilot, count="1200", of="in")
        await press_keys(pilot, "ctrl+s")
        await wait_for(pilot, lambda: "1,000 accepted, 200 refused" in label_text(pilot))
        assert "200 x rate_limited" in label_text(pilot)
        assert "try again after" in label_text(pilot)
        label = str(pilot.app.screen.query_one("#submit", Button).label)
        assert label == "Send the rest (200) ^s"


async def test_an_unreachable_server_is_reported_in_the_dialog(api_process: ApiProcess) -> None:
    async with show_live_dashboard(api_process.url) as pilot:
        await press_keys(pilot, "n")
        await fill_fields(pilot, of="in")
        await api_process.kill()
        await press_keys(pilot, "ctrl+s")
        await wait_for(
            pilot, lambda: "unreachable" in label_text(pilot) or "offline" in label_text(pilot)
        )
        await wait_for(
            pilot, lambda: get_dashboard(pilot).session.model.connection.status == "offline"
        )
        await press_keys(pilot, "ctrl+s")
        await wait_for(pilot, lambda: "offline, nothing was sent" in label_text(pilot))


async def test_failures_are_sent_again_as_a_new_batch(
    api: RunningApi, database_url: str, redis_url: str
) -> None:
    async with (
        open_driver(database_url, redis_url) as driver,
        show_live_dashboard(api.url) as pilot,
    ):
        await press_keys(pilot, "n")
        await fill_fields(pilot, count="6", of="in", minimum="1000")
        await press_keys(pilot, "ctrl+s")
        session = get_dashboard(pilot).session
        await wait_for(pilot, lambda: len(session.model.orders) == 6)
        for order in session.model.sorted_orders[:4]:
            await driver.fail(await driver.claim(UUID(order.id)))
        await wait_for(pilot, lambda: session.model.counters.by_status["failed"] == 4)
        failed = [order.amount_in for order in session.model.sorted_orders[:4]]
        await press_keys(pilot, "R")
        pilot.app.screen.query_one("#slippage", Input).value = "1.5"
        pilot.app.screen.query_one("#minimum", Choice).value = "none"
        await press_keys(pilot, "ctrl+s")
        await wait_for(pilot, lambda: len(session.model.orders) == 10)
        again = session.model.sorted_orders[6:]
        assert sorted(order.amount_in for order in again) == sorted(failed)
        assert {(order.slippage_bps, order.min_amount_out) for order in again} == {(150, None)}
        assert {order.min_amount_out for order in session.model.sorted_orders[:4]} == {"1000"}


@asynccontextmanager
async def show_dashboard_with_a_node(
    database_url: str, redis_url: str, data_dir: Path
) -> AsyncIterator[Pilot[None]]:
    async with (
        run_node(data_dir) as url,
        open_api(database_url, redis_url, solana_rpc_url=url) as api,
        show_live_dashboard(api.url) as pilot,
    ):
        yield pilot


async def test_a_dry_run_shows_the_quotes_of_the_api_until_the_form_changes(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with show_dashboard_with_a_node(database_url, redis_url, data_dir) as pilot:
        await press_keys(pilot, "n")
        await fill_fields(pilot, pairs="SOL/USDC", minimum="1000000")
        await press_keys(pilot, "f4")
        await wait_for(pilot, lambda: "below the minimum" in label_text(pilot))
        await fill_fields(pilot, minimum="")
        assert label_text(pilot) == ""
        await press_keys(pilot, "f4")
        await wait_for(pilot, lambda: " bps" in label_text(pilot))
        assert "Raydium CPMM" in label_text(pilot)
        assert "Meteora DAMM v2" in label_text(pilot)
        assert get_dashboard(pilot).session.model.orders == {}
        assert "USDC" in label_text(pilot, "totals")
        await fill_fields(pilot, pairs="FOO/USDC")
        await press_keys(pilot, "f4")
        await wait_for(pilot, lambda: "no price of FOO" in label_text(pilot))
        await fill_fields(pilot, pairs="SOL/USDC")
        assert label_text(pilot) == ""


async def test_orders_above_the_value_of_a_setting_are_placed_at_the_second_request(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with show_dashboard_with_a_node(database_url, redis_url, data_dir) as pilot:
        session = get_dashboard(pilot).session
        session.settings.ask_above = 50_000
        await press_keys(pilot, "n")
        large = {"count": "2000", "low": "1", "high": "1", "side": "sell", "of": "in"}
        await fill_fields(pilot, **large)
        await wait_for(pilot, lambda: "2,000 orders of 2,000" in label_text(pilot, "totals"))
        await wait_for(pilot, lambda: " USDC" in label_text(pilot, "totals"))
        await press_keys(pilot, "ctrl+s")
        await wait_for(pilot, lambda: "more than 50,000 USDC" in label_text(pilot))
        assert "2,000 orders" in label_text(pilot)
        assert "USDC ^s" in str(pilot.app.screen.query_one("#submit", Button).label)
        await fill_fields(pilot, count="1999")  # other orders: asked anew
        assert label_text(pilot) == ""
        await press_keys(pilot, "ctrl+s")
        await wait_for(pilot, lambda: "more than 50,000 USDC" in label_text(pilot))
        assert session.model.orders == {}
        while not session.model.orders:  # a key that repeats is no answer
            await press_keys(pilot, "ctrl+s")
            await pilot.pause(0.05)
        await wait_for(pilot, lambda: len(session.model.orders) == 1_999)
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, MainScreen))
        await press_keys(pilot, "n")
        await fill_fields(pilot, **{**large, "count": "3"})  # below it: at once
        await press_keys(pilot, "ctrl+s")
        await wait_for(pilot, lambda: len(session.model.orders) == 2_002)


@pytest.mark.parametrize(
    ("fields", "question"),
    [
        ({"type": "stop", "trigger": "1", "low": "all"}, "1 order sells all of SOL"),
        ({"type": "oco", "profit": "100000", "loss": "1", "low": "50%"}, "2 orders sell 50% of"),
    ],
    ids=["stop", "oco"],
)
async def test_orders_of_a_share_are_placed_at_the_second_request(
    database_url: str, redis_url: str, data_dir: Path, fields: dict[str, str], question: str
) -> None:
    async with (
        run_share_engine(database_url, redis_url, data_dir) as engine,
        show_live_dashboard(engine.engine.api.url) as pilot,
    ):
        model = get_dashboard(pilot).session.model
        await press_keys(pilot, "o")
        await fill_fields(pilot, **fields)
        await wait_for(pilot, lambda: "this stop is" in label_text(pilot, "sense"))
        await press_keys(pilot, "ctrl+s")
        await wait_for(pilot, lambda: question in label_text(pilot))
        await wait_for(pilot, lambda: "its value is not known before" in screen_text(pilot))
        await wait_for(pilot, lambda: "submit once more to place them" in screen_text(pilot))
        count = question.partition(" sell")[0]
        label = str(pilot.app.screen.query_one("#submit", Button).label)
        assert label == f"Place {count} ^s"
        await wait_for(pilot, lambda: label in screen_text(pilot))
        await fill_fields(pilot, low="25%")  # another share: asked anew
        assert label_text(pilot) == ""
        await press_keys(pilot, "ctrl+s")
        await wait_for(pilot, lambda: "25% of SOL" in label_text(pilot))
        assert model.orders == {}
        await pilot.pause(ANSWER_DELAY_S)  # a key that repeats is no answer
        await press_keys(pilot, "ctrl+s")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, MainScreen))
        await wait_for(pilot, lambda: len(model.orders) == int(count.split()[0]))
        assert {order.share for order in model.sorted_orders} == {"25%"}


async def test_a_dry_run_without_a_node_says_why(api: RunningApi) -> None:
    async with show_live_dashboard(api.url) as pilot:
        await press_keys(pilot, "n")
        await fill_fields(pilot, of="in")
        await press_keys(pilot, "f4")
        await wait_for(pilot, lambda: "venues_unavailable" in label_text(pilot))


async def test_another_server_can_be_followed(
    api: RunningApi, other_database_url: str, redis_url: str
) -> None:
    async with open_api(other_database_url, redis_url) as other:
        app = Dashboard(
            make_live_session(ApiClient(other.url)),
            connect=lambda url: make_live_session(ApiClient(url)),
        )
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_until_drawn(pilot)
            app.action_connect()
            await pilot.pause()
            pilot.app.screen.query_one("#url", Input).value = api.url
            await press_keys(pilot, "enter")
            await wait_for(pilot, lambda: app.session.model.connection.url == api.url)
            await wait_for(pilot, lambda: app.session.model.connection.status == "live")


@pytest.mark.parametrize("size", [(80, 24), WIDE], ids=["80x24", "120x40"])
async def test_the_events_of_a_stored_order_are_requested_when_it_is_shown(
    api: RunningApi, database_url: str, redis_url: str, size: tuple[int, int]
) -> None:
    async with open_driver(database_url, redis_url) as driver, ApiClient(api.url) as client:
        order_id = await client.place_order(TERMS, key="one")
        await driver.confirm(UUID(order_id))
        async with show_live_dashboard(api.url, size) as pilot:
            order = get_dashboard(pilot).session.model.orders[order_id]
            # A wide terminal shows the detail beside the table, and requests the events at once.
            assert not order.has_full_history or size == WIDE
            await press_keys(pilot, "enter")
            await wait_for(pilot, lambda: order.has_full_history)
            await wait_for(pilot, lambda: "+0" in screen_text(pilot))

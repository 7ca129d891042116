"""Cancelling in the dashboard, against a real API: what is asked, done and told."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from textual.pilot import Pilot

from tests.integration.apis import OrderDriver, RunningApi, open_api, open_driver
from tests.tui.servers import TERMS, ApiProcess, show_live_dashboard
from tests.tui.sessions import (
    count_statuses,
    get_dashboard,
    notification_texts,
    press_keys,
    row_texts,
    screen_text,
    wait_for,
)
from tui.connection.client import ApiClient
from tui.connection.order_canceller import cancel_orders
from tui.model.connection_state import ConnectionStatus
from tui.model.orders import Order
from tui.model.wire import WireOrderTerms
from tui.output.cancellation import describe_outcome
from tui.screens.cancel import CancelScreen
from tui.screens.main import MainScreen
from tui.screens.order import OrderScreen

KEY = "anna-key-0123456789"
JUP: WireOrderTerms = {"tokenIn": "JUP", "tokenOut": "USDC", "amount": "850"}


@pytest.fixture
async def driver(database_url: str, redis_url: str) -> AsyncIterator[OrderDriver]:
    async with open_driver(database_url, redis_url) as order_driver:
        yield order_driver


async def place_orders(client: ApiClient, count: int, terms: WireOrderTerms = TERMS) -> list[str]:
    key = f"{terms['tokenIn']}-{count}"
    result = await client.place_batch([terms] * count, key=key)
    return [entry["orderId"] for entry in result.entries]


async def sign(driver: OrderDriver, order_id: str) -> None:
    await driver.sign(await driver.route(await driver.claim(UUID(order_id))))


def get_order(pilot: Pilot[None], order_id: str) -> Order:
    return get_dashboard(pilot).session.model.orders[order_id]


async def wait_for_status(pilot: Pilot[None], order_id: str, status: str) -> None:
    await wait_for(pilot, lambda: get_order(pilot, order_id).status == status)


async def wait_for_text(pilot: Pilot[None], text: str) -> None:
    await wait_for(pilot, lambda: text in screen_text(pilot))


async def wait_until_told(pilot: Pilot[None], text: str) -> None:
    await wait_for(pilot, lambda: any(text in each for each in notification_texts(pilot)))


async def test_x_names_the_order_and_cancels_it_once_it_is_confirmed(api: RunningApi) -> None:
    async with ApiClient(api.url) as client, show_live_dashboard(api.url) as pilot:
        [order_id] = await place_orders(client, 1)
        await wait_for(pilot, lambda: get_dashboard(pilot).session.cursor.order is not None)
        for keys in (("escape",), ("n",), ("enter",), ("x", "escape")):  # the focus is on Keep
            await press_keys(pilot, "x")
            await wait_for_text(pilot, "sell SOL/USDC, 1.5 SOL")
            text = screen_text(pilot)
            assert f"{order_id}  ◌ pending" in text
            assert "Cancel this order?" in text
            await press_keys(pilot, *keys)
            assert isinstance(pilot.app.screen, MainScreen)
        assert (await client.fetch_orders(None))[0][0]["status"] == "pending"
        await press_keys(pilot, "x", "y")
        text = f"{order_id[-8:]} sell SOL/USDC, 1.5 SOL: cancelled, it will never be executed"
        await wait_until_told(pilot, text)
        assert get_dashboard(pilot).session.model.log.entries[-1].text == text
        await wait_for_status(pilot, order_id, "cancelled")
        await wait_for_text(pilot, "7⊘1")
        assert "⊘ cancelled" in row_texts(pilot)[0]
        await press_keys(pilot, "6")
        assert count_statuses(pilot) == {}
        await press_keys(pilot, "6", "7")
        assert count_statuses(pilot) == {"cancelled": 1}
        await press_keys(pilot, "x")
        assert notification_texts(pilot)[-1] == f"{order_id[-8:]} is cancelled: nothing to cancel"
        await press_keys(pilot, "enter")
        await wait_for_text(pilot, "CANCELLED  cancelled_by_request")
        assert "it was cancelled; nothing was sent that can still land" in screen_text(pilot)
        assert isinstance(pilot.app.screen, OrderScreen)


async def test_an_order_that_was_cancelled_before_the_start_says_so(api: RunningApi) -> None:
    async with ApiClient(api.url) as client:
        [order_id] = await place_orders(client, 1)
        await client.cancel_order(order_id)
        async with show_live_dashboard(api.url, (120, 40)) as pilot:
            await wait_for_text(pilot, "CANCELLED  cancelled_by_request")
            assert "7 ⊘ cancelled 1" in screen_text(pilot)
            assert "6 ✕ failed 0" in screen_text(pilot)


async def test_it_is_told_how_an_order_goes_on_for_which_it_is_too_late(
    api: RunningApi, driver: OrderDriver
) -> None:
    async with ApiClient(api.url) as client, show_live_dashboard(api.url) as pilot:
        [order_id] = await place_orders(client, 1)
        await wait_for(pilot, lambda: get_dashboard(pilot).session.cursor.order is not None)
        await press_keys(pilot, "enter", "x")
        await sign(driver, order_id)
        await wait_for_text(pilot, "Too late: what is submitted may land")  # as it has changed
        await press_keys(pilot, "y")
        await wait_until_told(pilot, "too late, it is submitted, may land up to block height")
        assert get_order(pilot, order_id).status == "submitted"
        assert "1,234" in notification_texts(pilot)[-1]


async def test_all_open_orders_of_the_filter_are_cancelled_and_no_other(
    api: RunningApi, driver: OrderDriver
) -> None:
    async with ApiClient(api.url) as client, show_live_dashboard(api.url, (120, 40)) as pilot:
        kept = await place_orders(client, 3)
        placed = await place_orders(client, 30, JUP)
        await sign(driver, placed[0])
        await sign(driver, placed[1])
        await driver.confirm(UUID(placed[2]))
        await wait_for(pilot, lambda: len(get_dashboard(pilot).session.model.orders) == 33)
        for order_id, status in zip(placed, ("submitted", "submitted", "confirmed"), strict=False):
            await wait_for_status(pilot, order_id, status)
        await press_keys(pilot, *"/pair:JUP", "enter", "X")
        await wait_for_text(pilot, "Cancel all 29 open orders shown?")
        await wait_for_text(pilot, "filter  pair:JUP")
        await wait_for_text(pilot, "◌ pending 27  ◕ submitted 2")
        await driver.fail(await driver.claim(UUID(placed[29])))  # meanwhile
        await wait_for_text(pilot, "1 ended meanwhile")
        await press_keys(pilot, "y")
        told = (
            "29 orders: cancelled 26, they will never be executed; too late for 3: 2 submitted, may"
            " land up to block height 1,234, 1 failed"
        )
        await wait_until_told(pilot, told)
        await wait_for(pilot, lambda: count_statuses(pilot)["cancelled"] == 26)
        assert count_statuses(pilot) == {
            "cancelled": 26,
            "submitted": 2,
            "confirmed": 1,
            "failed": 1,
        }
        assert all(get_order(pilot, order_id).status == "pending" for order_id in kept)
        await press_keys(pilot, *"/ !status:sub", "enter", "X")
        assert notification_texts(pilot)[-1] == "no open order is shown"


async def test_the_dashboard_goes_on_while_the_engine_does_not_answer(
    api_process: ApiProcess,
) -> None:
    url = api_process.url
    async with ApiClient(url) as client, show_live_dashboard(url) as pilot:
        placed = await place_orders(client, 40)
        await wait_for(pilot, lambda: len(get_dashboard(pilot).session.model.orders) == 40)
        api_process.send_signal(signal.SIGSTOP)
        await press_keys(pilot, "X", "y", "j", "j", "enter")
        assert isinstance(pilot.app.screen, OrderScreen)
        assert get_dashboard(pilot).session.cursor.y == 2
        api_process.send_signal(signal.SIGCONT)
        await wait_until_told(pilot, "40 orders: cancelled 40, they will never be executed")
        await wait_for_status(pilot, placed[0], "cancelled")


async def test_offline_nothing_is_cancelled_and_it_is_told(api_process: ApiProcess) -> None:
    url = api_process.url
    async with ApiClient(url) as client, show_live_dashboard(url) as pilot:
        [order_id] = await place_orders(client, 1)
        await wait_for(pilot, lambda: get_dashboard(pilot).session.cursor.order is not None)
        await press_keys(pilot, "x")
        await api_process.kill()
        connection = get_dashboard(pilot).session.model.connection
        await wait_for(pilot, lambda: connection.status is ConnectionStatus.OFFLINE)
        assert isinstance(pilot.app.screen, CancelScreen)
        await press_keys(pilot, "y")
        await wait_until_told(pilot, "offline, nothing was cancelled: ")
        outcome = await cancel_orders(client, [order_id] * 3)
        assert (outcome.cancelled, outcome.unanswered, outcome.rest) == (0, 3, 0)
        assert "3 without an answer may be cancelled all the same" in describe_outcome(outcome)
        assert f"nothing answers at {url}" in describe_outcome(outcome)


async def test_a_refused_key_and_an_unknown_order_are_told(
    database_url: str, redis_url: str
) -> None:
    keys = f"anna:{KEY},bert:bert-key-0123456789"
    async with open_api(database_url, redis_url, api_keys=keys) as api:
        async with ApiClient(api.url, key=KEY) as anna:
            [order_id] = await place_orders(anna, 1)
        for key, told in (
            (None, "not cancelled; the engine refuses: "),
            ("another-key-0123456789", "not cancelled; the engine refuses: "),
            ("bert-key-0123456789", "the engine does not know this order"),
            (KEY, "cancelled, it will never be executed"),
        ):
            async with ApiClient(api.url, key=key) as client:
                assert describe_outcome(await cancel_orders(client, [order_id])).startswith(told)
        other_host = api.url.replace("127.0.0.1", "0.0.0.0")  # noqa: S104 - refused: 403
        async with ApiClient(other_host, key=KEY) as client:
            outcome = await cancel_orders(client, [order_id] * 100)
        assert (outcome.cancelled, outcome.unanswered, outcome.rest) == (0, 0, 100)
        assert describe_outcome(outcome).startswith("not cancelled 100; the engine refuses: ")


async def test_during_a_pause_what_is_open_by_now_is_meant(
    api: RunningApi, driver: OrderDriver
) -> None:
    async with ApiClient(api.url) as client, show_live_dashboard(api.url) as pilot:
        shown = await place_orders(client, 3)
        await wait_for(pilot, lambda: len(get_dashboard(pilot).session.model.orders) == 3)
        await press_keys(pilot, "space")
        [later] = await place_orders(client, 1)
        await wait_for(pilot, lambda: later in get_dashboard(pilot).session.model.orders)
        await driver.confirm(UUID(shown[0]))
        await wait_for_status(pilot, shown[0], "confirmed")
        assert count_statuses(pilot) == {"pending": 3}  # as it was
        await press_keys(pilot, "X")
        await wait_for_text(pilot, "Cancel all 2 open orders shown?")
        await press_keys(pilot, "y")
        await wait_until_told(pilot, "2 orders: cancelled 2, they will never be executed")
        assert get_order(pilot, later).status == "pending"

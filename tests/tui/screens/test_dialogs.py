"""The dialogs, against a real API: orders are placed, and errors are shown in the dialog."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input, Label

from tests.conftest import ROOT
from tests.integration.apis import open_driver
from tests.processes import wait_until
from tests.tui.servers import (
    TERMS,
    ApiProcess,
    make_live_session,
    run_api_process,
    show_live_dashboard,
)
from tests.tui.sessions import (
    StaticSource,
    get_dashboard,
    load_recorded_messages,
    make_session,
    press_keys,
    screen_text,
    show_dashboard,
    wait_for,
    wait_until_drawn,
)
from tui.app import Dashboard
from tui.connection.client import ApiClient
from tui.screens.batch import BatchScreen
from tui.screens.main import MainScreen
from tui.widgets.choice import Choice

WIDE = (120, 40)


@pytest.fixture
async def api(database_url: str, redis_url: str) -> AsyncIterator[ApiProcess]:
    async with run_api_process(database_url, redis_url) as process:
        yield process


async def fill_fields(pilot: Pilot[None], **values: str) -> None:
    """Set fields of the open dialog."""
    await wait_until(lambda: not isinstance(pilot.app.screen, MainScreen))
    for name, value in values.items():
        field = pilot.app.screen.query_one(f"#field-{name}")
        assert isinstance(field, Input | Choice)
        field.value = value
    await pilot.pause()


def label_text(pilot: Pilot[None], name: str = "outcome") -> str:
    return str(pilot.app.screen.query_one(f"#{name}", Label).render())


async def test_a_batch_is_placed_and_its_orders_appear(api: ApiProcess) -> None:
    async with show_live_dashboard(api.url) as pilot:
        await pilot.press("n")
        await fill_fields(pilot, count="12", of="in", seed="5")
        await pilot.press("ctrl+s")
        session = get_dashboard(pilot).session
        await wait_for(pilot, lambda: len(session.model.orders) == 12)
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, MainScreen))
        assert len({order.batch_id for order in session.model.sorted_orders}) == 1
        assert "accepted 12 of 12" in session.model.log.entries[-1].text
        assert session.settings.last_batch["seed"] == "5"


async def test_a_single_order_is_placed_outside_any_batch(api: ApiProcess) -> None:
    async with show_live_dashboard(api.url) as pilot:
        await pilot.press("o")
        await fill_fields(pilot, low="3.25", side="buy")
        await pilot.press("ctrl+s")
        session = get_dashboard(pilot).session
        await wait_for(pilot, lambda: len(session.model.orders) == 1)
        [order] = session.model.sorted_orders
        assert (order.batch_id, order.amount_in, order.token_in) == (None, "3.25", "USDC")


async def test_what_is_refused_is_shown_and_the_rest_can_be_sent(api: ApiProcess) -> None:
    async with show_live_dashboard(api.url) as pilot:
        await pilot.press("n")
        await fill_fields(pilot, count="20", pairs="SOL/USDC SOL/NOPE", of="in")
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "refused" in label_text(pilot))
        match = re.match(r"(\d+) accepted, (\d+) refused", label_text(pilot))
        assert match is not None
        accepted, refused = map(int, match.groups())
        assert accepted + refused == 20
        assert f"{refused} x unknown_token: " in label_text(pilot)
        label = str(pilot.app.screen.query_one("#submit", Button).label)
        assert label == f"Send the rest ({refused}) ^s"
        await wait_for(pilot, lambda: label in screen_text(pilot))
        session = get_dashboard(pilot).session
        await wait_for(pilot, lambda: len(session.model.orders) == accepted)
        await fill_fields(pilot, pairs="SOL/USDC")
        assert str(pilot.app.screen.query_one("#submit", Button).label) == "Submit ^s"


async def test_a_rate_limit_is_shown_with_its_wait(database_url: str, redis_url: str) -> None:
    limit = {"ORDER_ENGINE_RATE_LIMIT": "5"}
    async with (
        run_api_process(database_url, redis_url, **limit) as api,
        show_live_dashboard(api.url) as pilot,
    ):
        await pilot.press("n")
        await fill_fields(pilot, count="1200", of="in")
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "1,000 accepted, 200 refused" in label_text(pilot))
        assert "200 x rate_limited" in label_text(pilot)
        assert "try again after" in label_text(pilot)


async def test_an_unreachable_server_is_reported_in_the_dialog(api: ApiProcess) -> None:
    async with show_live_dashboard(api.url) as pilot:
        await pilot.press("n")
        await fill_fields(pilot, of="in")
        await api.kill()
        await pilot.press("ctrl+s")
        await wait_for(
            pilot, lambda: "unreachable" in label_text(pilot) or "offline" in label_text(pilot)
        )
        await wait_for(
            pilot, lambda: get_dashboard(pilot).session.model.connection.status == "offline"
        )
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "offline, nothing was sent" in label_text(pilot))


async def test_failures_are_sent_again_as_a_new_batch(
    api: ApiProcess, database_url: str, redis_url: str
) -> None:
    async with (
        open_driver(database_url, redis_url) as driver,
        show_live_dashboard(api.url) as pilot,
    ):
        await pilot.press("n")
        await fill_fields(pilot, count="6", of="in", minimum="1000")
        await pilot.press("ctrl+s")
        session = get_dashboard(pilot).session
        await wait_for(pilot, lambda: len(session.model.orders) == 6)
        for order in session.model.sorted_orders[:4]:
            await driver.fail(await driver.claim(UUID(order.id)))
        await wait_for(pilot, lambda: session.model.counters.by_status["failed"] == 4)
        failed = [order.amount_in for order in session.model.sorted_orders[:4]]
        await press_keys(pilot, "R")
        pilot.app.screen.query_one("#slippage", Input).value = "1.5"
        pilot.app.screen.query_one("#minimum", Choice).value = "none"
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: len(session.model.orders) == 10)
        again = session.model.sorted_orders[6:]
        assert sorted(order.amount_in for order in again) == sorted(failed)
        assert {(order.slippage_bps, order.min_amount_out) for order in again} == {(150, None)}
        assert {order.min_amount_out for order in session.model.sorted_orders[:4]} == {"1000"}


async def test_a_dry_run_shows_the_quotes_of_the_api(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    node = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "backend.simulator"),
        *("--data-dir", str(data_dir), "--profile", "instant"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert node.stdout is not None
        url = (await node.stdout.readline()).decode().split()[1]
        chain = {"SOLANA_RPC_URL": url}
        async with (
            run_api_process(database_url, redis_url, **chain) as api,
            show_live_dashboard(api.url) as pilot,
        ):
            await pilot.press("n")
            await fill_fields(pilot, pairs="SOL/USDC", minimum="1000000")
            await pilot.press("f4")
            await wait_for(pilot, lambda: "below the minimum" in label_text(pilot))
            await fill_fields(pilot, minimum="")
            await pilot.press("f4")
            await wait_for(pilot, lambda: " bps" in label_text(pilot))
            assert "raydium" in label_text(pilot)
            assert "meteora" in label_text(pilot)
            assert get_dashboard(pilot).session.model.orders == {}
            assert "USDC" in label_text(pilot, "totals")
    finally:
        node.terminate()
        await node.wait()


async def test_a_dry_run_without_a_node_says_why(api: ApiProcess) -> None:
    async with show_live_dashboard(api.url) as pilot:
        await pilot.press("n")
        await fill_fields(pilot, of="in")
        await pilot.press("f4")
        await wait_for(pilot, lambda: "venues_unavailable" in label_text(pilot))


async def test_an_invalid_field_shows_its_error_beside_it() -> None:
    async with show_dashboard(
        make_session(StaticSource(load_recorded_messages())), (80, 24)
    ) as pilot:
        await pilot.press("n")
        await fill_fields(pilot, count="0", low="x")
        assert "must be from 1 to 10,000" in label_text(pilot, "error-count")
        assert "must be a number" in label_text(pilot, "error-amount")
        await fill_fields(pilot, count="5", low="1")
        assert label_text(pilot, "error-count") == ""
        assert label_text(pilot, "totals").startswith("5 orders of ")


async def test_presets_fill_the_fields_and_can_be_saved() -> None:
    async with show_dashboard(
        make_session(StaticSource(load_recorded_messages())), (80, 24)
    ) as pilot:
        await pilot.press("n")
        await fill_fields(pilot)
        await pilot.press("f2", "f2")
        assert pilot.app.screen.query_one("#field-count", Input).value == "10"
        await fill_fields(pilot, count="33")
        await pilot.press("f3")
        [preset] = get_dashboard(pilot).session.settings.presets.values()
        assert preset["count"] == "33"


async def test_arrows_choose_an_option() -> None:
    async with show_dashboard(
        make_session(StaticSource(load_recorded_messages())), (80, 24)
    ) as pilot:
        await pilot.press("n")
        await fill_fields(pilot)
        side = pilot.app.screen.query_one("#field-side", Choice)
        side.focus()
        await pilot.press("right", "right")
        assert side.value == "sell"
        await pilot.press("left")
        assert side.value == "buy"
        await pilot.click("#field-side", offset=(1, 0))
        assert side.value == "mixed"


async def test_orders_cannot_be_sent_while_a_recording_is_shown() -> None:
    async with show_dashboard(
        make_session(StaticSource(load_recorded_messages())), (80, 24)
    ) as pilot:
        await pilot.press("n")
        await fill_fields(pilot)
        await pilot.press("ctrl+s")
        assert "a recording is shown" in label_text(pilot)
        assert isinstance(pilot.app.screen, BatchScreen)


async def test_the_filtered_orders_are_exported(tmp_path: Path) -> None:
    async with show_dashboard(make_session(StaticSource(load_recorded_messages()))) as pilot:
        await press_keys(pilot, "6", "e")
        path = pilot.app.screen.query_one("#path", Input)
        path.value = str(tmp_path / "failed.csv")
        pilot.app.screen.query_one(Choice).value = "jsonl"
        await pilot.pause()
        assert path.value.endswith("failed.jsonl")
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, MainScreen))
        lines = (tmp_path / "failed.jsonl").read_text().splitlines()
        assert {json.loads(line)["status"] for line in lines} == {"failed"}
        assert len(lines) == 19
        await press_keys(pilot, "e")
        pilot.app.screen.query_one("#path", Input).value = str(tmp_path / "failed.jsonl")
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "is there already" in label_text(pilot))


async def test_another_server_can_be_followed(
    api: ApiProcess, other_database_url: str, redis_url: str
) -> None:
    async with run_api_process(other_database_url, redis_url) as other:
        app = Dashboard(
            make_live_session(ApiClient(other.url)),
            connect=lambda url: make_live_session(ApiClient(url)),
        )
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_until_drawn(pilot)
            app.action_connect()
            await pilot.pause()
            pilot.app.screen.query_one("#url", Input).value = api.url
            await pilot.press("enter")
            await wait_for(pilot, lambda: app.session.model.connection.url == api.url)
            await wait_for(pilot, lambda: app.session.model.connection.status == "live")


@pytest.mark.parametrize("size", [(80, 24), WIDE], ids=["80x24", "120x40"])
async def test_the_events_of_a_stored_order_are_requested_when_it_is_shown(
    api: ApiProcess, database_url: str, redis_url: str, size: tuple[int, int]
) -> None:
    async with open_driver(database_url, redis_url) as driver, ApiClient(api.url) as client:
        order_id = await client.place_order(TERMS, key="one")
        await driver.confirm(UUID(order_id))
        async with show_live_dashboard(api.url, size) as pilot:
            order = get_dashboard(pilot).session.model.orders[order_id]
            # A wide terminal shows the detail beside the table, and requests the events at once.
            assert not order.has_full_history or size == WIDE
            await pilot.press("enter")
            await wait_for(pilot, lambda: order.has_full_history)
            await wait_for(pilot, lambda: "+0" in screen_text(pilot))

"""The dialogs: orders are really placed, and what is refused is shown where it was asked."""

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
from tests.processes import until
from tests.tui.desks import (
    Still,
    comes,
    dashboard,
    desk,
    press,
    recorded,
    screen_text,
    settled,
    shown,
)
from tests.tui.servers import TERMS, ApiProcess, live, live_desk, running
from tui.app import Dashboard
from tui.connection.client import Client
from tui.screens.batch import BatchScreen
from tui.screens.main import MainScreen
from tui.widgets.choice import Choice

WIDE = (120, 40)


@pytest.fixture
async def api(database_url: str, redis_url: str) -> AsyncIterator[ApiProcess]:
    async with running(database_url, redis_url) as process:
        yield process


async def fill(pilot: Pilot[None], **values: str) -> None:
    """Fill fields of the dialog that is open."""
    await until(lambda: not isinstance(pilot.app.screen, MainScreen))
    for name, value in values.items():
        field = pilot.app.screen.query_one(f"#field-{name}")
        assert isinstance(field, Input | Choice)
        field.value = value
    await pilot.pause()


def said(pilot: Pilot[None], name: str = "outcome") -> str:
    return str(pilot.app.screen.query_one(f"#{name}", Label).render())


async def test_a_batch_is_placed_and_its_orders_appear(api: ApiProcess) -> None:
    async with live(api.url) as pilot:
        await pilot.press("n")
        await fill(pilot, count="12", of="in", seed="5")
        await pilot.press("ctrl+s")
        desk = dashboard(pilot).desk
        await comes(pilot, lambda: len(desk.model.orders) == 12)
        await comes(pilot, lambda: isinstance(pilot.app.screen, MainScreen))
        assert len({order.batch_id for order in desk.model.ordered}) == 1
        assert "accepted 12 of 12" in desk.model.log.entries[-1].text
        assert desk.settings.last_batch["seed"] == "5"


async def test_a_single_order_is_placed_outside_any_batch(api: ApiProcess) -> None:
    async with live(api.url) as pilot:
        await pilot.press("o")
        await fill(pilot, low="3.25", side="buy")
        await pilot.press("ctrl+s")
        desk = dashboard(pilot).desk
        await comes(pilot, lambda: len(desk.model.orders) == 1)
        [order] = desk.model.ordered
        assert (order.batch_id, order.amount_in, order.token_in) == (None, "3.25", "USDC")


async def test_what_is_refused_is_shown_and_the_rest_can_be_sent(api: ApiProcess) -> None:
    async with live(api.url) as pilot:
        await pilot.press("n")
        await fill(pilot, count="20", pairs="SOL/USDC SOL/NOPE", of="in")
        await pilot.press("ctrl+s")
        await comes(pilot, lambda: "refused" in said(pilot))
        told = re.match(r"(\d+) accepted, (\d+) refused", said(pilot))
        assert told is not None
        accepted, refused = map(int, told.groups())
        assert accepted + refused == 20
        assert f"{refused} x unknown_token: " in said(pilot)
        label = str(pilot.app.screen.query_one("#submit", Button).label)
        assert label == f"Send the rest ({refused}) ^s"
        await comes(pilot, lambda: label in screen_text(pilot))
        desk = dashboard(pilot).desk
        await comes(pilot, lambda: len(desk.model.orders) == accepted)
        await fill(pilot, pairs="SOL/USDC")
        assert str(pilot.app.screen.query_one("#submit", Button).label) == "Submit ^s"


async def test_a_rate_limit_is_shown_with_its_wait(database_url: str, redis_url: str) -> None:
    limit = {"ORDER_ENGINE_RATE_LIMIT": "5"}
    async with running(database_url, redis_url, **limit) as api, live(api.url) as pilot:
        await pilot.press("n")
        await fill(pilot, count="1200", of="in")
        await pilot.press("ctrl+s")
        await comes(pilot, lambda: "1,000 accepted, 200 refused" in said(pilot))
        assert "200 x rate_limited" in said(pilot)
        assert "try again after" in said(pilot)


async def test_a_server_that_is_gone_is_told_in_the_dialog(api: ApiProcess) -> None:
    async with live(api.url) as pilot:
        await pilot.press("n")
        await fill(pilot, of="in")
        await api.kill()
        await pilot.press("ctrl+s")
        await comes(pilot, lambda: "unreachable" in said(pilot) or "offline" in said(pilot))
        await comes(pilot, lambda: dashboard(pilot).desk.model.link.state == "offline")
        await pilot.press("ctrl+s")
        await comes(pilot, lambda: "offline, nothing was sent" in said(pilot))


async def test_failures_are_sent_again_as_a_new_batch(
    api: ApiProcess, database_url: str, redis_url: str
) -> None:
    async with open_driver(database_url, redis_url) as driver, live(api.url) as pilot:
        await pilot.press("n")
        await fill(pilot, count="6", of="in", minimum="1000")
        await pilot.press("ctrl+s")
        desk = dashboard(pilot).desk
        await comes(pilot, lambda: len(desk.model.orders) == 6)
        for order in desk.model.ordered[:4]:
            await driver.fail(await driver.claim(UUID(order.id)))
        await comes(pilot, lambda: desk.model.tally.counts["failed"] == 4)
        failed = [order.amount_in for order in desk.model.ordered[:4]]
        await press(pilot, "R")
        pilot.app.screen.query_one("#slippage", Input).value = "1.5"
        pilot.app.screen.query_one("#minimum", Choice).value = "none"
        await pilot.press("ctrl+s")
        await comes(pilot, lambda: len(desk.model.orders) == 10)
        again = desk.model.ordered[6:]
        assert sorted(order.amount_in for order in again) == sorted(failed)
        assert {(order.slippage_bps, order.min_amount_out) for order in again} == {(150, None)}
        assert {order.min_amount_out for order in desk.model.ordered[:4]} == {"1000"}


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
        async with running(database_url, redis_url, **chain) as api, live(api.url) as pilot:
            await pilot.press("n")
            await fill(pilot, pairs="SOL/USDC", minimum="1000000")
            await pilot.press("f4")
            await comes(pilot, lambda: "below the minimum" in said(pilot))
            await fill(pilot, minimum="")
            await pilot.press("f4")
            await comes(pilot, lambda: " bps" in said(pilot))
            assert "raydium" in said(pilot)
            assert "meteora" in said(pilot)
            assert dashboard(pilot).desk.model.orders == {}
            assert "USDC" in said(pilot, "totals")
    finally:
        node.terminate()
        await node.wait()


async def test_a_dry_run_without_a_node_says_why(api: ApiProcess) -> None:
    async with live(api.url) as pilot:
        await pilot.press("n")
        await fill(pilot, of="in")
        await pilot.press("f4")
        await comes(pilot, lambda: "venues_unavailable" in said(pilot))


async def test_a_field_that_makes_no_sense_is_told_beside_it() -> None:
    async with shown(desk(Still(recorded())), (80, 24)) as pilot:
        await pilot.press("n")
        await fill(pilot, count="0", low="x")
        assert "must be from 1 to 10,000" in said(pilot, "error-count")
        assert "must be a number" in said(pilot, "error-amount")
        await fill(pilot, count="5", low="1")
        assert said(pilot, "error-count") == ""
        assert said(pilot, "totals").startswith("5 orders of ")


async def test_presets_fill_the_fields_and_can_be_kept() -> None:
    async with shown(desk(Still(recorded())), (80, 24)) as pilot:
        await pilot.press("n")
        await fill(pilot)
        await pilot.press("f2", "f2")
        assert pilot.app.screen.query_one("#field-count", Input).value == "10"
        await fill(pilot, count="33")
        await pilot.press("f3")
        [preset] = dashboard(pilot).desk.settings.presets.values()
        assert preset["count"] == "33"


async def test_arrows_choose_an_option() -> None:
    async with shown(desk(Still(recorded())), (80, 24)) as pilot:
        await pilot.press("n")
        await fill(pilot)
        side = pilot.app.screen.query_one("#field-side", Choice)
        side.focus()
        await pilot.press("right", "right")
        assert side.value == "sell"
        await pilot.press("left")
        assert side.value == "buy"
        await pilot.click("#field-side", offset=(1, 0))
        assert side.value == "mixed"


async def test_a_recording_can_not_be_sent_to() -> None:
    async with shown(desk(Still(recorded())), (80, 24)) as pilot:
        await pilot.press("n")
        await fill(pilot)
        await pilot.press("ctrl+s")
        assert "a recording is shown" in said(pilot)
        assert isinstance(pilot.app.screen, BatchScreen)


async def test_the_orders_that_are_shown_are_exported(tmp_path: Path) -> None:
    async with shown(desk(Still(recorded()))) as pilot:
        await press(pilot, "6", "e")
        path = pilot.app.screen.query_one("#path", Input)
        path.value = str(tmp_path / "failed.csv")
        pilot.app.screen.query_one(Choice).value = "jsonl"
        await pilot.pause()
        assert path.value.endswith("failed.jsonl")
        await pilot.press("ctrl+s")
        await comes(pilot, lambda: isinstance(pilot.app.screen, MainScreen))
        lines = (tmp_path / "failed.jsonl").read_text().splitlines()
        assert {json.loads(line)["status"] for line in lines} == {"failed"}
        assert len(lines) == 19
        await press(pilot, "e")
        pilot.app.screen.query_one("#path", Input).value = str(tmp_path / "failed.jsonl")
        await pilot.press("ctrl+s")
        await comes(pilot, lambda: "is there already" in said(pilot))


async def test_another_server_can_be_followed(
    api: ApiProcess, other_database_url: str, redis_url: str
) -> None:
    async with running(other_database_url, redis_url) as other:
        app = Dashboard(live_desk(Client(other.url)), connect=lambda url: live_desk(Client(url)))
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(pilot)
            app.action_connect()
            await pilot.pause()
            pilot.app.screen.query_one("#url", Input).value = api.url
            await pilot.press("enter")
            await comes(pilot, lambda: app.desk.model.link.url == api.url)
            await comes(pilot, lambda: app.desk.model.link.state == "live")


@pytest.mark.parametrize("size", [(80, 24), WIDE], ids=["80x24", "120x40"])
async def test_the_steps_of_a_stored_order_are_asked_for_when_it_is_shown(
    api: ApiProcess, database_url: str, redis_url: str, size: tuple[int, int]
) -> None:
    async with open_driver(database_url, redis_url) as driver, Client(api.url) as client:
        order_id = await client.place(TERMS, key="one")
        await driver.confirm(UUID(order_id))
        async with live(api.url, size) as pilot:
            order = dashboard(pilot).desk.model.orders[order_id]
            # Where there is room beside the table it is shown, and asked for, at once.
            assert not order.is_told or size == WIDE
            await pilot.press("enter")
            await comes(pilot, lambda: order.is_told)
            await comes(pilot, lambda: "+0" in screen_text(pilot))

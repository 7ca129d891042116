"""Differences of balances: added up, told in words, asked of a real server, and dismissed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import asyncpg
import pytest
from textual.pilot import Pilot

from tests.integration.apis import RunningApi
from tests.processes import wait_until
from tests.tui.servers import make_live_session, show_live_dashboard
from tests.tui.sessions import (
    NARROW,
    WIDE,
    StaticSource,
    get_dashboard,
    make_session,
    press_keys,
    screen_text,
    show_dashboard,
    wait_for,
)
from tests.tui.wire import START_MS, connection_messages, timestamp
from tui.connection.client import ApiClient
from tui.connection.recording import RecordedMessage
from tui.console import ConsoleOutput
from tui.model.balances import add_up_differences
from tui.model.messages import Differences, Page
from tui.model.wire import WireDifference
from tui.polls import differences
from tui.settings import Settings

WALLET = "7xKXtg2CW87d97TXJSDpbD5jBkheTqA83TZRuJosgAsU"
OTHER = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"


def differ(ms: int, amount: str, name: str = "SOL", wallet: str = WALLET) -> WireDifference:
    return {"at": timestamp(ms), "wallet": wallet, "token": name, "amount": amount}


def make_messages(*oldest_first: WireDifference) -> list[RecordedMessage]:
    return [
        *connection_messages(),
        RecordedMessage(START_MS, Page([], is_last=True, is_all=True)),
        RecordedMessage(START_MS, Differences(list(reversed(oldest_first)))),
    ]


def list_log(pilot: Pilot[None]) -> list[str]:
    return [entry.text for entry in get_dashboard(pilot).session.model.log.entries]


def test_changes_add_up_and_cancel_out() -> None:
    changes = [
        differ(0, "1.5"),
        differ(1, "-3", "USDC"),
        differ(2, "-1.5"),
        differ(3, "0.000000001"),
        differ(4, "18446744073.709551615"),
        differ(5, "-1", wallet=OTHER),
    ]
    found = add_up_differences(reversed(changes), {f"{WALLET} USDC": timestamp(1)})
    assert [(each.wallet, each.token, str(each.amount), each.first_at) for each in found] == [
        (WALLET, "SOL", "18446744073.709551616", timestamp(3)),
        (OTHER, "SOL", "-1", timestamp(5)),
    ]
    assert found[0].last_at == timestamp(4)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
async def test_each_difference_is_a_line_until_it_is_dismissed(size: tuple[int, int]) -> None:
    source = StaticSource(make_messages(differ(0, "-0.25"), differ(1, "1000", "USDC", OTHER)))
    session = make_session(source)
    async with show_dashboard(session, size) as pilot:
        assert "7xKX…gAsU holds 0.25 SOL less than" in screen_text(pilot)
        assert ("1 of 2" if size is WIDE else "1/2") in screen_text(pilot)
        await press_keys(pilot, "d")
        assert "9WzD…AWWM holds 1,000 USDC more than" in screen_text(pilot)
        assert "1 of 2" not in screen_text(pilot)
        assert "1/2" not in screen_text(pilot)
        await press_keys(pilot, "d")
        assert "orders explain" not in screen_text(pilot)
        assert list_log(pilot) == [], "what was there at the start is no event"
        changes = [differ(5, "2"), differ(1, "1000", "USDC", OTHER), differ(0, "-0.25")]
        source.play([RecordedMessage(START_MS + 5, Differences(changes))])
        await press_keys(pilot)
        assert "7xKX…gAsU holds 2 SOL more than" in screen_text(pilot)
        assert list_log(pilot) == [f"wallet {WALLET} holds 2 SOL more than its orders explain"]


async def test_a_line_is_cut_to_the_terminal_and_says_which_day() -> None:
    mint = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
    source = StaticSource(make_messages(differ(-90_000_000, "18446744073709551615", mint, WALLET)))
    async with show_dashboard(make_session(source), (60, 24)) as pilot:
        assert "7xKX…gAsU 18,446,744,073,709,551,615 EPjF…Dt1v more" in screen_text(pilot)
        await pilot.resize_terminal(140, 40)
        await press_keys(pilot)
        assert f"since {timestamp(-90_000_000)[:10]} " in screen_text(pilot)


async def test_text_of_a_difference_cannot_touch_the_terminal() -> None:
    source = StaticSource(make_messages(differ(0, "1", "\x1b[2J", "\x1b]0;x\x07")))
    async with show_dashboard(make_session(source)) as pilot:
        assert "orders explain" in screen_text(pilot)
        assert not set("\x1b\x07") & set(screen_text(pilot))


async def store_difference(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "INSERT INTO wallet_differences (wallet, token, amount, slot) VALUES ($1, 'SOL', $2, 7)",
        WALLET,
        -2_500_000_000,
    )
    await connection.close()


async def test_plain_output_has_a_line_for_a_difference_that_comes(
    api: RunningApi, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(differences, "INTERVAL_S", 0.01)
    session, lines = make_live_session(ApiClient(api.url)), list[str]()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(ConsoleOutput(session, lines.append).run())
        await wait_until(lambda: session.model.differences is not None)
        await store_difference(database_url)
        await wait_until(lambda: bool(lines))
        task.cancel()
    assert f"! wallet {WALLET} holds 2.5 SOL less than its orders explain" in lines[0]


async def test_a_dashboard_asks_the_server(api: RunningApi, database_url: str) -> None:
    await store_difference(database_url)
    async with show_live_dashboard(api.url) as pilot:
        await wait_for(pilot, lambda: bool(get_dashboard(pilot).session.list_differences()))
        await press_keys(pilot)
        assert "7xKX…gAsU holds 2.5 SOL less than orders explain" in screen_text(pilot)


def test_what_was_dismissed_is_kept_in_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "dashboard.json"
    Settings(seen_differences={f"{WALLET} SOL": timestamp(0)}).save(path)
    assert Settings.load(path).seen_differences == {f"{WALLET} SOL": timestamp(0)}
    path.write_text(json.dumps({"seen_differences": ["no mapping"]}))
    assert Settings.load(path).seen_differences == {}

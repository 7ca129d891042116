"""Marked orders, the explorer, the last order again, and what else acts on chosen orders."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from tests.tui.sessions import (
    NARROW,
    StaticSource,
    get_dashboard,
    load_recorded_messages,
    make_session,
    notification_texts,
    press_keys,
    row_texts,
    screen_text,
    show_dashboard,
    wait_until_drawn,
)
from tests.tui.waiting import waiting_messages
from tui.model.desk.explorer import NoExplorer, build_explorer_address
from tui.screens.batch import BatchScreen
from tui.screens.cancel import CancelScreen
from tui.screens.export import ExportScreen
from tui.screens.resubmit import ResubmitScreen
from tui.settings import EXPLORER, Settings


async def test_marked_orders_are_cancelled_together() -> None:
    async with show_dashboard(make_session(StaticSource(waiting_messages())), NARROW) as pilot:
        session = get_dashboard(pilot).session
        await press_keys(pilot, "f3", "v", "v")
        assert len(session.marked) == 2
        assert [row[0] for row in row_texts(pilot)[:3]] == ["*", "*", "▶"]
        assert "2 marked" in screen_text(pilot)
        await press_keys(pilot, "X")
        assert isinstance(pilot.app.screen, CancelScreen)
        assert "Cancel all 2 open orders marked?" in screen_text(pilot)
        await press_keys(pilot, "escape", "k", "v")
        assert len(session.marked) == 1
        await press_keys(pilot, "V")
        assert not session.marked
        assert "marked" not in screen_text(pilot)


async def test_marked_orders_are_exported_and_resubmitted() -> None:
    async with show_dashboard(make_session(StaticSource(load_recorded_messages()))) as pilot:
        await press_keys(pilot, "6", "v", "v", "v", "e")
        assert isinstance(pilot.app.screen, ExportScreen)
        assert "Export 3 orders" in screen_text(pilot)
        await press_keys(pilot, "escape", "R")
        assert isinstance(pilot.app.screen, ResubmitScreen)
        assert "( ) this order" not in screen_text(pilot)
        await press_keys(pilot, "escape", "X")
        assert "none of the 3 marked orders is open" in notification_texts(pilot)[-1]


async def test_an_export_goes_to_the_folder_of_the_settings(tmp_path: Path) -> None:
    session = make_session(StaticSource(load_recorded_messages()))
    session.settings.export_folder = str(tmp_path / "new" / "exports")
    async with show_dashboard(session) as pilot:
        await press_keys(pilot, "e")
        path = Path(pilot.app.screen.query_one(Input).value)
        assert path.parent == tmp_path / "new" / "exports"
        await press_keys(pilot, "ctrl+s")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        assert len(list((tmp_path / "new" / "exports").iterdir())) == 1
        assert str(path) in notification_texts(pilot)[-1]
    assert Settings().export_path.is_absolute()


async def test_a_signature_is_opened_in_the_explorer_of_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = make_session(StaticSource(load_recorded_messages()))
    session.settings.explorer = "https://solscan.io/tx/{signature}?cluster=devnet"
    opened: list[str] = []
    async with show_dashboard(session) as pilot:
        monkeypatch.setattr(pilot.app, "open_url", opened.append)  # the user's browser
        await press_keys(pilot, "5", "u")
        order = session.cursor.order
        assert order is not None
        assert opened == [f"https://solscan.io/tx/{order.tx_hash}?cluster=devnet"]
        session.settings.explorer = "solscan.io"
        await press_keys(pilot, "u")
        assert "needs an address with {signature}" in notification_texts(pilot)[-1]
        session.settings.explorer, session.model.cluster = EXPLORER, "simulated"
        await press_keys(pilot, "u")
        assert "no explorer shows the simulated chain" in notification_texts(pilot)[-1]
        assert len(opened) == 1


def test_an_explorer_is_told_the_cluster() -> None:
    for cluster, name in (("mainnet-beta", "mainnet-beta"), ("localnet", "custom")):
        address = build_explorer_address(EXPLORER, "5abc", cluster)
        assert address == f"https://explorer.solana.com/tx/5abc?cluster={name}"
    for cluster in ("", "unknown"):
        with pytest.raises(NoExplorer, match="does not tell which cluster"):
            build_explorer_address(EXPLORER, "5abc", cluster)


async def test_a_single_order_begins_without_the_limits_of_the_last_batch() -> None:
    session = make_session(StaticSource(load_recorded_messages()))
    session.settings.last_batch = {
        "minimum": "7",
        "limit": "110",
        "trigger": "90",
        "impact": "2",
        "slippage": "9",
        "type": "limit",
        "pairs": "JUP/USDC SOL/USDC",
        "low": "3",
    }
    async with show_dashboard(session) as pilot:
        await press_keys(pilot, "o")
        assert isinstance(pilot.app.screen, BatchScreen)
        form = pilot.app.screen.form_values()
        assert [form[name] for name in ("minimum", "limit", "trigger", "impact")] == [""] * 4
        assert (form["type"], form["pairs"], form["low"]) == ("market", "JUP/USDC", "3")
        assert form["slippage"] == "0.50"


async def test_the_last_order_is_repeated_with_one_key() -> None:
    session = make_session(StaticSource(load_recorded_messages()))
    async with show_dashboard(session) as pilot:
        await press_keys(pilot, "O")
        assert "o opens it" in notification_texts(pilot)[-1]
        session.settings.last_order = {"type": "stop", "trigger": "90", "low": "2", "side": "sell"}
        await press_keys(pilot, "full_stop")
        assert isinstance(pilot.app.screen, BatchScreen)
        form = pilot.app.screen.form_values()
        assert [form[name] for name in ("type", "trigger", "low")] == ["stop", "90", "2"]


async def test_the_whole_error_of_a_filter_is_shown() -> None:
    async with show_dashboard(
        make_session(StaticSource(load_recorded_messages())), NARROW
    ) as pilot:
        await press_keys(pilot, "slash", *"colour:red")
        text = " ".join(screen_text(pilot).split())
        assert "colour: is not a field; there are status, dex, pair, side" in text
        assert "parent, group, tx" in text
        await press_keys(pilot, *["backspace"] * 10, *"amount>x")
        assert "write a number, as amount>10" in screen_text(pilot)


async def test_connecting_again_says_what_it_does() -> None:
    async with show_dashboard(make_session(StaticSource(load_recorded_messages()))) as pilot:
        await press_keys(pilot, "r")
        assert notification_texts(pilot)[-1] == "a recording is shown: there is no connection"


async def test_the_palette_sorts_by_a_chosen_column() -> None:
    async with show_dashboard(make_session(StaticSource(load_recorded_messages()))) as pilot:
        main, view = get_dashboard(pilot).main, get_dashboard(pilot).session.view
        commands = {each.title: each for each in pilot.app.get_system_commands(main)}
        commands["Sort by: Price"].callback()
        await wait_until_drawn(pilot)
        assert (view.sort_column.key, view.is_descending) == ("price", True)
        commands["Sort by: Price"].callback()
        assert not view.is_descending
        await pilot.app.run_action("show_view('open')", main)
        assert "View: Open" in commands
        await wait_until_drawn(pilot)
        assert view.is_open_list

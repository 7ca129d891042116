"""The dialogs without a server: fields, presets, choices and the export."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Label

from tests.tui.screens.dialogs import fill_fields, label_text
from tests.tui.sessions import (
    StaticSource,
    get_dashboard,
    load_recorded_messages,
    make_session,
    press_keys,
    show_dashboard,
    wait_for,
)
from tui.model.plan.condition_plan import TYPES
from tui.screens.batch import BatchScreen
from tui.screens.main import MainScreen
from tui.text.format import wrap_text
from tui.widgets.choice import Choice

WIDE = (120, 40)
WRONG_FIELDS = {"low": "x", "slippage": "101", "trigger": "x", "age": "soon", "fee": "101"}


def show_recording(size: tuple[int, int] = WIDE) -> AbstractAsyncContextManager[Pilot[None]]:
    return show_dashboard(make_session(StaticSource(load_recorded_messages())), size)


async def test_an_invalid_field_shows_its_error_beside_it() -> None:
    async with show_recording((80, 24)) as pilot:
        await press_keys(pilot, "n")
        await fill_fields(pilot, count="0", low="x")
        assert "must be from 1 to 10,000" in label_text(pilot, "error-count")
        assert "must be a number" in label_text(pilot, "error-amount")
        await fill_fields(pilot, count="5", low="1")
        assert label_text(pilot, "error-count") == "same seed, same orders"
        assert label_text(pilot, "totals").startswith("5 orders of ")


@pytest.mark.parametrize("key", ["n", "o"])
@pytest.mark.parametrize("order_type", TYPES)
async def test_no_text_of_a_row_is_cut_in_80_columns(key: str, order_type: str) -> None:
    async with show_recording((80, 24)) as pilot:
        await press_keys(pilot, key)
        for fields in ({}, {"pairs": "SOL/USDC BONK/USDC"}, WRONG_FIELDS):
            await fill_fields(pilot, type=order_type, **fields)
            await pilot.pause()
            dialog = pilot.app.screen.query_one("#dialog")
            for label in pilot.app.screen.query(".row > Label").results(Label):
                text, (width, height) = str(label.render()), label.content_size
                if text and label.display and label.parent and label.parent.display:
                    assert label.region.right <= dialog.region.right - 1
                    assert len(wrap_text(text, width)) <= height, (order_type, text)


async def test_presets_fill_the_fields_and_can_be_saved() -> None:
    async with show_recording((80, 24)) as pilot:
        await press_keys(pilot, "n")
        await fill_fields(pilot)
        await press_keys(pilot, "f2", "f2")
        assert pilot.app.screen.query_one("#field-count", Input).value == "10"
        await fill_fields(pilot, count="33")
        await press_keys(pilot, "f3")
        [preset] = get_dashboard(pilot).session.settings.presets.values()
        assert preset["count"] == "33"


async def test_arrows_choose_an_option() -> None:
    async with show_recording((80, 24)) as pilot:
        await press_keys(pilot, "n")
        await fill_fields(pilot)
        side = pilot.app.screen.query_one("#field-side", Choice)
        side.focus()
        await press_keys(pilot, "right", "right")
        assert side.value == "sell"
        await press_keys(pilot, "left")
        assert side.value == "buy"
        await pilot.click("#field-side", offset=(1, 0))
        assert side.value == "mixed"


async def test_orders_cannot_be_sent_while_a_recording_is_shown() -> None:
    async with show_recording((80, 24)) as pilot:
        await press_keys(pilot, "n")
        await fill_fields(pilot)
        await press_keys(pilot, "ctrl+s")
        assert "a recording is shown" in label_text(pilot)
        assert isinstance(pilot.app.screen, BatchScreen)


async def test_the_filtered_orders_are_exported(tmp_path: Path) -> None:
    async with show_recording() as pilot:
        await press_keys(pilot, "6", "e")
        path = pilot.app.screen.query_one("#path", Input)
        path.value = str(tmp_path / "failed.csv")
        pilot.app.screen.query_one(Choice).value = "jsonl"
        await pilot.pause()
        assert path.value.endswith("failed.jsonl")
        await press_keys(pilot, "ctrl+s")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, MainScreen))
        lines = (tmp_path / "failed.jsonl").read_text().splitlines()
        assert {json.loads(line)["status"] for line in lines} == {"failed"}
        assert len(lines) == 19
        await press_keys(pilot, "e")
        pilot.app.screen.query_one("#path", Input).value = str(tmp_path / "failed.jsonl")
        await press_keys(pilot, "ctrl+s")
        await wait_for(pilot, lambda: "is there already" in label_text(pilot))


async def test_a_worker_that_ends_after_its_dialog_lost_its_widgets_changes_nothing() -> None:
    async with show_recording() as pilot:
        await press_keys(pilot, "n")
        await fill_fields(pilot, count="3")
        await pilot.app.screen.query_one("#dialog").remove()
        await pilot.app.workers.wait_for_complete(
            [worker for worker in pilot.app.workers if worker.group == "quotes"]
        )
        await press_keys(pilot, "escape")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, MainScreen))

"""Helpers for tests of dialogs: set fields, and read labels."""

from __future__ import annotations

from textual.pilot import Pilot
from textual.widgets import Input, Label

from tests.processes import wait_until
from tui.screens.main import MainScreen
from tui.widgets.choice import Choice


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

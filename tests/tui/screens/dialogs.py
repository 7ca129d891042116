"""Helpers for tests of dialogs: set fields, and read labels."""

from __future__ import annotations

from textual.pilot import Pilot
from textual.widgets import Input, Label

from tests.tui.sessions import wait_for
from tui.screens.main import MainScreen
from tui.widgets.choice import Choice

NO_DIALOG = "(no dialog is open)"


def is_dialog_open(pilot: Pilot[None]) -> bool:
    """Whether a dialog is open, with all its fields: it is shown before it has them."""
    screen = pilot.app.screen
    return not isinstance(screen, MainScreen) and screen.is_mounted


async def fill_fields(pilot: Pilot[None], **values: str) -> None:
    """Set fields of the dialog, once it is open."""
    await wait_for(pilot, lambda: is_dialog_open(pilot))
    for name, value in values.items():
        field = pilot.app.screen.query_one(f"#field-{name}")
        assert isinstance(field, Input | Choice)
        field.value = value
    await pilot.pause()


def label_text(pilot: Pilot[None], name: str = "outcome") -> str:
    """Return the text of a label of the dialog; ``NO_DIALOG`` until one is open."""
    if not is_dialog_open(pilot):
        return NO_DIALOG
    return str(pilot.app.screen.query_one(f"#{name}", Label).render())

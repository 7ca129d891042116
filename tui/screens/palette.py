"""The commands of the palette: every action of the dashboard by its name."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from textual.app import App, SystemCommand

from tui.screens.main import MainScreen
from tui.table.columns import COLUMNS
from tui.text.views import VIEWS

_COMMANDS: Final = (
    *(
        (f"View: {view.title}", f"Also {view.key.upper()}", f"show_view('{view.name}')")
        for view in VIEWS
    ),
    ("Repeat the last order", "Fill the form with it", "app.repeat_order"),
    ("New batch", "Make a batch of orders", "app.batch"),
    ("New order", "Place a single order", "app.order"),
    ("Amend", "Change the order at the cursor while it waits", "app.amend"),
    ("Export", "Write the orders shown to a file", "app.export"),
    ("Cancel", "Cancel the order at the cursor", "app.cancel"),
    ("Cancel all", "Cancel all open orders shown", "app.cancel_shown"),
    ("Resubmit failures", "Send failed orders again", "app.resubmit"),
    ("Failures by reason", "Group the failures", "app.reasons"),
    ("Pause", "Hold the view still, or go on", "pause"),
    ("Follow", "Stay with the newest order", "follow"),
    ("Dismiss difference", "Of a balance that no order explains", "dismiss_difference"),
    ("Mark", "Mark the order at the cursor, or take its mark away", "mark"),
    ("Remove all marks", "X, R and e are for all shown again", "unmark"),
    ("Explore", "Open the signature in an explorer", "app.explore"),
    ("Mouse", "Give the mouse to the terminal", "app.mouse"),
)


def list_commands(app: App[Any], main: MainScreen) -> Iterator[SystemCommand]:
    """List the commands; those without ``app.`` are of ``main``, also below another screen."""
    for title, meaning, action in _COMMANDS:
        yield SystemCommand(title, meaning, partial(app.run_action, action, main))
    for column in main.order_table.columns:
        title = f"Sort by: {column.title.strip()}"
        yield SystemCommand(title, "Again: the other way round", partial(main.sort_by, column))
    for key, column in COLUMNS.items():
        if column.is_optional:
            title = f"Column: {column.title.strip()}"
            yield SystemCommand(title, "Show or hide this column", partial(main.toggle_column, key))

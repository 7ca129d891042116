"""The export dialog: writes the filtered orders to a file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label

from tui.model.orders import Order
from tui.output.export import FORMATS, default_file_name, export_orders
from tui.session import Session
from tui.text.format import sanitize_text
from tui.widgets.choice import Choice


class ExportScreen(ModalScreen[None]):
    """Asks for a file and a format, and writes the orders there."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Close"),
        Binding("ctrl+s", "write", "Write"),
    ]

    def __init__(self, session: Session, orders: Sequence[Order]) -> None:
        super().__init__()
        self._session = session
        self._orders = orders

    def compose(self) -> ComposeResult:
        """Lay out the format and the path."""
        name = default_file_name(self._session.source.now_ms(), FORMATS[0])
        with Vertical(id="dialog") as dialog:
            dialog.border_title = f"Export {len(self._orders):,} orders"
            with Horizontal(classes="row"):
                yield Label("Format", classes="title")
                yield Choice({each: each for each in FORMATS}, FORMATS[0], id="format")
            with Horizontal(classes="row"):
                yield Label("File", classes="title")
                yield Input(str(self._session.settings.export_path / name), id="path", compact=True)
            yield Label(id="outcome", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Write ^s", id="write", compact=True)

    def on_mount(self) -> None:
        """Focus the path; enter writes."""
        self.query_one(Input).focus()

    def on_choice_changed(self) -> None:
        """Change the path's suffix to that of the format."""
        path, file_format = self.query_one(Input), self.query_one(Choice).value
        if path.value.strip():
            path.value = str(Path(path.value.strip()).with_suffix(f".{file_format}"))

    def on_input_submitted(self) -> None:
        """Write the orders."""
        self.action_write()

    def on_button_pressed(self) -> None:
        """Write the orders."""
        self.action_write()

    def action_write(self) -> None:
        """Write the orders in a worker."""
        self._write()

    @work(exclusive=True)
    async def _write(self) -> None:
        path = self._path
        try:
            count = await asyncio.to_thread(export_orders, self._orders, path)
        except FileExistsError:
            self._show_message(f"{path} is there already: choose another name")
        except (OSError, ValueError) as error:
            self._show_message(str(error))
        else:
            self._session.add_note(f"{count:,} orders written to {path}", "confirmed")
            self.notify(f"{count:,} orders written to {path}", markup=False)
            self.dismiss()

    @property
    def _path(self) -> Path:
        return Path(self.query_one(Input).value.strip()).expanduser()

    def _show_message(self, text: str) -> None:
        for label in self.query("#outcome").results(Label):  # none when it is being closed
            label.update(sanitize_text(text))

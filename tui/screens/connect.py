"""The connect dialog: the address of another server."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label


class ConnectScreen(ModalScreen[str]):
    """Asks for an address; its result is the URL."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "Close")]

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def compose(self) -> ComposeResult:
        """Lay out the address field."""
        with Vertical(id="dialog") as dialog:
            dialog.border_title = "Connect"
            with Horizontal(classes="row"):
                yield Label("Address", classes="title")
                yield Input(self._url, id="url", compact=True)
            yield Label(id="outcome", markup=False)

    def on_mount(self) -> None:
        """Focus the address field."""
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Return the URL, or show what is wrong with it."""
        event.stop()
        url = event.value.strip()
        if url.startswith(("http://", "https://")):
            self.dismiss(url)
        else:
            self.query_one("#outcome", Label).update("write it as http://host:port")

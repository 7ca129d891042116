"""The line in which a filter is typed; what is shown changes while it is typed."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Label

from tui.model.filters import BadFilter, Filter, complete


class FilterBar(Horizontal):
    """A filter, shown while there is one; enter keeps it, escape clears it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "leave", "Back to the rows", show=False),
    ]

    class Filtered(Message):
        """Other orders are to be shown."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Message):
        """The rows are to have the keys again."""

    def __init__(self) -> None:
        super().__init__(id="filter-row")
        self._input = Input(
            placeholder="status:failed  dex:meteora  pair:SOL  >800ms  !word",
            id="filter",
            compact=True,
            suggester=_Words(use_cache=False, case_sensitive=True),
            select_on_focus=False,
        )
        self._error = Label(id="filter-error", markup=False)

    def compose(self) -> ComposeResult:
        """A slash, the field, and what is wrong with it."""
        yield Label("/")
        yield self._input
        yield self._error

    def open(self) -> None:
        """Let a filter be typed."""
        self.add_class("-open")
        self._input.focus()

    def fill(self, text: str) -> None:
        """Type a filter, as it were."""
        self._input.value = text
        self.set_class(bool(text), "-open")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show at once what is asked for."""
        event.stop()
        try:
            Filter.parse(event.value)
        except BadFilter as error:
            self._error.update(str(error))
        else:
            self._error.update("")
            self.post_message(self.Filtered(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter and go back to the rows."""
        event.stop()
        self.action_leave()

    def action_leave(self) -> None:
        """Go back to the rows."""
        self.set_class(bool(self._input.value), "-open")
        self.post_message(self.Left())


class _Words(Suggester):
    """Completes the last word."""

    async def get_suggestion(self, value: str) -> str | None:
        return complete(value)

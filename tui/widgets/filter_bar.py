"""The filter bar: an input line whose filter is applied while it is typed."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Label

from tui.model.filters import InvalidFilter, OrderFilter, complete_filter


class FilterBar(Vertical):
    """A filter, visible while there is one; enter keeps it, escape clears it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "close", "Back to the rows", show=False),
    ]

    class Changed(Message):
        """Posted when the text changed to a valid filter."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Closed(Message):
        """Posted when the rows should have the keyboard focus again."""

    def __init__(self) -> None:
        super().__init__(id="filter-row")
        self._input = Input(
            placeholder="status:failed  dex:meteora  pair:SOL  >800ms  !word",
            id="filter",
            compact=True,
            suggester=_WordSuggester(use_cache=False, case_sensitive=True),
            select_on_focus=False,
        )
        self._error = Label(id="filter-error", markup=False)

    def compose(self) -> ComposeResult:
        """Lay out a slash and the input, and its error in full below."""
        with Horizontal(id="filter-line"):
            yield Label("/")
            yield self._input
        yield self._error

    def open(self) -> None:
        """Show the bar and focus its input."""
        self.add_class("-open")
        self._input.focus()

    def set_text(self, text: str) -> None:
        """Replace the text, as if it had been typed."""
        self._input.value = text
        self.set_class(bool(text), "-open")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Apply a valid filter at once, or show its error."""
        event.stop()
        try:
            OrderFilter.parse(event.value)
        except InvalidFilter as error:
            self._show_error(str(error))
        else:
            self._show_error("")
            self.post_message(self.Changed(event.value))

    def _show_error(self, text: str) -> None:
        self._error.update(text)
        self._error.display = bool(text)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter and return to the rows."""
        event.stop()
        self.action_close()

    def action_close(self) -> None:
        """Return to the rows; an empty bar is hidden."""
        self.set_class(bool(self._input.value), "-open")
        self.post_message(self.Closed())


class _WordSuggester(Suggester):
    """Completes the last word of a filter."""

    async def get_suggestion(self, value: str) -> str | None:
        return complete_filter(value)

"""The failure reasons: how many orders failed with each code, what it means, and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Label, OptionList
from textual.widgets.option_list import Option

from tui.model.orders import Order
from tui.output.failure_advice import get_advice
from tui.text.format import sanitize_text


class FailureReasonsScreen(ModalScreen[str]):
    """Lists the error codes of failed orders; its result is the code that is chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,F,q", "dismiss", "Close"),
    ]

    def __init__(self, failures: Iterable[Order]) -> None:
        super().__init__()
        self._codes = Counter(order.failure.code for order in failures if order.failure)

    def compose(self) -> ComposeResult:
        """Lay out the codes, the most common at the top."""
        with Vertical(id="dialog") as dialog:
            dialog.border_title = f"{self._codes.total():,} failures by reason"
            dialog.border_subtitle = "enter shows these orders"
            if self._codes:
                yield OptionList(*self._options(), compact=True)
            else:
                yield Label("No order failed.")

    def _options(self) -> Iterable[Option]:
        for code, count in self._codes.most_common():
            known = get_advice(code)
            text = Text(f"{count:>6,}  {sanitize_text(code)}", style="bold")
            text.append(f"\n        {known.meaning}" if known.meaning else "", style="not bold")
            text.append(f"\n        {known.action}", style="not bold italic")
            yield Option(text, id=code)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Return the code that was chosen."""
        self.dismiss(event.option_id)

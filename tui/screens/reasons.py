"""The failures, grouped by reason: which is the most common, and what to do about it."""

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
from tui.output.failure_advice import advice
from tui.text.format import clean


class ReasonsScreen(ModalScreen[str]):
    """A line for each reason; the one that is chosen is the answer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,x,q", "dismiss", "Close"),
    ]

    def __init__(self, failures: Iterable[Order]) -> None:
        super().__init__()
        self._codes = Counter(order.trouble.code for order in failures if order.trouble)

    def compose(self) -> ComposeResult:
        """The reasons, the most common at the top."""
        with Vertical(id="dialog") as dialog:
            dialog.border_title = f"{self._codes.total():,} failures by reason"
            dialog.border_subtitle = "enter shows these orders"
            if self._codes:
                yield OptionList(*self._options(), compact=True)
            else:
                yield Label("No order failed.")

    def _options(self) -> Iterable[Option]:
        for code, count in self._codes.most_common():
            known = advice(code)
            text = Text(f"{count:>6,}  {clean(code)}", style="bold")
            text.append(f"\n        {known.meaning}" if known.meaning else "", style="not bold")
            text.append(f"\n        {known.action}", style="not bold italic")
            yield Option(text, id=code)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Show the orders that failed for this reason."""
        self.dismiss(event.option_id)

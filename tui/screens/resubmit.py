"""Failed orders, sent again as new ones."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Label

from tui.connection.order_sender import terms_of
from tui.model.messages import WireTerms
from tui.model.orders import Order
from tui.screens.submit_dialog import SendingScreen
from tui.session import Desk
from tui.widgets.choice import Choice

_MINIMUM = {"same": "as it was", "none": "none: the slippage alone protects"}


class ResubmitScreen(SendingScreen):
    """Asks which failures are meant, and sends them as a new batch."""

    def __init__(self, desk: Desk, selected: Order | None, failures: Sequence[Order]) -> None:
        super().__init__(desk)
        self._failures = failures
        self._one = [selected] if selected is not None else []

    def compose(self) -> ComposeResult:
        """Which ones, and how they are protected now."""
        options = {"one": f"this order ({self._one[0].short_id})"} if self._one else {}
        options["all"] = f"all {len(self._failures):,} failed orders shown"
        with Vertical(id="dialog") as dialog:
            dialog.border_title = "Resubmit as a new batch, with fresh quotes"
            with Horizontal(classes="row"):
                yield Label("Which", classes="title")
                yield Choice(options, next(iter(options)), id="which")
            with Horizontal(classes="row"):
                yield Label("Slippage", classes="title")
                yield Input(placeholder="as it was", id="slippage", compact=True)
                yield Label("%", classes="hint")
            with Horizontal(classes="row") as row:
                row.display = any(order.min_amount_out for order in self._failures)
                yield Label("Min out", classes="title")
                yield Choice(_MINIMUM, "same", id="minimum")
            yield Label(id="outcome", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Submit ^s", id="submit", compact=True)

    def on_mount(self) -> None:
        """Arrows choose, ^s sends."""
        self.query_one("#which", Choice).focus()

    def orders(self) -> Sequence[WireTerms] | None:
        """The terms of the failed orders."""
        try:
            slippage_bps = _bps(self.query_one(Input).value.strip())
        except ValueError as error:
            self.say(str(error))
            return None
        is_one = self.query_one("#which", Choice).value == "one"
        is_floor_kept = self.query_one("#minimum", Choice).value == "same"
        return [
            terms_of(order, slippage_bps=slippage_bps, is_floor_kept=is_floor_kept)
            for order in (self._one if is_one else self._failures)
        ]

    def on_choice_changed(self) -> None:
        """Other orders are meant."""
        self.changed()

    def on_input_changed(self) -> None:
        """Other orders are meant."""
        self.changed()

    def on_button_pressed(self) -> None:
        """Send them."""
        self.action_submit()


def _bps(percent: str) -> int | None:
    if not percent:
        return None
    try:
        value = Decimal(percent) * 100
        if value.is_finite() and 0 <= value <= 10_000:
            return int(value)
    except InvalidOperation:
        pass
    raise ValueError("slippage must be from 0 to 100 per cent, or nothing to keep it")

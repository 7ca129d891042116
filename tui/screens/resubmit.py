"""The resubmit dialog: places failed orders again as a new batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Label

from tui.connection.order_sender import build_resubmit_terms
from tui.model.orders import Order
from tui.model.plan.resubmission import explain_left_out, list_left_out
from tui.model.wire import WireOrderTerms
from tui.screens.submit import SubmitScreen
from tui.session import Session
from tui.widgets.choice import Choice

_MINIMUM_OUT_OPTIONS = {"same": "as it was", "none": "none: the slippage alone protects"}


class ResubmitScreen(SubmitScreen):
    """Offers the selected failure or all of them, with their limits kept or changed.

    Says which of all are left out, as ``explain`` does; the selected one is none of these.
    """

    def __init__(
        self,
        session: Session,
        selected: Order | None,
        failures: Sequence[Order],
        explain: Callable[[Order], str] = explain_left_out,
    ) -> None:
        super().__init__(session)
        self._failures = [order for order in failures if not explain(order)]
        self._left_out = list_left_out(failures, explain)
        self._selected = [selected] if selected is not None else []

    def compose(self) -> ComposeResult:
        """Lay out which orders, and the limits of the new ones."""
        options = {"one": f"this order ({self._selected[0].short_id})"} if self._selected else {}
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
                row.display = any(
                    order.min_amount_out and order.condition is None for order in self._failures
                )
                yield Label("Min out", classes="title")
                yield Choice(_MINIMUM_OUT_OPTIONS, "same", id="minimum")
            for line in self._left_out:
                yield Label(line, classes="left-out", markup=False)
            yield Label(id="outcome", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Submit ^s", id="submit", compact=True)

    def on_mount(self) -> None:
        """Focus the choice of orders."""
        self.query_one("#which", Choice).focus()

    def build_orders(self) -> Sequence[WireOrderTerms] | None:
        """Build new terms from those of the failed orders."""
        try:
            slippage_bps = _parse_slippage_bps(self.query_one(Input).value.strip())
        except ValueError as error:
            self.show_message(str(error))
            return None
        is_one = self.query_one("#which", Choice).value == "one"
        is_min_out_kept = self.query_one("#minimum", Choice).value == "same"
        return [
            build_resubmit_terms(
                order,
                now_ms=self.session.server_now_ms,
                slippage_bps=slippage_bps,
                is_min_out_kept=is_min_out_kept,
            )
            for order in (self._selected if is_one else self._failures)
        ]

    def on_choice_changed(self) -> None:
        """Forget what was said of the earlier input."""
        self.discard_outcome()

    def on_input_changed(self) -> None:
        """Forget what was said of the earlier input."""
        self.discard_outcome()

    def on_button_pressed(self) -> None:
        """Send the orders."""
        self.action_submit()


def _parse_slippage_bps(percent: str) -> int | None:
    if not percent:
        return None
    try:
        value = Decimal(percent) * 100
        if value.is_finite() and 0 <= value <= 10_000:
            return int(value)
    except InvalidOperation:
        pass
    raise ValueError("slippage must be from 0 to 100 per cent, or nothing to keep it")

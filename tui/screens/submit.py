"""Base class of the dialogs that place orders: shows refusals, and can send the refused again."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import ClassVar, Final

from textual import work
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Button, Label

from tui.connection.order_sender import (
    SendOutcome,
    assign_client_order_ids,
    send_order,
    send_orders,
)
from tui.model.connection_state import ConnectionStatus
from tui.model.plan.question import describe_question, name_answer
from tui.model.wire import WireOrderTerms
from tui.output.failure_advice import explain_next
from tui.quotes import QuoteService
from tui.session import Session
from tui.text.format import format_seconds, sanitize_text

_REASONS_MAX: Final = 3
ANSWER_DELAY_S: Final = 0.4
"""A key that repeats answers no question."""


class SubmitScreen(ModalScreen[None]):
    """Places orders. Subclasses build them, and lay out ``#outcome`` and the button ``#submit``."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Close"),
        Binding("ctrl+s", "submit", "Submit"),
    ]

    submit_label: ClassVar[str] = "Submit ^s"

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.quotes = QuoteService(session)
        self._is_asked = False
        self._is_sent = False
        """All that can pass was accepted: sent once more, it would be other orders."""
        self.answer_at_s = 0.0
        self._refused_terms: list[WireOrderTerms] = []
        self.is_busy = False
        self._found_labels: dict[str, Sequence[Label]] = {}

    def build_orders(self) -> Sequence[WireOrderTerms] | None:
        """Build the orders; none if the input is invalid, after showing why."""
        raise NotImplementedError

    @property
    def pace(self) -> int:
        """Orders a second; 0 is all at once."""
        return 0

    @property
    def is_single(self) -> bool:
        """Whether a single order is placed, outside any batch."""
        return False

    async def prepare(self) -> bool:
        """Load what ``build_orders`` needs from the server; false if that failed."""
        return True

    def action_submit(self) -> None:
        """Send the orders, or those of the last try that were refused."""
        if self.is_busy or self._is_sent or monotonic() < self.answer_at_s:
            return
        if self.session.client is None:
            self.show_message("a recording is shown: nothing can be sent")
        elif self.session.model.connection.status is ConnectionStatus.OFFLINE:
            reason = self.session.model.connection.reason
            self.show_message(f"offline, nothing was sent: {reason}; send it once it is live")
        else:
            self._submit()

    def discard_outcome(self) -> None:
        """Forget what was said and asked of the earlier input, and its refused orders."""
        self._refused_terms = []
        self._is_asked = self._is_sent = False
        self.answer_at_s = 0.0
        self.set_submit_label(self.submit_label)
        self.show_message()

    def show_message(self, *lines: str) -> None:
        """Show lines below the fields."""
        self.show_text("#outcome", "\n".join(map(sanitize_text, lines)))
        for label in self.find_labels("#outcome"):
            label.display = bool(lines)
            self.call_after_refresh(label.scroll_visible, animate=False)

    def show_text(self, selector: str, text: str) -> None:
        """Show a text in a label; a worker may still run when its dialog has lost its widgets."""
        for label in self.find_labels(selector):
            if label.content != text:  # a text that is new is laid out anew
                label.update(text)

    def find_labels(self, selector: str) -> Sequence[Label]:
        """The labels of a selector, which stay the same: each query visits all widgets."""
        if not self._found_labels.get(selector):
            self._found_labels[selector] = [*self.query(selector).results(Label)]
        return self._found_labels[selector]

    @work(group="send", exclusive=True)
    async def _submit(self) -> None:
        client = self.session.client
        assert client is not None
        self.is_busy = True
        try:
            if not self._refused_terms and not await self.prepare():
                return
            orders = self._refused_terms or self._name_orders(self.build_orders() or ())
            if not orders or (not self._refused_terms and await self._must_ask(orders)):
                return
            began_ms = self.session.source.now_ms()
            if self.is_single and len(orders) == 1:
                outcome = await send_order(client, orders[0], new_id=self.session.new_id)
            else:
                outcome = await send_orders(
                    client,
                    orders,
                    pace=self.pace,
                    new_id=self.session.new_id,
                    progress=self._show_progress,
                )
            self._show_outcome(outcome, self.session.source.now_ms() - began_ms)
        finally:
            self.is_busy = False

    def _name_orders(self, orders: Sequence[WireOrderTerms]) -> list[WireOrderTerms]:
        if self.is_single and len(orders) == 1:
            return [{**orders[0], "clientOrderId": self.session.new_id()}]
        return assign_client_order_ids(orders, self.session.new_id)

    async def _must_ask(self, orders: Sequence[WireOrderTerms]) -> bool:
        """Ask once whether to place orders that sell, or may sell, more than the user's setting."""
        await self.quotes.load_dollar_prices(orders)
        value = self.quotes.find_value(orders)
        reasons = describe_question(orders, value, self.session.settings.ask_above)
        if self._is_asked or not reasons:
            return False
        self._is_asked = True
        self.answer_at_s = monotonic() + ANSWER_DELAY_S
        self.show_message(*reasons, "submit once more to place them")
        self.set_submit_label(f"{name_answer(orders, value)} ^s")
        return True

    def _show_progress(self, outcome: SendOutcome) -> None:
        self.show_message(f"{outcome.accepted:,} of {outcome.total:,} accepted")

    def _show_outcome(self, outcome: SendOutcome, duration_ms: int) -> None:
        names = ", ".join(f"#{batch[-4:]}" for batch in outcome.batches[-3:])
        subject = f"batch {names}" if names else "order"
        count = f" {outcome.accepted:,} of {outcome.total:,}" if outcome.total > 1 else ""
        if outcome.accepted:
            text = f"{subject} accepted{count} in {format_seconds(duration_ms)}"
            self.session.add_note(text, "confirmed")
        if not outcome.refused:
            self.dismiss()
            return
        self._refused_terms = [each.terms for each in outcome.refused if each.can_pass]
        lines = [f"{outcome.accepted:,} accepted, {len(outcome.refused):,} refused"]
        for code, (number, reason) in list(outcome.refusals_by_code.items())[:_REASONS_MAX]:
            lines.append(f"{number:,} x {code}: {reason}{explain_next(code)}")
        if outcome.retry_after_s is not None:
            lines.append(f"try again after {outcome.retry_after_s:.0f} s")
        self.show_message(*lines)
        self._is_sent = bool(outcome.accepted) and not self._refused_terms
        if self._refused_terms:
            self.set_submit_label(f"Send the rest ({len(self._refused_terms):,}) ^s")
        elif self._is_sent:
            self.set_submit_label("Sent: esc closes")

    def set_submit_label(self, label: str) -> None:
        """Say on the button what it does now."""
        for button in self.query("#submit").results(Button):
            if str(button.label) != label:
                button.label = label
                button.refresh(layout=True)  # a longer label needs more room

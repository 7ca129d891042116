"""A dialog that sends orders: what is refused is shown in place, and the rest can be sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Button, Label

from tui.connection.order_sender import Outcome, named, place, send
from tui.model.connection_state import State
from tui.model.messages import WireTerms
from tui.session import Desk
from tui.text.format import clean, seconds

_REASONS_MAX: Final = 3


class SendingScreen(ModalScreen[None]):
    """Has a label ``#outcome`` and a button ``#submit``; its heirs say what is sent."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Close"),
        Binding("ctrl+s", "submit", "Submit"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self._left: list[WireTerms] = []
        self._is_busy = False

    def orders(self) -> Sequence[WireTerms] | None:
        """What is to be sent; none if something is missing, which was said then."""
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
        """Find out what is needed to make the orders; whether it was found."""
        return True

    def action_submit(self) -> None:
        """Send the orders, or those that were left."""
        if self._is_busy:
            return
        if self.desk.client is None:
            self.say("a recording is shown: nothing can be sent")
        elif self.desk.model.link.state is State.OFFLINE:
            self.say(f"offline, nothing was sent: {self.desk.model.link.reason}")
        else:
            self.run_worker(self._submit(), group="send", exclusive=True)

    def changed(self) -> None:
        """The orders are other ones: those that were left are not sent any more."""
        self._left = []
        self._call_it("Submit ^s")

    def say(self, *lines: str) -> None:
        """Say what became of it."""
        self.query_one("#outcome", Label).update("\n".join(map(clean, lines)))

    async def _submit(self) -> None:
        client = self.desk.client
        assert client is not None
        self._is_busy = True
        try:
            if not self._left and not await self.prepare():
                return
            orders = self._left or named(self.orders() or (), self.desk.new_id)
            if not orders:
                return
            began_ms = self.desk.source.now_ms()
            if self.is_single:
                outcome = await place(client, orders[0], new_id=self.desk.new_id)
            else:
                outcome = await send(
                    client, orders, pace=self.pace, new_id=self.desk.new_id, progress=self._progress
                )
            self._end(outcome, self.desk.source.now_ms() - began_ms)
        finally:
            self._is_busy = False

    def _progress(self, outcome: Outcome) -> None:
        self.say(f"{outcome.accepted:,} of {outcome.total:,} accepted")

    def _end(self, outcome: Outcome, took_ms: int) -> None:
        names = ", ".join(f"#{batch[-4:]}" for batch in outcome.batches[-3:])
        what = f"batch {names}" if names else "order"
        count = f" {outcome.accepted:,} of {outcome.total:,}" if outcome.total > 1 else ""
        if outcome.accepted:
            text = f"{what} accepted{count} in {seconds(took_ms)}"
            self.desk.note(text, "confirmed")
        if not outcome.left:
            self.dismiss()
            return
        self._left = [each.terms for each in outcome.left]
        lines = [f"{outcome.accepted:,} accepted, {len(outcome.left):,} refused"]
        for code, (number, reason) in list(outcome.reasons.items())[:_REASONS_MAX]:
            lines.append(f"{number:,} x {code}: {reason}")
        if outcome.retry_after_s is not None:
            lines.append(f"try again after {outcome.retry_after_s:.0f} s")
        self.say(*lines)
        self._call_it(f"Send the rest ({len(self._left):,}) ^s")

    def _call_it(self, label: str) -> None:
        button = self.query_one("#submit", Button)
        button.label = label
        button.refresh(layout=True)  # a longer label needs more room

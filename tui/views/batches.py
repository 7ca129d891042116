"""The view of batches: progress, failures, and what is done with all orders of one."""

from __future__ import annotations

from typing import ClassVar, Literal

from textual.binding import Binding, BindingType
from textual.message import Message

from tui.model.counts.batches import Batch
from tui.model.orders import Order
from tui.output.desk.batches import REASON_LINES, BatchesContext, render_batches, render_reasons
from tui.session import Session
from tui.text.views import BATCHES
from tui.views.desk_pane import DeskPane

BatchVerb = Literal["show_orders", "resubmit", "cancel", "export"]


class BatchesPane(DeskPane):
    """A row for each batch, and a cursor that stays on its batch."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Down"),
        Binding("up,k", "move(-1)", "Up"),
        Binding("pagedown,ctrl+f", "move(10)", "Page down"),
        Binding("pageup,ctrl+b", "move(-10)", "Page up"),
        Binding("home,g", "choose(0)", "Top"),
        Binding("end,G", "move(100000)", "Bottom"),
        Binding("enter", "show_orders", "Its orders"),
        Binding("R", "resubmit", "Resubmit what can pass"),
        Binding("x,X", "cancel", "Cancel its open orders"),
        Binding("e", "export", "Export its orders"),
    ]

    class BatchAction(Message):
        """Posted when something is to be done with the orders of a batch."""

        def __init__(self, action: BatchVerb, batch: Batch, orders: list[Order]) -> None:
            super().__init__()
            self.action = action
            self.batch = batch
            self.orders = orders

    def __init__(self, session: Session) -> None:
        super().__init__(session, BATCHES)
        self._chosen_id = ""
        self._first = 0

    @property
    def chosen_batch(self) -> Batch | None:
        """The batch at the cursor."""
        batches = self._list()
        return batches[self._find(batches)] if batches else None

    def paint(self) -> None:
        """Render the lines anew; only those that differ are repainted."""
        session, batches = self.session, self._list()
        cells, lines = self.size.width - 1, max(self.size.height - REASON_LINES, 2)
        cursor = self._find(batches)
        self._first = max(min(self._first, cursor), cursor - lines + 2, 0)
        context = BatchesContext(
            batches,
            cursor,
            self._first,
            lines,
            session.symbols,
            cells,
            session.server_now_ms,
            session.timezone,
            session.model.is_complete,
        )
        shown = render_batches(context)
        if batches:
            shown += render_reasons(batches[cursor], self._list_orders(batches[cursor]), cells)
        self.show_lines(shown)

    def action_move(self, step: int) -> None:
        """Move the cursor by rows."""
        self.action_choose(self._find(self._list()) + step)

    def action_choose(self, number: int) -> None:
        """Move the cursor to a row."""
        if batches := self._list():
            number = max(min(number, len(batches) - 1), 0)
            self._chosen_id = batches[number].id if number else ""
            self.paint()

    def action_show_orders(self) -> None:
        """Show the orders of the batch."""
        self._post("show_orders")

    def action_resubmit(self) -> None:
        """Ask whether to send what can pass again."""
        self._post("resubmit")

    def action_cancel(self) -> None:
        """Ask whether to cancel what is open of the batch."""
        self._post("cancel")

    def action_export(self) -> None:
        """Export the orders of the batch."""
        self._post("export")

    def _post(self, action: BatchVerb) -> None:
        batch = self.chosen_batch
        if batch is not None:
            self.post_message(self.BatchAction(action, batch, self._list_orders(batch)))

    def _list(self) -> list[Batch]:
        return self.session.model.counters.batches.list_newest_first()

    def _find(self, batches: list[Batch]) -> int:
        """The row of the chosen batch; the newest one while none is chosen."""
        ids = (number for number, batch in enumerate(batches) if batch.id == self._chosen_id)
        return next(ids, 0)

    def _list_orders(self, batch: Batch) -> list[Order]:
        orders = self.session.model.sorted_orders
        return [order for order in orders if order.batch_name == batch.id]

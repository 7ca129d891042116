"""What the dashboard does with the order at the cursor, and with those that are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from textual.app import App

from tui.cancellation import Cancellation
from tui.model.desk.explorer import NoExplorer, build_explorer_address
from tui.model.orders import Order
from tui.model.plan.amendment import explain_refusal
from tui.model.plan.resubmission import (
    explain_hopeless,
    explain_none_sent,
    list_left_out,
)
from tui.output.export import describe_field
from tui.screens.amend import AmendScreen
from tui.screens.cancel import CancelScope, CancelScreen
from tui.screens.export import ExportScreen
from tui.screens.failure_reasons import FailureReasonsScreen
from tui.screens.main import MainScreen
from tui.screens.order import OrderScreen
from tui.screens.resubmit import ResubmitScreen
from tui.session import Session
from tui.text.views import MARKETS, ORDER_VIEWS
from tui.views.batches import BatchesPane

_ORDER_ACTIONS: Final = frozenset(
    {
        *("open", "copy", "explore", "export", "resubmit", "cancel", "cancel_shown", "amend"),
        *("failed", "step"),
    }
)
_SINGLE_ACTIONS: Final = frozenset({"open", "copy", "explore", "cancel", "amend"})
"""What acts on one order, which may be chosen in a market too."""


class OrderActions(App[None]):
    """The actions of an application that shows a session."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session

    @property
    def main(self) -> MainScreen:
        """The main screen, which is below any dialog."""
        return next(each for each in self.screen_stack if isinstance(each, MainScreen))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What acts on an order does nothing where a view shows none."""
        if action not in _ORDER_ACTIONS or not isinstance(self.screen, MainScreen):
            return True
        view = self.session.shown_view
        return view in ORDER_VIEWS or (view == MARKETS and action in _SINGLE_ACTIONS)

    def action_open(self) -> None:
        """Open the order screen for the order at the cursor."""
        if self.session.selected_order is not None and not isinstance(self.screen, OrderScreen):
            self.push_screen(OrderScreen(self.session))

    def on_order_table_order_opened(self) -> None:
        """Show the double-clicked order in full."""
        self.action_open()

    def action_failed(self, step: int) -> None:
        """Move to the next failed order; works in the order screen too."""
        self.main.action_failed(step)

    def action_step(self, step: int) -> None:
        """Move to the next order; works in the order screen too."""
        self.main.order_table.action_move(step)

    def action_copy(self, field: str) -> None:
        """Copy the order's id, its signature (``tx``), its ``pools``, or all of it as JSON."""
        order = self.session.selected_order
        if order is None:
            return
        text = describe_field(order, field)
        if text is None:
            yet = "" if order.is_end else " yet"
            what = "signed" if field == "tx" else "routed through a pool that is known"
            self.notify(f"it was not {what}{yet}", timeout=2)
        else:
            self.copy_to_clipboard(text)
            shown = text if field != "json" else f"order {order.short_id} as JSON"
            self.notify(f"copied {shown}", timeout=2, markup=False)

    def action_export(self) -> None:
        """Open the dialog that exports the marked orders, or all that are shown."""
        self.push_screen(ExportScreen(self.session, self._list_meant()))

    def _list_meant(self) -> list[Order]:
        """The marked orders; without marks all that are shown."""
        return list(self.session.marked.values()) or self.session.view.list_displayed()

    def action_resubmit(self) -> None:
        """Open the dialog that resubmits failed orders."""
        failures = [order for order in self._list_meant() if order.status == "failed"]
        selected = None if self.session.marked else self.session.selected_order
        chosen = selected if selected is not None and selected.status == "failed" else None
        if refusal := explain_none_sent(chosen, failures):
            self.notify(refusal, timeout=5, markup=False)
        else:
            self.push_screen(ResubmitScreen(self.session, chosen, failures))

    def action_cancel(self) -> None:
        """Ask whether to cancel the order at the cursor."""
        shown = self.session.selected_order
        if shown is None:
            return
        order = self.session.model.orders.get(shown.id, shown)  # as it is, also during a pause
        if order.is_end:
            text = f"{order.short_id} is {order.status}: nothing to cancel"
            self.notify(text, timeout=2, markup=False)
        else:
            self._ask_to_cancel([order])

    def action_amend(self) -> None:
        """Open the form that changes the order at the cursor while it waits."""
        shown = self.session.selected_order
        if shown is None:
            return
        order = self.session.model.orders.get(shown.id, shown)
        if refusal := explain_refusal(order):
            self.notify(refusal, timeout=3, markup=False)
        else:
            self.push_screen(AmendScreen(self.session, order))

    def action_cancel_shown(self) -> None:
        """Ask whether to cancel the open ones of the marked orders, or of all that are shown."""
        if marked := self.session.marked:
            self._cancel_marked([order for order in marked.values() if not order.is_end])
            return
        orders = self.session.view.list_open()
        if orders:
            text = str(self.session.view.filter) or "none: all orders are shown"
            self._ask_to_cancel(orders, CancelScope("shown", "filter", text))
        else:
            self.notify("no open order is shown", timeout=2)

    def _cancel_marked(self, orders: Sequence[Order]) -> None:
        count = len(self.session.marked)
        if orders:
            scope = CancelScope("marked", "marked", f"{count:,} orders, {len(orders):,} open")
            self._ask_to_cancel(orders, scope)
        else:
            self.notify(f"none of the {count:,} marked orders is open: V unmarks", timeout=3)

    def action_explore(self) -> None:
        """Open the signature of the order at the cursor in an explorer."""
        order, session = self.session.selected_order, self.session
        signature = None if order is None else order.tx_hash
        try:
            address = build_explorer_address(
                session.settings.explorer, signature, session.model.cluster
            )
        except NoExplorer as reason:
            self.notify(str(reason), timeout=5, markup=False)
        else:
            self.open_url(address)
            self.notify(f"opening {address}", timeout=5, markup=False)

    def _ask_to_cancel(self, orders: Sequence[Order], scope: CancelScope | None = None) -> None:
        def answer(is_yes: bool | None) -> None:
            if is_yes:
                Cancellation(self, self.session, orders).start()

        self.push_screen(CancelScreen(self.session, orders, scope), answer)

    def action_reasons(self) -> None:
        """Show the failures grouped by reason; choosing one filters by it."""
        failures = (order for order in self.session.model.sorted_orders if order.status == "failed")
        self.push_screen(FailureReasonsScreen(failures), self._filter_by_reason)

    def _filter_by_reason(self, code: str | None) -> None:
        if code:
            self.main.action_set_filter(f"status:failed code:{code}")

    def on_batches_pane_batch_action(self, message: BatchesPane.BatchAction) -> None:
        """Do what was asked for with the orders of a batch."""
        batch, orders = message.batch, message.orders
        failures = [order for order in orders if order.status == "failed"]
        match message.action:
            case "show_orders":
                self.main.action_set_filter(f"batch:{batch.short_id}")
            case "export":
                self.push_screen(ExportScreen(self.session, orders))
            case "cancel":
                self._cancel_of_batch(batch.short_id, [each for each in orders if not each.is_end])
            case "resubmit":
                self._resubmit_of_batch(batch.short_id, failures)

    def _resubmit_of_batch(self, name: str, failures: Sequence[Order]) -> None:
        if all(map(explain_hopeless, failures)):
            left_out = "\n".join(list_left_out(failures, explain_hopeless))
            text = left_out or f"no order of #{name} has failed"
            self.notify(text, timeout=5, markup=False)
        else:
            self.push_screen(ResubmitScreen(self.session, None, failures, explain_hopeless))

    def _cancel_of_batch(self, name: str, orders: Sequence[Order]) -> None:
        if orders:
            self._ask_to_cancel(orders, CancelScope("of a batch", "batch", f"#{name}"))
        else:
            self.notify(f"no order of #{name} is open", timeout=2, markup=False)

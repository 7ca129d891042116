"""Cancels orders beside everything else that the dashboard does, and tells the outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from textual.app import App
from textual.notifications import SeverityLevel

from tui.connection.client import ApiClient
from tui.connection.order_canceller import cancel_orders
from tui.model.connection_state import ConnectionStatus
from tui.model.orders import Order
from tui.output.cancellation import (
    describe_cancelled_slices,
    describe_order,
    describe_outcome,
)
from tui.session import Session

_TOLD_S: Final = 8


class Cancellation:
    """The cancellation of some orders: it goes on whatever is shown meanwhile."""

    def __init__(self, app: App[Any], session: Session, orders: Sequence[Order]) -> None:
        self._app = app
        self._session = session
        self._orders = orders

    def start(self) -> None:
        """Begin to cancel, or tell why nothing can be cancelled now."""
        session, connection = self._session, self._session.model.connection
        if session.client is None:
            self._tell("a recording is shown: nothing can be cancelled", is_good=False)
        elif connection.status is ConnectionStatus.OFFLINE:
            self._tell(f"offline, nothing was cancelled: {connection.reason}", is_good=False)
        else:
            work = self._cancel(session.client)
            self._app.run_worker(work, group="cancel", description="cancels orders")

    async def _cancel(self, client: ApiClient) -> None:
        if len(self._orders) > 1:
            self._session.add_note(f"cancelling {len(self._orders):,} orders", "muted")
        order_ids = [order.id for order in self._orders]
        outcome = await cancel_orders(client, order_ids, self._find_whole_batches())
        is_good = outcome.cancelled == outcome.total
        text = describe_outcome(outcome, self._describe_slices())
        self._tell(f"{self._name_orders()}: {text}", is_good=is_good)

    def _describe_slices(self) -> list[str]:
        """What was swapped of those orders before that have slices."""
        groups = self._session.model.groups
        texts = (describe_cancelled_slices(order, groups) for order in self._orders)
        return [text for text in texts if text]

    def _find_whole_batches(self) -> list[str]:
        """The batches of which all open orders are meant; no order is added to a batch later."""
        model = self._session.model
        if not model.is_complete:  # there may be more that are open
            return []
        meant = Counter(order.batch_id for order in self._orders if not order.is_end)
        open_orders = Counter(order.batch_id for order in model.sorted_orders if not order.is_end)
        return [
            batch_id
            for batch_id, count in meant.items()
            if batch_id is not None and 1 < count == open_orders[batch_id]
        ]

    def _name_orders(self) -> str:
        if len(self._orders) > 1:
            return f"{len(self._orders):,} orders"
        [order] = self._orders
        return f"{order.short_id} {describe_order(order)}"

    def _tell(self, text: str, *, is_good: bool) -> None:
        self._session.add_note(text, "cancelled" if is_good else "warn")
        severity: SeverityLevel = "information" if is_good else "warning"
        self._app.notify(text, severity=severity, timeout=_TOLD_S, markup=False)

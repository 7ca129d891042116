"""The cancel dialog: names exactly what would be cancelled, and asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button

from tui.model.orders import Order
from tui.output.cancellation import (
    count_open,
    describe_chances,
    describe_effects,
    describe_order,
    render_counts,
)
from tui.output.order_waiting import describe_awaited_order
from tui.session import Session
from tui.text.format import Line, Span, sanitize_text, wrap_text
from tui.widgets.text_pane import TextPane

_TICK_S: Final = 0.25


class CancelScope(NamedTuple):
    """Which orders are meant: the end of the title, and a line with its label."""

    title: str
    label: str
    text: str


class CancelScreen(ModalScreen[bool]):
    """Asks whether to cancel one order, or all that a ``scope`` has; its result is the answer.

    The orders change while it is open, and so does what it says of them.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n,q", "dismiss(False)", "Keep"),
        Binding("y,ctrl+s", "dismiss(True)", "Cancel"),
    ]

    def __init__(
        self, session: Session, orders: Sequence[Order], scope: CancelScope | None = None
    ) -> None:
        super().__init__()
        self._session = session
        self._orders = orders
        self._scope = scope
        self._subject = TextPane(id="subject")

    def compose(self) -> ComposeResult:
        """Lay out what is cancelled, and both answers."""
        count = f"{len(self._orders):,}"
        with Vertical(id="dialog") as dialog:
            dialog.border_title = "Cancel this order?"
            if self._scope is not None:
                dialog.border_title = f"Cancel all {count} open orders {self._scope.title}?"
            yield self._subject
            with Horizontal(id="buttons"):
                yield Button("Keep esc", id="keep", compact=True)
                label = f"Cancel {count} orders y" if self._scope is not None else "Cancel order y"
                yield Button(label, id="cancel", compact=True)

    def on_mount(self) -> None:
        """Focus the answer that changes nothing, and show the orders as they change."""
        self.query_one("#keep", Button).focus()
        self.set_interval(_TICK_S, self.paint)
        self.call_after_refresh(self.paint)

    def paint(self) -> None:
        """Show the orders as they are now."""
        self._subject.show_lines(self._build_lines())

    def _build_lines(self) -> list[Line]:
        counts = count_open(self._orders)
        scope = self._scope
        lines = self._build_order_lines() if scope is None else self._build_scope_lines(scope)
        note = describe_chances(counts)
        if scope is not None and (ended := len(self._orders) - counts.total()):
            note += f" {ended:,} ended meanwhile."
        if scope is None:
            note += f" {describe_effects(self._orders[0], self._session.model.groups)}"
        cells = max(self._subject.size.width, 1)
        return [*lines, *([Span(line, "muted")] for line in wrap_text(note, cells))]

    def _build_scope_lines(self, scope: CancelScope) -> list[Line]:
        return [
            [Span(f"{scope.label}  ", "muted"), Span(sanitize_text(scope.text), "strong")],
            render_counts(count_open(self._orders), self._session.symbols),
        ]

    def _build_order_lines(self) -> list[Line]:
        [order] = self._orders
        symbol = self._session.symbols.status[order.status]
        return [
            [Span(describe_order(order), "strong"), *self._build_awaited(order)],
            [Span(order.id), Span(f"  {symbol} {order.status} ", order.status)],
        ]

    def _build_awaited(self, order: Order) -> Line:
        """What an order waits for, if it does."""
        if order.condition is None or order.status != "waiting":
            return []
        awaited = describe_awaited_order(order, self._session.symbols)
        return [Span(f"  {awaited}", "waiting")]

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Return the answer."""
        self.dismiss(event.button.id == "cancel")

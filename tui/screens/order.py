"""The order screen: the order at the cursor in full, over the whole terminal."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from tui.session import Session
from tui.widgets.panels import DetailPane

_TICK_S = 0.25


class OrderScreen(ModalScreen[None]):
    """Shows the order at the cursor; the keys that move the cursor work here too."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss", "Close"),
        Binding("right_square_bracket", "app.failed(1)", "Next failed"),
        Binding("left_square_bracket", "app.failed(-1)", "Previous failed"),
        Binding("j", "app.step(1)", "Next order"),
        Binding("k", "app.step(-1)", "Previous order"),
        Binding("y", "app.copy('id')", "Copy the id"),
        Binding("Y", "app.copy('json')", "Copy as JSON"),
        Binding("t", "app.copy('tx')", "Copy the signature"),
        Binding("p", "app.copy('pools')", "Copy the pools"),
        Binding("u", "app.explore", "Open the signature in an explorer"),
        Binding("R", "app.resubmit", "Resubmit"),
        Binding("a,e", "app.amend", "Amend"),
        Binding("x", "app.cancel", "Cancel"),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._detail = DetailPane(session, id="page", can_focus=True)

    def compose(self) -> ComposeResult:
        """Lay out the detail pane."""
        yield self._detail

    def on_mount(self) -> None:
        """Repaint four times a second."""
        self._detail.focus()
        self.set_interval(_TICK_S, self.paint)
        self.call_after_refresh(self.paint)

    def paint(self) -> None:
        """Show the order that is at the cursor now."""
        order = self._session.selected_order
        self._detail.paint(order)
        if order is not None:
            self._detail.border_title = f"order {order.id}"
            self._detail.border_subtitle = (
                "esc back  ] next failed  j k orders  a amend  x cancel  y copy"
            )

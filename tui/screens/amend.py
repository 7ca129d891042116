"""The amend dialog: the form of an order that waits, filled with it, to change it in place."""

from __future__ import annotations

from http import HTTPStatus
from time import monotonic
from typing import Any, ClassVar, Final

from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Label

from tui.connection.client import RequestRefused, ServerUnreachable
from tui.model.messages import Page
from tui.model.orders import Order
from tui.model.plan.amendment import AMOUNT_DECIMALS, build_changes, build_form
from tui.model.plan.batch_plan import BatchPlan
from tui.model.wire import WireOrder
from tui.output.cancellation import describe_order
from tui.screens.form import FormScreen
from tui.screens.submit import ANSWER_DELAY_S
from tui.session import Session
from tui.settings import BatchForm
from tui.widgets.choice import Choice

_ROWS: Final = frozenset({"amount", "price", "trail", "price_of", "slippage", "minimum", "until"})
_FIRST_FIELDS: Final = ("limit", "trigger", "trail", "low")
_WOULD_BE_MET: Final = "would_be_met"


class AmendScreen(FormScreen):
    """Changes an order; what another has changed of it meanwhile is shown, and asked again."""

    submit_label: ClassVar[str] = "Amend ^s"
    amount_decimals: ClassVar[int | None] = AMOUNT_DECIMALS
    needs_slippage: ClassVar[bool] = True

    def __init__(self, session: Session, order: Order) -> None:
        self._before = build_form(order)
        super().__init__(session, self._before, is_single=True)
        self._order = order
        self._allows_immediate = False

    def compose(self) -> ComposeResult:
        """Lay out which order it is, its fields and the button."""
        with Vertical(id="dialog") as dialog:
            dialog.border_title = f"Amend {self._order.short_id}"
            yield Label(describe_order(self._order), id="amended", markup=False)
            yield from self.build_rows()
            yield Label(id="sense", markup=False)
            yield Label(id="outcome", markup=False)
            with Horizontal(id="buttons"):
                yield Button(self.submit_label, id="submit", compact=True)

    def on_mount(self) -> None:
        """Focus the price that is waited for."""
        self.on_change()
        fields = self.list_fields(self.form_values())
        name = next(each for each in _FIRST_FIELDS if each == "low" or each in fields)
        self.query_one(f"#field-{name}").focus()

    def is_offered(self, row: str) -> bool:
        """Whether an amendment can change a row."""
        return row in _ROWS

    def list_fields(self, form: BatchForm) -> frozenset[str]:
        """The fields of the order's type; an expiry can be given and taken."""
        return super().list_fields(form) | {"until"}

    def form_values(self) -> BatchForm:
        """The fields; whether there is an end follows from its time."""
        values = super().form_values()
        return values | {"force": "gtd" if values["until"].strip() else "gtc"}

    def show_plan(self, plan: BatchPlan | None) -> None:
        """Nothing more: the fields are the order."""

    def discard_outcome(self) -> None:
        """Forget what was asked of the earlier values."""
        self._allows_immediate = False
        super().discard_outcome()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Send the changes."""
        event.stop()
        self.action_submit()

    @work(group="send", exclusive=True)
    async def _submit(self) -> None:
        plan = self.parse_form()
        order = self.session.model.orders.get(self._order.id, self._order)
        if plan is None:
            return
        if build_form(order) != self._before:
            self._show_current(order)
            return
        [terms] = plan.generate_orders(self.quotes.find_price)
        changes = build_changes(terms, self.form_values(), self._before)
        if not changes:
            self.show_message("nothing is changed yet")
            return
        await self._send(order, changes)

    async def _send(self, order: Order, changes: dict[str, Any]) -> None:
        client = self.session.client
        assert client is not None
        if self._allows_immediate:
            changes["allowImmediate"] = True
        self.is_busy = True
        try:
            amended = await client.amend_order(order.id, order.seq, changes)
        except ServerUnreachable as error:
            self.show_message(f"{error}: it may be amended all the same")
        except RequestRefused as refusal:
            self._show_refusal(order, refusal)
        else:
            self._take_over(amended)
            self.session.add_note(f"amended {order.short_id} {describe_order(order)}", "waiting")
            self.dismiss()
        finally:
            self.is_busy = False

    def _show_refusal(self, order: Order, refusal: RequestRefused) -> None:
        current = refusal.problem.get("order")
        if current is not None:
            self._take_over(current)
        if refusal.status == HTTPStatus.PRECONDITION_FAILED:
            self._show_current(order)
        elif refusal.code == _WOULD_BE_MET:
            self._allows_immediate = True
            self.answer_at_s = monotonic() + ANSWER_DELAY_S
            self.show_message(refusal.detail, "submit once more to amend it all the same")
            self.set_submit_label("Amend all the same ^s")
        else:
            self.show_message(str(refusal))

    def _take_over(self, stored: WireOrder) -> None:
        page = Page([stored], is_last=False, is_all=False)
        self.session.handle_message(page, self.session.source.now_ms())

    def _show_current(self, order: Order) -> None:
        """Show the order as it is now, but for the fields that the user has changed."""
        values, now = self.form_values(), build_form(order)
        for name, value in now.items():
            for field in self.query(f"#field-{name}"):
                if isinstance(field, Input | Choice) and values[name] == self._before[name]:
                    with field.prevent(Input.Changed, Choice.Changed):
                        field.value = value
        self._before = now
        self.update_preview()
        if order.is_end:
            self.show_message(f"it is {order.status}: there is nothing to amend")
        else:
            self.show_message(
                "the order has changed meanwhile: this is how it is now, with your changes",
                "submit once more to amend it",
            )

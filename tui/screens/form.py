"""Base class of the dialogs with the fields of an order: rows, errors beside them, comparison."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import islice
from typing import ClassVar, Final

from textual import work
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input, Label

from tui.model.conditions import LIMIT_TYPES
from tui.model.plan import batch_plan
from tui.model.plan.batch_plan import BatchPlan
from tui.model.plan.form_reader import InvalidPlan
from tui.model.wire import WireOrderTerms
from tui.screens.order_rows import (
    TYPE_FIELDS,
    OrderRows,
    describe_error,
    get_hint,
    get_row,
    is_row_shown,
    list_type_fields,
)
from tui.screens.submit import SubmitScreen
from tui.session import Session
from tui.settings import BatchForm
from tui.text.format import SECOND_MS, format_amount, format_moment, format_time_left
from tui.widgets.choice import Choice

SAMPLE_ORDERS: Final = 500
_VALUE_DELAY_S: Final = 0.3


class FormScreen(SubmitScreen):
    """Fields that describe orders. Subclasses lay them out, and send what they describe."""

    amount_decimals: ClassVar[int | None] = None
    """How many decimals amounts may have; ``None``: as many as of generated orders."""
    needs_slippage: ClassVar[bool] = False
    """Whether the engine's setting of a slippage cannot be asked for."""

    def __init__(self, session: Session, form: BatchForm, *, is_single: bool) -> None:
        super().__init__(session)
        self._form = form
        self._is_single = is_single

    @property
    def is_single(self) -> bool:
        """Whether a single order is placed, outside any batch."""
        return self._is_single

    def is_offered(self, row: str) -> bool:
        """Whether the dialog has a row at all."""
        return True

    def list_fields(self, form: BatchForm) -> frozenset[str]:
        """The fields that are shown, of those that not every order has."""
        return list_type_fields(form)

    def show_plan(self, plan: BatchPlan | None) -> None:
        """Show what the fields mean; ``None``: some are invalid."""
        raise NotImplementedError

    def build_rows(self) -> Iterator[Widget]:
        """Build a row for each field, with room for what is wrong with it."""
        for name, title, widgets in OrderRows(self._form, is_single=self._is_single).build():
            if self.is_offered(name):
                yield Horizontal(
                    Label(title, classes="title"),
                    *widgets,
                    Label(id=f"error-{name}", classes="hint", markup=False),
                    id=f"row-{name}",
                    classes="row",
                )

    # Changes

    def on_input_changed(self, event: Input.Changed) -> None:
        """Update the preview: another value was typed."""
        event.stop()
        self.on_change()

    def on_choice_changed(self, event: Choice.Changed) -> None:
        """Update the preview: another option was chosen."""
        event.stop()
        self.on_change()

    def on_change(self) -> None:
        """Forget what was said of the earlier values, and say what the present ones mean."""
        self.discard_outcome()
        self._show_sense([])
        self.update_preview()
        self._load_values()  # this also cancels the quotes of other values

    @work(group="quotes", exclusive=True)
    async def _load_values(self) -> None:
        """Load the prices that the sum in USDC and the comparison need, once the user pauses."""
        await asyncio.sleep(_VALUE_DELAY_S)
        plan = self.parse_form()
        if plan is not None:
            with suppress(InvalidPlan):
                orders = self.sample_orders(plan)
                await self.quotes.load_dollar_prices(orders)
                self._show_sense(await self.quotes.compare_with_market(orders))
            self.update_preview()

    def sample_orders(self, plan: BatchPlan) -> list[WireOrderTerms]:
        """The first orders of a plan; raises ``InvalidPlan`` if a price is not known."""
        return list(islice(plan.generate_orders(self.quotes.find_price), SAMPLE_ORDERS))

    def _show_sense(self, lines: Sequence[str]) -> None:
        self.show_text("#sense", "\n".join(lines))
        for label in self.find_labels("#sense"):
            label.display = self._has_sense or bool(lines)

    @property
    def _has_sense(self) -> bool:
        """Whether a comparison follows: its line is kept free, so that nothing moves."""
        return "price_of" in self.list_fields(self.form_values())

    # Fields

    @cached_property
    def _form_inputs(self) -> Mapping[str, Input | Choice]:
        """The widgets of the fields, which stay the same."""
        return {_field_name(each): each for each in (*self.query(Input), *self.query(Choice))}

    @cached_property
    def _row_hints(self) -> Mapping[str, Label]:
        labels = self.query(".hint").results(Label)
        return {(label.id or "").removeprefix("error-"): label for label in labels}

    @cached_property
    def _rows(self) -> Mapping[str, Widget]:
        return {(row.id or "").removeprefix("row-"): row for row in self.query(".row")}

    @cached_property
    def _type_widgets(self) -> Mapping[str, Sequence[Widget]]:
        """The widgets of those fields that not every type has, with their labels."""
        return {name: [*self.query(f"#field-{name}, .label-{name}")] for name in TYPE_FIELDS}

    def form_values(self) -> BatchForm:
        """The text of each field; of a field that the dialog lacks as it was given."""
        values = dict(self._form)
        for name, field in self._form_inputs.items():
            values[name] = field.value
        if self._is_single:
            values["high"] = values["low"]
        return values

    def parse_form(self) -> BatchPlan | None:
        """Parse the fields into a plan; none after showing errors beside invalid fields."""
        try:
            form, now_ms = self.form_values(), self.session.server_now_ms
            plan = batch_plan.parse_form(
                form, now_ms, decimals=self.amount_decimals, needs_slippage=self.needs_slippage
            )
            errors: BatchForm = {}
        except InvalidPlan as error:
            plan, errors = None, error.errors
        self._show_hints(plan, errors)
        return plan

    def update_preview(self) -> None:
        """Show the rows that the type has, and what the fields mean."""
        self._show_rows()
        self.show_plan(self.parse_form())

    def _show_hints(self, plan: BatchPlan | None, errors: BatchForm) -> None:
        """Show beside each row what is wrong with it, or what it means."""
        form, shown = self.form_values(), {get_row(field): errors[field] for field in errors}
        meanings = {} if plan is None else self._describe_times(plan)
        for row, label in self._row_hints.items():
            hint = meanings.get(row) or get_hint(row, form)
            text = describe_error(row, shown[row], form) if row in shown else hint
            if label.content != text:  # a text that is new is laid out anew
                label.update(text)
            label.set_class(row in shown, "-wrong")

    def _describe_times(self, plan: BatchPlan) -> dict[str, str]:
        """What the rows of times mean: when an order expires, when its last slice is placed."""
        meanings = {}
        if plan.expires_at is not None:
            at_ms = int(plan.expires_at.timestamp()) * SECOND_MS
            zone = self.session.timezone
            meanings["until"] = f"{format_moment(at_ms, zone)} {zone}"
        if plan.slicing is not None:
            meanings["slices"] = f"in {format_time_left(plan.slicing.duration_s * SECOND_MS)}"
            each = format_amount(plan.high / plan.slicing.count)
            meanings["amount"] = f"about {each} in each slice"
        return meanings

    def _show_rows(self) -> None:
        """Show the rows that the chosen type and time in force have."""
        form = self.form_values()
        fields = self.list_fields(form)
        for name, row in self._rows.items():
            row.display = is_row_shown(name, fields)
        for name, widgets in self._type_widgets.items():
            for widget in widgets:
                widget.display = name in fields
        is_limit = form["type"] in LIMIT_TYPES
        self.show_text("#row-price > .title", "Limit" if is_limit else "Trigger")
        for label in self.find_labels(".label-limit"):
            label.display = {"trigger", "limit"} <= fields


def _field_name(field: Widget) -> str:
    return (field.id or "").removeprefix("field-")

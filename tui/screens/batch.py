"""The batch builder, also used for a single order: form fields, and a preview of their orders."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from itertools import islice
from typing import ClassVar, Final

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Button, Input, Label

from tui.model.messages import WireOrderTerms
from tui.model.plan import batch_plan, condition_plan
from tui.model.plan.batch_plan import BatchPlan
from tui.model.plan.form_reader import InvalidPlan
from tui.quotes import describe_order
from tui.screens.order_rows import (
    PRICE_FIELDS,
    OrderRows,
    describe_error,
    get_hint,
    get_row,
    is_row_shown,
)
from tui.screens.submit import SubmitScreen
from tui.session import Session
from tui.settings import PRESETS_MAX, BatchForm
from tui.text.format import SECOND_MS, format_moment, format_rate
from tui.widgets.choice import Choice

_PREVIEW_ORDERS: Final = 3
_SAMPLE_ORDERS: Final = 500
_VALUE_DELAY_S: Final = 0.3
_SINGLE_ORDER_FORM: Final[BatchForm] = {"count": "1", "pace": "0", "seed": "0", "of": "in"}


class BatchScreen(SubmitScreen):
    """Builds orders from a few form fields; with ``is_single``, one order."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "preset", "Next preset"),
        Binding("f3", "save", "Save as preset"),
        Binding("f4", "dry_run", "Dry run"),
        Binding("f5", "curl", "Copy as curl"),
    ]

    def __init__(self, session: Session, *, is_single: bool = False) -> None:
        super().__init__(session)
        self._is_single = is_single
        self._preset = -1
        self._form: BatchForm = {**batch_plan.DEFAULTS, **session.settings.last_batch}
        if is_single:
            sides = {"side": "sell", "high": self._form["low"]}
            self._form |= {**_SINGLE_ORDER_FORM, **sides, "pairs": self._form["pairs"].split()[0]}

    @property
    def is_single(self) -> bool:
        """Whether a single order is placed, outside any batch."""
        return self._is_single

    @property
    def pace(self) -> int:
        """Orders a second; 0 is all at once."""
        return int(self._form_values()["pace"])

    def compose(self) -> ComposeResult:
        """Lay out a row for each field, the preview and the buttons."""
        with Vertical(id="dialog") as dialog:
            dialog.border_title = "New order" if self._is_single else "New batch"
            for name, title, widgets in OrderRows(self._form, is_single=self._is_single).build():
                with Horizontal(id=f"row-{name}", classes="row"):
                    yield Label(title, classes="title")
                    yield from widgets
                    yield Label(id=f"error-{name}", classes="hint", markup=False)
            yield Label(id="totals", markup=False)
            yield Label(id="preview", markup=False)
            yield Label(id="sense", markup=False)
            yield Label(id="outcome", markup=False)
            yield from self._buttons()

    def on_mount(self) -> None:
        """Focus the first field and show the preview."""
        self.query_one("#field-low" if self._is_single else "#field-count", Input).focus()
        self._on_change()

    def _buttons(self) -> ComposeResult:
        labels = {"submit": "Submit ^s", "dry-run": "Dry run f4"}
        if not self._is_single:
            labels |= {"preset": "Preset f2", "save": "Save f3", "curl": "curl f5"}
        with Horizontal(id="buttons"):
            for name, label in labels.items():
                yield Button(label, id=name, compact=True)

    # Preview

    def on_input_changed(self, event: Input.Changed) -> None:
        """Update the preview: another value was typed."""
        event.stop()
        self._on_change()

    def on_choice_changed(self, event: Choice.Changed) -> None:
        """Update the preview: another option was chosen."""
        event.stop()
        self._on_change()

    def _on_change(self) -> None:
        self.discard_outcome()
        self.show_text("#sense", "")  # it is about other values
        self._update_preview()
        self._load_values()  # this also cancels the quotes of other values

    @work(group="quotes", exclusive=True)
    async def _load_values(self) -> None:
        """Load the prices that the sum in USDC and the comparison need, once the user pauses."""
        await asyncio.sleep(_VALUE_DELAY_S)
        plan = self._parse_form()
        if plan is not None:
            with suppress(InvalidPlan):
                orders = list(islice(plan.generate_orders(self.quotes.find_price), _SAMPLE_ORDERS))
                await self.quotes.load_dollar_prices(orders)
                lines = await self.quotes.compare_with_market(orders)
                self.show_text("#sense", "\n".join(lines))
            self._update_preview()

    def _form_values(self) -> BatchForm:
        values = dict(self._form)
        for field in (*self.query(Input), *self.query(Choice)):
            values[_field_name(field)] = field.value
        if self._is_single:
            values["high"] = values["low"]
        return values

    def _parse_form(self) -> BatchPlan | None:
        """Parse the fields into a plan; none after showing errors beside invalid fields."""
        try:
            form, now_ms = self._form_values(), self.session.server_now_ms
            plan, errors = batch_plan.parse_form(form, now_ms), {}
        except InvalidPlan as error:
            plan, errors = None, error.errors
        self._show_hints(plan, errors)
        return plan

    def _show_hints(self, plan: BatchPlan | None, errors: BatchForm) -> None:
        """Show beside each row what is wrong with it, or what it means."""
        form, shown = self._form_values(), {get_row(field): errors[field] for field in errors}
        until = None if plan is None else plan.expires_at
        for label in self.query(".hint").results(Label):
            row = (label.id or "").removeprefix("error-")
            hint = get_hint(row, form)
            if row == "until" and until is not None:
                at_ms = int(until.timestamp()) * SECOND_MS
                hint = f"{format_moment(at_ms, self.session.timezone)} {self.session.timezone}"
            label.update(describe_error(row, shown[row], form) if row in shown else hint)
            label.set_class(row in shown, "-wrong")

    def _show_rows(self) -> None:
        """Show the rows that the chosen type and time in force have."""
        form = self._form_values()
        for row in self.query(".row"):
            row.display = is_row_shown((row.id or "").removeprefix("row-"), form)
        fields = condition_plan.CONDITION_FIELDS.get(form["type"], ())
        for name in PRICE_FIELDS:
            for widget in self.query(f"#field-{name}, .label-{name}"):
                widget.display = name in fields
        is_limit = form["type"] == "limit"
        for label in self.query("#row-price > .title").results(Label):
            label.update("Limit" if is_limit else "Trigger")
        for label in self.query(".label-limit").results(Label):
            label.display = fields == ("trigger", "limit")
        for label in self.query("#sense").results(Label):
            label.display = bool(fields)

    def _update_preview(self) -> None:
        self._show_rows()
        plan = self._parse_form()
        totals, preview = ("", "") if plan is None else self._describe_plan(plan)
        self.show_text("#totals", totals)
        self.show_text("#preview", preview)

    def _describe_plan(self, plan: BatchPlan) -> tuple[str, str]:
        try:
            sample = list(islice(plan.generate_orders(self.quotes.find_price), _SAMPLE_ORDERS))
        except InvalidPlan:
            return f"{plan.count:,} orders", "amounts follow when a price is known"
        shown = f" {self.session.symbols.dot} ".join(
            describe_order(order) for order in sample[:_PREVIEW_ORDERS]
        )
        value = self.quotes.find_value(sample)
        scale = Decimal(plan.count) / len(sample)
        worth = "" if value is None else f"worth about {value * scale:,.0f} USDC"
        if self._is_single:
            return worth, shown
        speed = self.session.model.counters.rates.end_rate(self.session.server_now_ms)
        about = f", about {plan.count / speed:.0f} s at {format_rate(speed)}" if speed else ""
        totals = batch_plan.describe_totals(sample, plan.count)
        return f"{plan.count:,} orders of {totals}{about}\n{worth}".rstrip(), shown

    # Actions

    async def prepare(self) -> bool:
        """Load the prices of pairs that were not traded yet."""
        form, plan = self._form_values(), self._parse_form()
        if plan is None:
            return False
        reason = await self.quotes.load_prices(plan)
        if self._form_values() != form:
            reason = "the form changed meanwhile: nothing was sent"
        if reason:
            self.show_message(reason)
        self._update_preview()
        return not reason

    def build_orders(self) -> Sequence[WireOrderTerms] | None:
        """Generate the orders of the plan."""
        plan = self._parse_form()
        if plan is None:
            return None
        if not self._is_single:
            self.session.settings.last_batch = self._form_values()
        return list(plan.generate_orders(self.quotes.find_price))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Run the action of the button."""
        event.stop()
        actions = {
            "submit": self.action_submit,
            "dry-run": self.action_dry_run,
            "preset": self.action_preset,
            "save": self.action_save,
            "curl": self.action_curl,
        }
        actions[event.button.id or ""]()

    def action_dry_run(self) -> None:
        """Request quotes for the first orders, without placing any."""
        self._dry_run()

    @work(group="quotes", exclusive=True)
    async def _dry_run(self) -> None:
        if await self.prepare():
            orders = self.build_orders() or []
            self.show_message("asking for quotes")
            self.show_message(*[line async for line in self.quotes.dry_run(orders)])

    def action_preset(self) -> None:
        """Fill the fields from the next preset."""
        presets = {**batch_plan.PRESETS, **self.session.settings.presets}
        self._preset = (self._preset + 1) % len(presets)
        name = list(presets)[self._preset]
        for field, value in {**batch_plan.DEFAULTS, **presets[name]}.items():
            for widget in self.query(f"#field-{field}"):
                if isinstance(widget, Input | Choice):
                    widget.value = value
        self.query_one("#dialog").border_subtitle = f"preset: {name}"

    def action_save(self) -> None:
        """Save the fields as a preset; the oldest one past the limit is dropped."""
        if self._parse_form() is None or self._is_single:
            return
        form, presets = self._form_values(), self.session.settings.presets
        kind = "" if form["type"] == "market" else f" {form['type']}"
        name = f"{form['count']} {form['side']} {form['pairs']} {form['low']}-{form['high']}{kind}"
        presets[name] = form
        while len(presets) > PRESETS_MAX:
            del presets[next(iter(presets))]
        self.query_one("#dialog").border_subtitle = f"preset: {name}"

    def action_curl(self) -> None:
        """Copy the first orders as a curl command."""
        orders, client = self.build_orders(), self.session.client
        if orders and client is not None:
            self.app.copy_to_clipboard(
                batch_plan.build_curl_command(client.url, orders, self.session.new_id())
            )
            self.show_message("copied as a curl command")


def _field_name(field: Widget) -> str:
    return (field.id or "").removeprefix("field-")

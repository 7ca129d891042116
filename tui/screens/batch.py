"""The batch builder, also used for a single order: form fields, and a preview of their orders."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar, Final

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Label

from tui.model.plan import batch_plan
from tui.model.plan.batch_plan import BatchPlan
from tui.model.plan.form_reader import InvalidPlan
from tui.model.wire import WireOrderTerms
from tui.quotes import describe_order
from tui.screens.form import FormScreen
from tui.session import Session
from tui.settings import PRESETS_MAX, BatchForm
from tui.text.format import describe_value, format_rate
from tui.widgets.choice import Choice

_PREVIEW_ORDERS: Final = 3
_SINGLE_ORDER_FORM: Final[BatchForm] = {"count": "1", "pace": "0", "seed": "0", "of": "in"}
_KEPT_FOR_SINGLE: Final = ("low", "of")
"""What a single order begins with of the last batch; nothing that protects money is among it."""


def _start_form(session: Session, *, is_single: bool) -> BatchForm:
    """The values that the form begins with: those of the last batch, or of a new order."""
    last = {**batch_plan.DEFAULTS, **session.settings.last_batch}
    if not is_single:
        return last
    kept = {name: last[name] for name in _KEPT_FOR_SINGLE}
    pair = next(iter(last["pairs"].split()), batch_plan.DEFAULTS["pairs"])
    return {**kept, **_SINGLE_ORDER_FORM, "side": "sell", "high": kept["low"], "pairs": pair}


class BatchScreen(FormScreen):
    """Builds orders from a few form fields; with ``is_single``, one order."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "preset", "Next preset"),
        Binding("f3", "save", "Save as preset"),
        Binding("f4", "dry_run", "Dry run"),
        Binding("f5", "curl", "Copy as curl"),
    ]

    def __init__(
        self, session: Session, *, is_single: bool = False, form: BatchForm | None = None
    ) -> None:
        form = {**batch_plan.DEFAULTS, **(form or _start_form(session, is_single=is_single))}
        super().__init__(session, form, is_single=is_single)
        self._preset = -1

    @property
    def pace(self) -> int:
        """Orders a second; 0 is all at once."""
        return int(self.form_values()["pace"])

    def compose(self) -> ComposeResult:
        """Lay out a row for each field, the preview and the buttons."""
        with Vertical(id="dialog") as dialog:
            dialog.border_title = "New order" if self._is_single else "New batch"
            yield from self.build_rows()
            yield Label(id="totals", markup=False)
            yield Label(id="preview", markup=False)
            yield Label(id="sense", markup=False)
            yield Label(id="outcome", markup=False)
            yield from self._buttons()

    def on_mount(self) -> None:
        """Focus the first field and show the preview."""
        self.query_one("#field-low" if self._is_single else "#field-count", Input).focus()
        self.on_change()

    def _buttons(self) -> ComposeResult:
        labels = {"submit": "Submit ^s", "dry-run": "Dry run f4"}
        if not self._is_single:
            labels |= {"preset": "Preset f2", "save": "Save f3", "curl": "curl f5"}
        with Horizontal(id="buttons"):
            for name, label in labels.items():
                yield Button(label, id=name, compact=True)

    # Preview

    def show_plan(self, plan: BatchPlan | None) -> None:
        """Show the sum of the orders, and the first of them."""
        totals, preview = ("", "") if plan is None else self._describe_plan(plan)
        self.show_text("#totals", totals)
        self.show_text("#preview", preview)

    def _describe_plan(self, plan: BatchPlan) -> tuple[str, str]:
        try:
            sample = self.sample_orders(plan)
        except InvalidPlan:
            return f"{plan.total:,} orders", "amounts follow when a price is known"
        shown = f" {self.session.symbols.dot} ".join(
            describe_order(order) for order in sample[:_PREVIEW_ORDERS]
        )
        value = self.quotes.find_value(sample)
        scale = Decimal(plan.total) / len(sample)
        worth = "" if value is None else f"worth {describe_value(value * scale)}"
        if self._is_single:
            return worth, shown
        speed = self.session.model.counters.rates.end_rate(self.session.server_now_ms)
        about = f", about {plan.total / speed:.0f} s at {format_rate(speed)}" if speed else ""
        totals = batch_plan.describe_totals(sample, plan.total)
        return f"{plan.total:,} orders of {totals}{about}\n{worth}".rstrip(), shown

    # Actions

    async def prepare(self) -> bool:
        """Load the prices of pairs that were not traded yet."""
        form, plan = self.form_values(), self.parse_form()
        if plan is None:
            return False
        reason = await self.quotes.load_prices(plan)
        if self.form_values() != form:
            reason = "the form changed meanwhile: nothing was sent"
        if reason:
            self.show_message(reason)
        self.update_preview()
        return not reason

    def build_orders(self) -> Sequence[WireOrderTerms] | None:
        """Generate the orders of the plan."""
        plan = self.parse_form()
        if plan is None:
            return None
        if self._is_single:
            self.session.settings.last_order = self.form_values()
        else:
            self.session.settings.last_batch = self.form_values()
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
        if self.parse_form() is None or self._is_single:
            return
        form, presets = self.form_values(), self.session.settings.presets
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

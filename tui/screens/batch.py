"""The batch builder, and the same for a single order: fields, and what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Button, Input, Label

from tui.model import batch_plan as plan
from tui.model.batch_plan import BadPlan, Plan
from tui.model.messages import WireTerms
from tui.quotes import Quoting, in_words
from tui.screens.submit_dialog import SendingScreen
from tui.session import Desk
from tui.settings import PRESETS_MAX, Form
from tui.text.format import rate
from tui.widgets.choice import Choice

_SHOWN: Final = 3
_SAMPLED: Final = 500
_SINGLE: Final[Form] = {"count": "1", "pace": "0", "seed": "0", "of": "in"}

_CHOICES: Final = {
    "pace": plan.PACES,
    "side": {each: each for each in plan.SIDES},
    "type": {each: each for each in plan.TYPES},
    "of": {"base": "base token", "in": "token in"},
}
_ROW_OF: Final = {"low": "amount", "high": "amount"}
_HINTS: Final = {
    "limit": "quote tokens for one base token",
    "minimum": "empty: the slippage alone protects",
    "pairs": "BASE/QUOTE, spaces between",
    "seed": "same seed, same orders",
}


class BatchScreen(SendingScreen):
    """Makes orders from a few fields; with ``single``, one order."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "preset", "Next preset"),
        Binding("f3", "save", "Save as preset"),
        Binding("f4", "dry_run", "Dry run"),
        Binding("f5", "curl", "Copy as curl"),
    ]

    def __init__(self, desk: Desk, *, single: bool = False) -> None:
        super().__init__(desk)
        self._single = single
        self._quoting = Quoting(desk)
        self._preset = -1
        self._form: Form = {**plan.DEFAULTS, **desk.settings.last_batch}
        if single:
            sides = {"side": "sell", "high": self._form["low"]}
            self._form |= {**_SINGLE, **sides, "pairs": self._form["pairs"].split()[0]}

    @property
    def is_single(self) -> bool:
        """Whether a single order is placed, outside any batch."""
        return self._single

    @property
    def pace(self) -> int:
        """Orders a second; 0 is all at once."""
        return int(self._values()["pace"])

    def compose(self) -> ComposeResult:
        """A line for each thing that is asked, and what it all means."""
        with Vertical(id="dialog") as dialog:
            dialog.border_title = "New order" if self._single else "New batch"
            for name, title, widgets in self._asked():
                with Horizontal(id=f"row-{name}", classes="row"):
                    yield Label(title, classes="title")
                    yield from widgets
                    hint = _HINTS.get(name, "")
                    yield Label(hint, id=f"error-{name}", classes="hint", markup=False)
            yield Label(id="totals", markup=False)
            yield Label(id="preview", markup=False)
            yield Label(id="outcome", markup=False)
            yield from self._buttons()

    def _asked(self) -> Iterator[tuple[str, str, list[Widget]]]:
        """Each row leaves room beside its fields for what is wrong with them."""
        if not self._single:
            yield "count", "Count", [self._field("count", 8)]
            yield "pace", "Sent", [self._pick("pace")]
        yield "pairs", "Pair" if self._single else "Pairs", [self._field("pairs", 30)]
        yield "side", "Side", [self._pick("side")]
        yield "type", "Type", [self._pick("type")]
        yield "limit", "Price", [self._field("limit", 10)]
        if self._single:
            yield "amount", "Amount", [self._field("low", 9)]
        else:
            yield "amount", "Amount", [self._field("low", 9), Label("to"), self._field("high", 9)]
            yield "of", "Of the", [self._pick("of")]
        yield "slippage", "Slippage", [self._field("slippage", 7), Label("%")]
        yield "minimum", "Min out", [self._field("minimum", 10)]
        if not self._single:
            yield "seed", "Seed", [self._field("seed", 10)]

    def on_mount(self) -> None:
        """Show what the fields mean."""
        self.query_one("#field-low" if self._single else "#field-count", Input).focus()
        self._explain()

    def _buttons(self) -> ComposeResult:
        labels = {"submit": "Submit ^s", "dry-run": "Dry run f4"}
        if not self._single:
            labels |= {"preset": "Preset f2", "save": "Save f3", "curl": "curl f5"}
        with Horizontal(id="buttons"):
            for name, label in labels.items():
                yield Button(label, id=name, compact=True)

    def _field(self, name: str, cells: int) -> Input:
        field = Input(self._form[name], id=f"field-{name}", compact=True)
        field.styles.width = cells
        return field

    def _pick(self, name: str) -> Choice:
        options = dict(_CHOICES[name])
        if self._single and name == "side":
            del options["mixed"]
        return Choice(options, self._form[name], id=f"field-{name}")

    # What the fields mean

    def on_input_changed(self, event: Input.Changed) -> None:
        """Another value was typed."""
        event.stop()
        self.changed()
        self._explain()

    def on_choice_changed(self, event: Choice.Changed) -> None:
        """Another option was chosen."""
        event.stop()
        self.changed()
        self._explain()

    def _values(self) -> Form:
        values = dict(self._form)
        for field in (*self.query(Input), *self.query(Choice)):
            values[_name(field)] = field.value
        if self._single:
            values["high"] = values["low"]
        return values

    def _plan(self) -> Plan | None:
        """The plan that the fields mean; what is wrong with them is shown beside them."""
        try:
            made, errors = plan.parse(self._values()), {}
        except BadPlan as error:
            made, errors = None, error.errors
        self._show_errors(errors)
        return made

    def _show_errors(self, errors: Form) -> None:
        shown = {_ROW_OF.get(field, field): reason for field, reason in errors.items()}
        for label in self.query(".hint").results(Label):
            row = (label.id or "").removeprefix("error-")
            label.update(shown.get(row, _HINTS.get(row, "")))
            label.set_class(row in shown, "-wrong")

    def _explain(self) -> None:
        self.query_one("#row-limit").display = self._values()["type"] == "limit"
        made = self._plan()
        totals, preview = "", ""
        if made is not None:
            totals, preview = self._meaning(made)
        self.query_one("#totals", Label).update(totals)
        self.query_one("#preview", Label).update(preview)

    def _meaning(self, made: Plan) -> tuple[str, str]:
        try:
            sample = list(islice(made.orders(self._quoting.price), _SAMPLED))
        except BadPlan:
            return f"{made.count:,} orders", "amounts follow when a price is known"
        shown = f" {self.desk.marks.dot} ".join(in_words(order) for order in sample[:_SHOWN])
        if self._single:
            return "", shown
        speed = self.desk.model.tally.rates.rate(self.desk.server_ms)
        about = f", about {made.count / speed:.0f} s at {rate(speed)}" if speed else ""
        return f"{made.count:,} orders of {plan.totals(sample, made.count)}{about}", shown

    # What can be done

    async def prepare(self) -> bool:
        """Ask for the prices of pairs that were not traded yet."""
        made = self._plan()
        if made is None:
            return False
        reason = await self._quoting.learn(made)
        if reason:
            self.say(reason)
        self._explain()
        return not reason

    def orders(self) -> Sequence[WireTerms] | None:
        """The orders that the fields mean."""
        made = self._plan()
        if made is None:
            return None
        if not self._single:
            self.desk.settings.last_batch = self._values()
        return list(made.orders(self._quoting.price))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Do what the button says."""
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
        """Ask how the first orders would be routed, without placing any."""
        self.run_worker(self._dry_run(), group="send", exclusive=True)

    async def _dry_run(self) -> None:
        if await self.prepare():
            orders = self.orders() or []
            self.say("asking for quotes")
            self.say(*[line async for line in self._quoting.dry_run(orders)])

    def action_preset(self) -> None:
        """Fill the fields from the next preset."""
        presets = {**plan.PRESETS, **self.desk.settings.presets}
        self._preset = (self._preset + 1) % len(presets)
        name = list(presets)[self._preset]
        for field, value in {**plan.DEFAULTS, **presets[name]}.items():
            for widget in self.query(f"#field-{field}"):
                if isinstance(widget, Input | Choice):
                    widget.value = value
        self.query_one("#dialog").border_subtitle = f"preset: {name}"

    def action_save(self) -> None:
        """Keep the fields as a preset."""
        if self._plan() is None or self._single:
            return
        form, presets = self._values(), self.desk.settings.presets
        name = f"{form['count']} {form['side']} {form['pairs']} {form['low']}-{form['high']}"
        presets[name] = form
        while len(presets) > PRESETS_MAX:
            del presets[next(iter(presets))]
        self.query_one("#dialog").border_subtitle = f"preset: {name}"

    def action_curl(self) -> None:
        """Copy the first orders as a command."""
        orders = self.orders()
        if orders and self.desk.client is not None:
            self.app.copy_to_clipboard(plan.curl(self.desk.client.url, orders, self.desk.new_id()))
            self.say("copied as a curl command")


def _name(field: Widget) -> str:
    return (field.id or "").removeprefix("field-")

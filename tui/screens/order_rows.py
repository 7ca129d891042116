"""The rows of the form for orders: their fields, which of them are shown, and their hints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from textual.widget import Widget
from textual.widgets import Input, Label

from tui.model.pairs import shorten_token, split_pair
from tui.model.plan import batch_plan, condition_plan
from tui.model.plan.condition_plan import CONDITION_FIELDS
from tui.model.plan.form_reader import NEEDED
from tui.settings import BatchForm
from tui.widgets.choice import Choice

_CHOICES: Final = {
    "pace": batch_plan.PACES,
    "side": {each: each for each in batch_plan.SIDES},
    "type": {each: each for each in condition_plan.TYPES},
    "of": {"base": "base token", "in": "token in"},
    "price_of": condition_plan.PRICES_OF,
    "then": {each: each for each in condition_plan.THEN},
    "force": {each: each for each in condition_plan.TIMES_IN_FORCE},
}
PRICE_FIELDS: Final = ("trigger", "limit", "then")
"""The fields of the row of prices, of which each type has some."""
_CHOICE_CELLS_MAX: Final = 58
_ROW_OF: Final = {
    **dict.fromkeys(("low", "high"), "amount"),
    **dict.fromkeys(PRICE_FIELDS, "price"),
    "activation": "trail",
    "seed": "count",
}
_HINTS: Final = {
    "minimum": "empty: the slippage alone protects",
    "pairs": "BASE/QUOTE, spaces between",
    "count": "same seed, same orders",
}
_FORCE_HINTS: Final = {
    "gtc": "till filled or cancelled",
    "gtd": "till a time",
    "ioc": "one attempt",
    "fok": "one attempt",
}


class OrderRows:
    """Builds the rows of a form; ``is_single``: for one order."""

    def __init__(self, form: BatchForm, *, is_single: bool) -> None:
        self._form = form
        self._is_single = is_single

    def build(self) -> Iterator[tuple[str, str, list[Widget]]]:
        """Yield name, title and widgets of each row; its error has room beside the widgets."""
        if not self._is_single:
            seed = [Label("seed"), self._input("seed", 10)]
            yield "count", "Count", [self._input("count", 8), *seed]
            yield "pace", "Sent", [self._choice("pace")]
        yield "pairs", "Pair" if self._is_single else "Pairs", [self._input("pairs", 30)]
        yield "side", "Side", [self._choice("side")]
        yield "type", "Type", [self._choice("type")]
        yield "price", "Trigger", list(self._build_prices())
        trail = [self._input("trail", 6), Label("%  from"), self._input("activation", 12)]
        yield "trail", "Trail", trail
        yield "price_of", "Price of", [self._choice("price_of")]
        if self._is_single:
            yield "amount", "Amount", [self._input("low", 9)]
        else:
            amounts = [self._input("low", 9), Label("to"), self._input("high", 9)]
            yield "amount", "Amount", amounts
            yield "of", "Of the", [self._choice("of")]
        yield "slippage", "Slippage", [self._input("slippage", 7), Label("%")]
        yield "minimum", "Min out", [self._input("minimum", 10)]
        yield "force", "In force", [self._choice("force")]
        yield "until", "Until", [self._input("until", 20)]

    def _build_prices(self) -> Iterator[Widget]:
        """The prices of a trigger and a limit, and what a trigger leads to."""
        for name, label, widget in (
            ("trigger", "", self._input("trigger", 12)),
            ("limit", "limit", self._input("limit", 12)),
            ("then", "then", self._choice("then")),
        ):
            if label:
                yield Label(label, classes=f"label-{name}")
            yield widget

    def _input(self, name: str, cells: int) -> Input:
        field = Input(self._form[name], id=f"field-{name}", compact=True)
        field.styles.width = cells
        return field

    def _choice(self, name: str) -> Choice:
        options = dict(_CHOICES[name])
        if self._is_single and name == "side":
            del options["mixed"]
        return Choice(options, self._form[name], id=f"field-{name}", cells_max=_CHOICE_CELLS_MAX)


def get_row(field: str) -> str:
    """The row that shows the errors of a field."""
    return _ROW_OF.get(field, field)


def is_row_shown(row: str, form: BatchForm) -> bool:
    """Whether orders of the chosen type and time in force have a row."""
    fields = CONDITION_FIELDS.get(form["type"])
    if row == "trail":
        return fields is not None and row in fields
    if row == "price":
        return fields is not None and "trail" not in fields
    if row == "price_of":
        return fields is not None
    if row == "minimum":
        return fields is None
    return row != "until" or form["force"] == "gtd"


def get_hint(row: str, form: BatchForm) -> str:
    """What a row means; prices are named by the tokens of the pair if there is one only."""
    if row == "force":
        return _FORCE_HINTS.get(form["force"], "")
    if row in ("price", "trail"):
        unit = _name_unit(form)
        return f"{unit}; empty: now" if row == "trail" else unit
    return _HINTS.get(row, "")


def describe_error(row: str, reason: str, form: BatchForm) -> str:
    """What is wrong with a row; of a price that is missing, in which unit it is."""
    return f"needs {_name_unit(form)}" if reason == NEEDED and row == "price" else reason


def _name_unit(form: BatchForm) -> str:
    pairs = form["pairs"].split()
    is_of_base = form["price_of"] == "base"
    with suppress(ValueError):
        if len(pairs) == 1:
            base, quote = map(shorten_token, split_pair(pairs[0], "sell"))
            return f"{quote} for one {base}" if is_of_base else f"{base} for one {quote}"
    return f"{'quote for one base' if is_of_base else 'base for one quote'} token"

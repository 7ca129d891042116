"""The rows of the form for orders: their fields, which of them are shown, and their hints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final, NamedTuple

from textual.widget import Widget
from textual.widgets import Input, Label

from tui.model.conditions import OCO, SNIPER, TWAP
from tui.model.pairs import shorten_token, split_pair
from tui.model.plan import batch_plan, condition_plan, guard_plan
from tui.model.plan.condition_plan import (
    CONDITION_FIELDS,
    SLIPPAGE,
    TRIGGER_SLIPPAGE,
    name_slippage_field,
)
from tui.model.plan.exit_plan import EXIT_TYPES, OTHER_SIDE
from tui.model.plan.form_reader import NEEDED
from tui.settings import BatchForm
from tui.text.format import sanitize_text
from tui.widgets.choice import Choice

_CHOICES: Final = {
    "pace": batch_plan.PACES,
    "side": {each: each for each in batch_plan.SIDES},
    "type": {each: each for each in condition_plan.TYPES},
    "of": {"base": "base token", "in": "token in", "value": "USDC worth"},
    "price_of": condition_plan.PRICES_OF,
    "then": {each: each for each in condition_plan.THEN},
    "profit_then": {each: each for each in condition_plan.THEN},
    "force": {each: each for each in condition_plan.TIMES_IN_FORCE},
    "authorities": guard_plan.AUTHORITIES,
    "dexes": guard_plan.DEXES,
}
_CHOICE_CELLS_MAX: Final = 58


class _Row(NamedTuple):
    """A row: its title, and its fields with their widths and the words between them.

    A field without a width is a choice. Words begin with a space unless they belong to the field
    before them.
    """

    title: str
    parts: tuple[str | tuple[str, int], ...]


_ROWS: Final = {
    "count": _Row("Count", (("count", 8), "seed", ("seed", 10))),
    "pace": _Row("Sent", (("pace", 0),)),
    "pairs": _Row("Pairs", (("pairs", 30),)),
    "mint": _Row("Buys", (("mint", 46),)),
    "with": _Row("With", (("with", 10),)),
    "side": _Row("Side", (("side", 0),)),
    "type": _Row("Type", (("type", 0),)),
    "price": _Row("Trigger", (("trigger", 12), "limit", ("limit", 12), "then", ("then", 0))),
    "trail": _Row("Trail", (("trail", 6), "%  from", ("activation", 12))),
    "profit": _Row("Profit at", (("profit", 12), "then", ("profit_then", 0))),
    "loss": _Row("Stop at", (("loss", 12), "or trailing", ("loss_trail", 6), "%")),
    "slices": _Row(
        "Slices", (("slices", 6), "each", ("interval", 7), "give or take", ("jitter", 5), "%")
    ),
    "price_of": _Row("Price of", (("price_of", 0), "confirmed by", ("confirmations", 4), "reads")),
    "amount": _Row("Amount", (("low", 9), "to", ("high", 9))),
    "of": _Row("Amount in", (("of", 0),)),
    "slippage": _Row(
        "Slippage",
        ((SLIPPAGE, 7), (TRIGGER_SLIPPAGE, 7), "%  impact at most", ("impact", 7), "%"),
    ),
    "minimum": _Row("Min out", (("minimum", 10),)),
    "pool": _Row("Pool", ("holds at least", ("liquidity", 10), "not older than", ("age", 7))),
    "authorities": _Row("Creator", (("authorities", 0),)),
    "fees": _Row(
        "Fees", ("pool at most", ("fee", 6), "%  transfer at most", ("transfer_fee", 6), "%")
    ),
    "locked": _Row("Locked", ("at least", ("locked", 6), "%  looks that agree", ("looks", 4))),
    "dexes": _Row("DEX", (("dexes", 0),)),
    "force": _Row("In force", (("force", 0),)),
    "until": _Row("Until", (("until", 20),)),
}
_BATCH_ROWS: Final = frozenset({"count", "pace", "of"})
GUARD_ROWS: Final = frozenset({"pool", "authorities", "fees", "locked", "dexes"})
_ROW_OF: Final = {
    part[0]: row for row, (_, parts) in _ROWS.items() for part in parts if not isinstance(part, str)
}
_HINTS: Final = {
    "minimum": "empty: the slippage alone protects",
    "pairs": "BASE/QUOTE, spaces between",
    "count": "same seed, same orders",
    "mint": "mint address",
}
_EMPTY_HINTS: Final = {
    "until": "empty: till filled or cancelled",
    "slippage": "server's setting",
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
        for name, row in _ROWS.items():
            if self._is_single and name in _BATCH_ROWS:
                continue
            parts = row.parts[:1] if self._is_single and name == "amount" else row.parts
            title = "Pair" if self._is_single and name == "pairs" else row.title
            yield name, title, list(self._build_widgets(parts))

    def _build_widgets(self, parts: tuple[str | tuple[str, int], ...]) -> Iterator[Widget]:
        last = ""
        for number, part in enumerate(parts):
            if isinstance(part, str):
                # Words go with the field behind them, but for the unit at the end.
                following = parts[number + 1] if number + 1 < len(parts) else (last, 0)
                kind = "" if number else " first"
                yield Label(part, classes=f"label-{following[0]}{kind}")
            else:
                last, cells = part
                yield self._input(last, cells) if cells else self._choice(last)

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


def list_type_fields(form: BatchForm) -> frozenset[str]:
    """The fields that only some types have, of those that orders of the form's type have."""
    order_type = form["type"]
    fields = set(CONDITION_FIELDS.get(order_type, ()))
    if order_type in EXIT_TYPES:
        fields |= {"profit", "profit_then", "loss", "loss_trail"}
    if order_type == TWAP:
        fields |= {"slices", "interval", "jitter", "limit"}
    if order_type in batch_plan.MINIMUM_TYPES:
        fields.add("minimum")
    has_exit = any(form[name] for name in ("profit", "loss", "loss_trail"))
    if order_type == OCO or (order_type in EXIT_TYPES and has_exit):
        fields |= {"price_of", "confirmations"}
    elif order_type in CONDITION_FIELDS or order_type == TWAP:
        fields.add("price_of")
    if order_type == SNIPER:
        rows = ("mint", "with", *GUARD_ROWS)
        fields |= {name for name, row in _ROW_OF.items() if row in rows}
    else:
        fields |= {"pairs", "side", "of"}
    fields.add(name_slippage_field(order_type, form["then"]))
    if form["force"] == "gtd":
        fields.add("until")
    return frozenset(fields)


TYPE_FIELDS: Final = frozenset(
    name
    for name, row in _ROW_OF.items()
    if row
    in {
        *("pairs", "mint", "with", "side", "price", "trail", "profit", "loss", "slices"),
        *("price_of", "of", "minimum", "until", *GUARD_ROWS),
    }
) | {SLIPPAGE, TRIGGER_SLIPPAGE}
"""The fields that not every order has."""


def is_row_shown(row: str, fields: frozenset[str]) -> bool:
    """Whether a row has any field that is shown; ``fields`` are those of the type."""
    own = {name for name, of in _ROW_OF.items() if of == row}
    return not own <= TYPE_FIELDS or bool(own & fields)


def get_hint(row: str, form: BatchForm) -> str:
    """What a row means; prices are named by the tokens of the pair if there is one only."""
    describe = _DESCRIBERS.get(row)
    return _HINTS.get(row, "") if describe is None else describe(row, form)


def _describe_force(row: str, form: BatchForm) -> str:
    return _FORCE_HINTS.get(form[row], "")


def _describe_pool(row: str, form: BatchForm) -> str:
    """In which token the liquidity of a pool is counted."""
    return f"of {sanitize_text(shorten_token(form['with'].strip()))}"


def _describe_price(row: str, form: BatchForm) -> str:
    if row == "price" and form["type"] == TWAP:
        return "of each slice; empty: none"
    unit = _name_unit(form)
    return f"{unit}; empty: now" if row == "trail" else unit


def _describe_exit(row: str, form: BatchForm) -> str:
    """On which side of the market a price of an exit lies, and in which unit it is."""
    way = ""
    if form["side"] in OTHER_SIDE:
        exit_side = form["side"] if form["type"] == OCO else OTHER_SIDE[form["side"]]
        is_above = (exit_side == "sell") == (form["price_of"] == "base")
        way = "above" if is_above == (row == "profit") else "below"
    what = _name_unit(form) if row == "profit" else ""
    when = "once it is filled" if row == "loss" and form["type"] != OCO else ""
    return ", ".join(filter(None, (what, way, when)))


def _describe_empty(row: str, form: BatchForm) -> str:
    """What it means that the field of a row is empty."""
    of_slippage = name_slippage_field(form["type"], form["then"])
    field = of_slippage if row == "slippage" else row
    return "" if form[field].strip() or field == SLIPPAGE else _EMPTY_HINTS[row]


def describe_error(row: str, reason: str, form: BatchForm) -> str:
    """What is wrong with a row; of a price that is missing, in which unit it is."""
    is_price = row in ("price", "profit", "loss")
    return f"needs {_name_unit(form)}" if reason == NEEDED and is_price else reason


def _name_unit(form: BatchForm) -> str:
    pairs = form["pairs"].split()
    is_of_base = form["price_of"] == "base"
    with suppress(ValueError):
        if len(pairs) == 1:
            base, quote = map(shorten_token, split_pair(pairs[0], "sell"))
            return f"{quote} per {base}" if is_of_base else f"{base} per {quote}"
    return "quote per base" if is_of_base else "base per quote"


_DESCRIBERS: Final[dict[str, Callable[[str, BatchForm], str]]] = {
    "price": _describe_price,
    "trail": _describe_price,
    "profit": _describe_exit,
    "loss": _describe_exit,
    "slippage": _describe_empty,
    "pool": _describe_pool,
    "force": _describe_force,
    "until": _describe_empty,
}

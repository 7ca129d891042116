"""What is shown: a small language in which every word narrows, and words add up.

``status:failed,routing dex:meteora pair:SOL side:buy type:limit batch:3fa9 code:slippage``
    one of the values, for each of these fields (a part of the value is enough)
``>800ms <2s <1m``
    how long it took, or has taken until now
``amount>10 amount<=2.5 attempts>1``
    compared as exact numbers
``anything else``
    part of the id, the pair, the signature, the reason or the client's own name for it
``!word``
    not that
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from operator import ge, gt, le, lt
from typing import Any, Final

from tui.model.orders import Order
from tui.text.format import MINUTE_MS, SECOND_MS
from tui.text.symbols import STATUSES

Test = Callable[[Order, int], bool]

_TOOK: Final = re.compile(r"(<=|>=|<|>)(\d+(?:\.\d+)?)(ms|s|m)")
_COUNT: Final = re.compile(r"(amount|attempts|bps|gap)(<=|>=|<|>)(-?\d+(?:\.\d+)?)")
_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {"<": lt, ">": gt, "<=": le, ">=": ge}
_UNIT_MS: Final = {"ms": 1, "s": SECOND_MS, "m": MINUTE_MS}

_FIELDS: Final[Mapping[str, Callable[[Order], str]]] = {
    "status": lambda order: order.status,
    "dex": lambda order: order.dex or "",
    "pair": lambda order: order.pair.name.lower(),
    "side": lambda order: order.pair.side,
    "type": lambda order: order.type,
    "batch": lambda order: (order.batch_id or "").lower(),
    "code": lambda order: order.trouble.code if order.trouble else "",
    "id": lambda order: order.id,
    "tx": lambda order: (order.tx_hash or "").lower(),
}
_NUMBERS: Final[Mapping[str, Callable[[Order], Decimal | None]]] = {
    "amount": lambda order: Decimal(order.amount_in),
    "attempts": lambda order: Decimal(order.attempt),
    "bps": lambda order: order.slip_bps,
    "gap": lambda order: order.gap_bps,
}
_SUGGESTED: Final = (
    *(f"status:{status}" for status in STATUSES),
    "dex:meteora",
    "dex:raydium",
    "pair:",
    "side:buy",
    "side:sell",
    "type:limit",
    "type:market",
    "type:sniper",
    "batch:",
    "code:slippage",
    "code:min_out_not_met",
    "code:not_landed",
    "amount>",
    "attempts>1",
)


class BadFilter(ValueError):
    """A word of a filter means nothing; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which orders to show. ``statuses`` are those switched on by digits; none is all."""

    text: str = ""
    statuses: frozenset[str] = frozenset()
    tests: tuple[Test, ...] = ()

    @classmethod
    def parse(cls, text: str, statuses: frozenset[str] = frozenset()) -> Filter:
        """The filter that a text means; raises ``BadFilter``."""
        return cls(text.strip(), statuses, tuple(_test(word) for word in text.split()))

    def matches(self, order: Order, now_ms: int) -> bool:
        """Whether an order is shown."""
        if self.statuses and order.status not in self.statuses:
            return False
        for test in self.tests:  # noqa: SIM110 - a generator costs more than most tests
            if not test(order, now_ms):
                return False
        return True

    def toggled(self, status: str) -> Filter:
        """The same filter with one status switched on or off."""
        return Filter(self.text, self.statuses ^ {status}, self.tests)

    @property
    def is_empty(self) -> bool:
        """Whether everything is shown."""
        return not self.tests and not self.statuses

    @property
    def heeds_time(self) -> bool:
        """Whether an order can come or go while nothing happens to it."""
        return any(_TOOK.fullmatch(word.lstrip("!")) for word in self.text.lower().split())

    def __str__(self) -> str:
        """Everything that narrows, in words."""
        digits = [status for status in STATUSES if status in self.statuses]
        words = [f"status:{','.join(digits)}"] if digits else []
        return " ".join([*words, self.text] if self.text else words)


def complete(text: str) -> str | None:
    """The text with its last word completed, if something fits it."""
    head, space, word = text.rpartition(" ")
    negation = "!" if word.startswith("!") else ""
    start = word.removeprefix("!").lower()
    fits = next((each for each in _SUGGESTED if start and each.startswith(start)), None)
    return None if fits is None or fits == start else f"{head}{space}{negation}{fits}"


def _test(word: str) -> Test:
    if word.startswith("!"):
        if word == "!":
            raise BadFilter("! stands before the word that it denies")
        test = _test(word[1:])
        return lambda order, now_ms: not test(order, now_ms)
    lower = word.lower()
    if found := _TOOK.fullmatch(lower):
        return _took(found[1], Decimal(found[2]) * _UNIT_MS[found[3]])
    if found := _COUNT.fullmatch(lower):
        return _count(found[1], found[2], Decimal(found[3]))
    if lower[0] in "<>":
        raise BadFilter(f"{word}: write a time as >800ms, <2s or >1m")
    field, colon, values = lower.partition(":")
    if not colon:
        return lambda order, _: lower in _haystack(order)
    return _field(field, values.split(","))


def _took(sign: str, limit_ms: Decimal) -> Test:
    compare = _COMPARE[sign]
    return lambda order, now_ms: compare(order.took_ms(now_ms), limit_ms)


def _count(name: str, sign: str, limit: Decimal) -> Test:
    compare, number = _COMPARE[sign], _NUMBERS[name]

    def test(order: Order, _: int) -> bool:
        value = number(order)
        return value is not None and compare(value, limit)

    return test


def _field(name: str, values: list[str]) -> Test:
    read = _FIELDS.get(name)
    if read is None:
        raise BadFilter(f"{name}: is not a field; there are {', '.join(_FIELDS)}")
    if "" in values:
        raise BadFilter(f"{name}: needs a value")
    if name == "status":
        unknown = [each for each in values if not any(s.startswith(each) for s in STATUSES)]
        if unknown:
            raise BadFilter(f"{unknown[0]} is not a status; there are {', '.join(STATUSES)}")
        return lambda order, _: any(order.status.startswith(each) for each in values)
    return lambda order, _: any(each in read(order) for each in values)


def _haystack(order: Order) -> str:
    words = [order.id, order.pair.name, order.tx_hash or "", order.client_order_id or ""]
    if order.trouble is not None:
        words += [order.trouble.code, order.trouble.reason]
    return "\n".join(words).lower()

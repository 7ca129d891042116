"""The filter language: an order has to match every word (the help page shows these lines).

``status:failed,routing dex:meteora pair:SOL side:buy type:stop force:gtd batch:3fa9 code:slippage``
    one of the values, for each of these fields (a part of the value is enough); ``dex:clmm`` is a
    program, and an order that is split is found by each of its venues
``>800ms <2s <1m``
    how long it took, or has taken until now
``amount>10 amount<=2.5 attempts>1 distance<100``
    compared as exact numbers; the distance of what waits is in bps
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
from tui.model.waiting import Distance
from tui.text.format import MINUTE_MS, SECOND_MS
from tui.text.symbols import STATUSES

OrderTest = Callable[[Order, int], bool]

_DURATION_WORD: Final = re.compile(r"(<=|>=|<|>)(\d+(?:\.\d+)?)(ms|s|m)")
_NUMBER_WORD: Final = re.compile(r"(amount|attempts|bps|gap|distance)(<=|>=|<|>)(-?\d+(?:\.\d+)?)")
_COMPARED_FIELD: Final = re.compile(r"(amount|attempts|bps|gap|distance)[<>=:]")
_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": lt,
    ">": gt,
    "<=": le,
    ">=": ge,
}
_UNIT_MS: Final = {"ms": 1, "s": SECOND_MS, "m": MINUTE_MS}

_FIELDS: Final[Mapping[str, Callable[[Order], str]]] = {
    "status": lambda order: order.status,
    "dex": lambda order: order.venue_keys,
    "pair": lambda order: order.pair.name.lower(),
    "side": lambda order: order.pair.side,
    "type": lambda order: order.type.lower(),
    "batch": lambda order: f"{order.batch_id or ''}\n{order.batch_name or ''}".lower(),
    "code": lambda order: order.failure.code if order.failure else "",
    "force": lambda order: order.time_in_force,
    "id": lambda order: order.id,
    "parent": lambda order: order.parent_id or "",
    "group": lambda order: order.oco_group or "",
    "tx": lambda order: (order.tx_hash or "").lower(),
}
_NUMBERS: Final[Mapping[str, Callable[[Order], Decimal | None]]] = {
    "amount": lambda order: Decimal(order.amount_in),
    "attempts": lambda order: Decimal(order.attempt),
    "bps": lambda order: order.improvement_bps,
    "gap": lambda order: order.quote_gap_bps,
    "distance": lambda order: None if order.distance is None else _to_decimal(order.distance),
}
_SUGGESTIONS: Final = (
    *(f"status:{status}" for status in STATUSES),
    "dex:meteora",
    "dex:raydium",
    "pair:",
    "side:buy",
    "side:sell",
    *(f"type:{name}" for name in ("limit", "market", "stop", "stopLimit", "takeProfit")),
    "type:trailingStop",
    "type:twap",
    "type:sniper",
    "status:open",
    "batch:",
    "code:slippage",
    "code:min_out_not_met",
    "code:not_landed",
    "amount>",
    "attempts>1",
)


_OPEN: Final = "open"
"""What has not ended, whatever its status."""


class InvalidFilter(ValueError):
    """A word of a filter is invalid; the text names it and the reason."""


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Selects the orders to show. ``statuses``: switched on by digit keys; empty means all."""

    text: str = ""
    statuses: frozenset[str] = frozenset()
    tests: tuple[OrderTest, ...] = ()

    @classmethod
    def parse(cls, text: str, statuses: frozenset[str] = frozenset()) -> OrderFilter:
        """Parse the text of a filter; raises ``InvalidFilter``."""
        return cls(text.strip(), statuses, tuple(_parse_word(word) for word in text.split()))

    def matches(self, order: Order, now_ms: int) -> bool:
        """Return whether an order passes the filter."""
        if self.statuses and order.status not in self.statuses:
            return False
        for test in self.tests:  # noqa: SIM110 - a generator costs more than most tests
            if not test(order, now_ms):
                return False
        return True

    def with_status_toggled(self, status: str) -> OrderFilter:
        """Return the same filter with one status switched on or off."""
        return OrderFilter(self.text, self.statuses ^ {status}, self.tests)

    @property
    def is_empty(self) -> bool:
        """Whether every order passes."""
        return not self.tests and not self.statuses

    @property
    def is_time_dependent(self) -> bool:
        """Whether the result for an order can change by the passing of time alone."""
        return any(_DURATION_WORD.fullmatch(word.lstrip("!")) for word in self.text.lower().split())

    def __str__(self) -> str:
        """The text of the whole filter, digit-key statuses included."""
        digits = [status for status in STATUSES if status in self.statuses]
        words = [f"status:{','.join(digits)}"] if digits else []
        return " ".join([*words, self.text] if self.text else words)


def complete_filter(text: str) -> str | None:
    """Return the text with its last word completed, if a suggestion matches it."""
    head, space, word = text.rpartition(" ")
    negation = "!" if word.startswith("!") else ""
    start = word.removeprefix("!").lower()
    match = next((word for word in _SUGGESTIONS if start and word.startswith(start)), None)
    return None if match is None or match == start else f"{head}{space}{negation}{match}"


def _parse_word(word: str) -> OrderTest:
    if word.startswith("!"):
        if word == "!":
            raise InvalidFilter("! stands before the word that it denies")
        test = _parse_word(word[1:])
        return lambda order, now_ms: not test(order, now_ms)
    lower = word.lower()
    if match := _DURATION_WORD.fullmatch(lower):
        return _build_duration_test(match[1], Decimal(match[2]) * _UNIT_MS[match[3]])
    if match := _NUMBER_WORD.fullmatch(lower):
        return _build_number_test(match[1], match[2], Decimal(match[3]))
    if match := _COMPARED_FIELD.match(lower):
        raise InvalidFilter(f"{word}: write a number, as {match[1]}>10 or {match[1]}<=2.5")
    if lower[0] in "<>":
        raise InvalidFilter(f"{word}: write a time as >800ms, <2s or >1m")
    field, colon, values = lower.partition(":")
    if not colon:
        return lambda order, _: lower in _join_searchable_text(order)
    return _build_field_test(field, values.split(","))


def _build_duration_test(sign: str, limit_ms: Decimal) -> OrderTest:
    compare = _COMPARISONS[sign]
    return lambda order, now_ms: compare(order.duration_ms(now_ms), limit_ms)


def _build_number_test(name: str, sign: str, limit: Decimal) -> OrderTest:
    compare, number = _COMPARISONS[sign], _NUMBERS[name]

    def test(order: Order, _: int) -> bool:
        value = number(order)
        return value is not None and compare(value, limit)

    return test


def _build_field_test(name: str, values: list[str]) -> OrderTest:
    read = _FIELDS.get(name)
    if read is None:
        raise InvalidFilter(f"{name}: is not a field; there are {', '.join(_FIELDS)}")
    if "" in values:
        raise InvalidFilter(f"{name}: needs a value")
    if name == "status":
        known = (*STATUSES, _OPEN)
        unknown = [value for value in values if not any(s.startswith(value) for s in known)]
        if unknown:
            raise InvalidFilter(f"{unknown[0]} is not a status; there are {', '.join(STATUSES)}")
        return lambda order, _: any(
            order.status.startswith(value) or (value == _OPEN and not order.is_end)
            for value in values
        )
    return lambda order, _: any(value in read(order) for value in values)


def _to_decimal(distance: Distance) -> Decimal | None:
    return None if distance.distance_bps is None else Decimal(distance.distance_bps)


def _join_searchable_text(order: Order) -> str:
    words = [order.id, order.pair.name, order.tx_hash or "", order.client_order_id or ""]
    if order.failure is not None:
        words += [order.failure.code, order.failure.reason]
    return "\n".join(words).lower()

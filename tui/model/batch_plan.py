"""A batch of orders from a few fields: the same fields and seed give the same orders.

Amounts are drawn on a decimal grid, so that they are exact and short.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from random import Random
from typing import Final, TypeVar

from tui.model.messages import WireTerms
from tui.model.pairs import short, tokens
from tui.settings import Form
from tui.text import format as as_text

COUNT_MAX: Final = 10_000
_PLACES_MAX: Final = 5
_DIGITS_MAX: Final = 18
_CURL_ORDERS_MAX: Final = 100
_TOTALS_MAX: Final = 3

SIDES: Final = ("mixed", "buy", "sell")
TYPES: Final = ("market", "limit", "sniper")
PACES: Final = {"0": "all at once", "10": "10 a second", "100": "100 a second"}

DEFAULTS: Final[Form] = {
    "count": "100",
    "pairs": "SOL/USDC",
    "side": "mixed",
    "type": "market",
    "limit": "",
    "low": "0.5",
    "high": "25",
    "of": "base",
    "slippage": "0.50",
    "minimum": "",
    "seed": "42",
    "pace": "0",
}
PRESETS: Final[Mapping[str, Form]] = {
    "a hundred": DEFAULTS,
    "a few": DEFAULTS | {"count": "10"},
    "load test": DEFAULTS | {"count": "5000", "low": "0.1", "high": "2"},
    "three pairs": DEFAULTS | {"pairs": "SOL/USDC JUP/USDC BONK/USDC", "of": "in", "count": "300"},
    "tight slippage": DEFAULTS | {"slippage": "0.01"},
}
"""Forms to begin with, by name."""

_T = TypeVar("_T")
LastPrice = Callable[[str], Decimal | None]
"""What a pair was last traded at, in quote tokens for one base token."""


class BadPlan(Exception):
    """Some fields make no sense; ``errors`` has a sentence for each of them."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(errors.values()))
        self.errors = dict(errors)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a batch is made from. ``of_base``: amounts are of the base token, on both sides."""

    count: int
    pairs: tuple[str, ...]
    side: str
    type: str
    limit: Decimal | None
    low: Decimal
    high: Decimal
    of_base: bool
    slippage_bps: int
    minimum: Decimal | None
    seed: int
    pace: int

    def orders(self, last_price: LastPrice) -> Iterator[WireTerms]:
        """The orders; raises ``BadPlan`` if an amount needs a price that is not known."""
        random = Random(self.seed)  # noqa: S311 - orders to play with, not secrets
        for _ in range(self.count):
            yield self._order(random, last_price)

    def _order(self, random: Random, last_price: LastPrice) -> WireTerms:
        name = random.choice(self.pairs)
        side = random.choice(("buy", "sell")) if self.side == "mixed" else self.side
        token_in, token_out = tokens(name, side)
        amount = self._amount(random)
        if self.of_base and side == "buy":
            amount = _in_quote(amount, name, last_price)
        terms = WireTerms(
            tokenIn=token_in,
            tokenOut=token_out,
            amount=f"{amount:f}",
            slippageBps=self.slippage_bps,
            type=self.type,
        )
        if self.minimum is not None:
            terms["minAmountOut"] = f"{self.minimum:f}"
        if self.limit is not None:
            terms["limitPrice"] = f"{self.limit:f}"
        return terms

    def _amount(self, random: Random) -> Decimal:
        step = Decimal(1).scaleb(-max(_places(self.high), _decimals(self.low)))
        steps = int((self.high - self.low) / step)
        return (self.low + random.randint(0, steps) * step).quantize(step)


def parse(form: Form) -> Plan:
    """The plan that a form means; raises ``BadPlan``."""
    reader = _Reader(form)
    kind = reader.choice("type", TYPES)
    low = reader.number("low", decimals=_PLACES_MAX) or Decimal(0)
    high = reader.number("high", decimals=_PLACES_MAX) or Decimal(0)
    if low > high and not reader.errors:
        reader.errors["high"] = "must not be below the lowest amount"
    slippage = reader.number("slippage", least=Decimal(0), most=Decimal(100)) or Decimal(0)
    plan = Plan(
        count=reader.whole("count", 1, COUNT_MAX),
        pairs=reader.pairs("pairs"),
        side=reader.choice("side", SIDES),
        type=kind,
        limit=reader.number("limit") if kind == "limit" else None,
        low=low,
        high=high,
        of_base=reader.choice("of", ("base", "in")) == "base",
        slippage_bps=int(slippage * 100),
        minimum=reader.number("minimum", is_optional=True),
        seed=reader.whole("seed", 0, 2**63),
        pace=reader.whole("pace", 0, 1_000),
    )
    if reader.errors:
        raise BadPlan(reader.errors)
    return plan


class _Reader:
    """Reads fields; what is wrong with them is collected, so that all of it is told at once."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self.errors: dict[str, str] = {}

    def whole(self, field: str, least: int, most: int) -> int:
        text = self._text(field)
        if not (text.isascii() and text.isdigit()) or len(text) > _DIGITS_MAX + 1:
            return self._wrong(field, "must be a whole number", least)
        if not least <= int(text) <= most:
            return self._wrong(field, f"must be from {least:,} to {most:,}", least)
        return int(text)

    def number(
        self,
        field: str,
        *,
        least: Decimal | None = None,
        most: Decimal | None = None,
        decimals: int = _DIGITS_MAX,
        is_optional: bool = False,
    ) -> Decimal | None:
        """A decimal; more than 0 unless ``least`` says otherwise."""
        text = self._text(field)
        if not text and is_optional:
            return None
        try:
            value = Decimal(text) if len(text) <= _DIGITS_MAX else Decimal("NaN")
        except InvalidOperation:
            value = Decimal("NaN")
        if not value.is_finite() or abs(value.adjusted()) > _DIGITS_MAX:
            return self._wrong(field, "must be a number", None)
        if _decimals(value) > decimals:
            return self._wrong(field, f"must have at most {decimals} decimals", None)
        if value < (least or 0) or (least is None and not value):
            return self._wrong(field, "must be more than 0", None)
        if most is not None and value > most:
            return self._wrong(field, f"must be at most {most}", None)
        return value

    def choice(self, field: str, options: Sequence[str]) -> str:
        text = self._text(field)
        if text not in options:
            return self._wrong(field, f"must be one of {', '.join(options)}", options[0])
        return text

    def pairs(self, field: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(self._text(field).split()))
        if not names:
            return self._wrong(field, "choose a pair at least", names)
        for name in names:
            try:
                tokens(name, "sell")
            except ValueError as error:
                return self._wrong(field, str(error), names)
        return names

    def _text(self, field: str) -> str:
        return self._form.get(field, DEFAULTS.get(field, "")).strip()

    def _wrong(self, field: str, reason: str, value: _T) -> _T:
        self.errors[field] = reason
        return value


def totals(orders: Sequence[WireTerms], count: int) -> str:
    """What about goes in altogether if ``count`` orders are like these: ``1,275 SOL``."""
    sums: dict[str, Decimal] = {}
    for order in orders:
        token = order["tokenIn"]
        sums[token] = sums.get(token, Decimal(0)) + Decimal(order["amount"])
    scale = Decimal(count) / len(orders)
    parts = [f"{as_text.amount(sums[token] * scale)} {short(token)}" for token in sorted(sums)]
    more = f" and {len(parts) - _TOTALS_MAX} more tokens" if len(parts) > _TOTALS_MAX else ""
    return " + ".join(parts[:_TOTALS_MAX]) + more


def curl(url: str, orders: Sequence[WireTerms], key: str) -> str:
    """The first orders as a command for a shell."""
    body = json.dumps({"orders": list(orders[:_CURL_ORDERS_MAX])})
    return (
        f"curl -sS {shlex.quote(url + '/api/orders/batch')}"
        f" -H 'Content-Type: application/json' -H {shlex.quote(f'Idempotency-Key: {key}')}"
        f" -d {shlex.quote(body)}"
    )


def _decimals(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def _places(high: Decimal) -> int:
    """Decimals of amounts: enough for a thousand different ones."""
    return max(0, min(3 - high.adjusted(), _PLACES_MAX)) if high < 1_000 else 0


def _in_quote(amount: Decimal, name: str, last_price: LastPrice) -> Decimal:
    price = last_price(name)
    if price is None:
        raise BadPlan({"of": f"no price of {name} is known yet: choose amounts of the token in"})
    value = amount * price
    step = Decimal(1).scaleb(-max(2, min(3 - value.adjusted(), _PLACES_MAX)))
    return max(value.quantize(step), step)

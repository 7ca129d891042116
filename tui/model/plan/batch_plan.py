"""Generates a batch of orders from a form: the same fields and seed give the same orders.

Amounts are drawn on a decimal grid, so that they are exact and short.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Final

from tui.model.conditions import OCO, SNIPER
from tui.model.pairs import shorten_token, split_pair
from tui.model.plan.amounts import (
    DECIMALS_MAX,
    PriceLookup,
    convert_from_value,
    convert_to_quote,
    name_value_pair,
)
from tui.model.plan.condition_plan import (
    CONDITION_DEFAULTS,
    TRIGGER_SLIPPAGE,
    TYPES,
    ConditionPlan,
    name_slippage_field,
    read_condition,
    read_time_in_force,
)
from tui.model.plan.exit_plan import EXIT_DEFAULTS, ExitPlan, read_exit
from tui.model.plan.form_reader import FormReader, InvalidPlan, count_decimals
from tui.model.plan.guard_plan import GUARD_DEFAULTS, GuardPlan, read_guards
from tui.model.plan.shares import SHARE_FORM, SHARE_TYPES, is_share, is_valid_share, list_shares
from tui.model.plan.slice_plan import SLICE_DEFAULTS, SlicePlan, read_slices
from tui.model.wire import WireOrderTerms
from tui.settings import BatchForm
from tui.text.format import format_amount

COUNT_MAX: Final = 10_000
_CURL_ORDERS_MAX: Final = 100
_TOTALS_MAX: Final = 3
_HUNDRED: Final = Decimal(100)
_IMPACT_MIN: Final = Decimal("0.01")

SHARE_SAMPLE: Final = Decimal(1)
"""The amount that stands for a share where a price is asked for."""
UNITS: Final = ("base", "in", "value")
SIDES: Final = ("mixed", "buy", "sell")
PACES: Final = {"0": "all at once", "10": "10 a second", "100": "100 a second"}

MINIMUM_TYPES: Final = frozenset({"market", SNIPER})
"""The types that may ask for a minimum; that of the others follows from a price."""
DEFAULTS: Final[BatchForm] = {
    **CONDITION_DEFAULTS,
    **EXIT_DEFAULTS,
    **SLICE_DEFAULTS,
    **GUARD_DEFAULTS,
    "count": "100",
    "pairs": "SOL/USDC",
    "side": "mixed",
    "type": "market",
    "low": "0.5",
    "high": "25",
    "of": "base",
    "slippage": "0.50",
    "impact": "",
    "minimum": "",
    "seed": "42",
    "pace": "0",
}
PRESETS: Final[Mapping[str, BatchForm]] = {
    "a hundred": DEFAULTS,
    "a few": DEFAULTS | {"count": "10"},
    "load test": DEFAULTS | {"count": "5000", "low": "0.1", "high": "2"},
    "three pairs": DEFAULTS
    | {"pairs": "SOL/USDC JUP/USDC BONK/USDC", "of": "value", "count": "300"},
    "tight slippage": DEFAULTS | {"slippage": "0.01"},
}
"""Predefined forms, by name."""


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """The parameters of a batch.

    ``unit``: amounts are of the token ``in``, of the ``base`` token on both sides, or in USDC
    (``value``).

    With a ``share`` each order sells that of what the wallet holds once it triggers.
    """

    count: int
    pairs: tuple[str, ...]
    side: str
    type: str
    condition: ConditionPlan | None
    exit: ExitPlan | None
    slicing: SlicePlan | None
    sniping: GuardPlan | None
    low: Decimal
    high: Decimal
    unit: str
    slippage_bps: int | None
    max_impact_bps: int | None
    minimum: Decimal | None
    seed: int
    pace: int
    time_in_force: str
    expires_at: datetime | None
    share: str | None = None

    def generate_orders(self, find_price: PriceLookup) -> Iterator[WireOrderTerms]:
        """Generate the orders; raises ``InvalidPlan`` if an amount needs an unknown price."""
        random = Random(self.seed)  # noqa: S311 - reproducible test orders, no secrets
        for number in range(1, self.count + 1):
            yield from self._build_orders(random, find_price, label=str(number))

    @property
    def needed_prices(self) -> list[str]:
        """The pairs whose prices the amounts need."""
        if self.unit == "base":
            return list(self.pairs)
        tokens = (token for name in self.pairs for token in split_pair(name, "sell"))
        names = map(name_value_pair, dict.fromkeys(tokens)) if self.unit == "value" else ()
        return [name for name in names if name is not None]

    @property
    def total(self) -> int:
        """The number of orders: an OCO is two."""
        return 2 * self.count if self.type == OCO else self.count

    def _build_orders(
        self, random: Random, find_price: PriceLookup, *, label: str
    ) -> list[WireOrderTerms]:
        name = random.choice(self.pairs)
        side = random.choice(("buy", "sell")) if self.side == "mixed" else self.side
        token_in, token_out = split_pair(name, side)
        amount = self._draw_amount(random)
        if self.unit == "value":
            amount = convert_from_value(amount, token_in, find_price)
        elif self.unit == "base" and side == "buy":
            amount = convert_to_quote(amount, name, find_price)
        terms = WireOrderTerms(
            tokenIn=token_in,
            tokenOut=token_out,
            amount=f"{amount:f}" if self.share is None else self.share,
            type=self.type,
        )
        if self.slippage_bps is not None:
            terms["slippageBps"] = self.slippage_bps
        self._add_limits(terms)
        for part in (self.condition, self.slicing, self.sniping):
            if part is not None:
                part.add_to(terms, side)
        if self.exit is None:
            return [terms]
        if self.type == OCO:
            return self.exit.split(terms, side, label)
        self.exit.add_bracket(terms, side)
        return [terms]

    def _add_limits(self, terms: WireOrderTerms) -> None:
        if self.max_impact_bps is not None:
            terms["maxPriceImpactBps"] = self.max_impact_bps
        if self.minimum is not None:
            terms["minAmountOut"] = f"{self.minimum:f}"
        if self.time_in_force != "gtc":
            terms["timeInForce"] = self.time_in_force
        if self.expires_at is not None:
            terms["expiresAt"] = f"{self.expires_at:%Y-%m-%dT%H:%M:%SZ}"

    def _draw_amount(self, random: Random) -> Decimal:
        step = Decimal(1).scaleb(-max(_choose_decimals(self.high), count_decimals(self.low)))
        steps = int((self.high - self.low) / step)
        return (self.low + random.randint(0, steps) * step).quantize(step)


def parse_form(
    form: BatchForm, now_ms: int, *, decimals: int | None = None, needs_slippage: bool = False
) -> BatchPlan:
    """Parse a form; raises ``InvalidPlan`` with all invalid fields.

    ``now_ms`` is the time that a relative expiry counts from, by the server's clock; amounts have
    at most so many ``decimals``, those of generated orders five. Fields are read for the types that
    have them. ``needs_slippage``: even of a type of which the engine has a setting.
    """
    reader = FormReader(form, DEFAULTS)
    order_type = reader.read_choice("type", TYPES)
    places = DECIMALS_MAX if decimals is None else decimals
    share = _read_share(reader, order_type)
    low, high = _read_amounts(reader, places) if share is None else (SHARE_SAMPLE, SHARE_SAMPLE)
    time_in_force, expires_at = read_time_in_force(reader, order_type, now_ms)
    sniping = read_guards(reader, order_type)
    plan = BatchPlan(
        count=reader.read_integer("count", 1, COUNT_MAX),
        pairs=reader.read_pairs("pairs") if sniping is None else (sniping.pair,),
        side=reader.read_choice("side", SIDES) if sniping is None else "buy",
        type=order_type,
        condition=read_condition(reader, order_type),
        exit=read_exit(reader, order_type),
        slicing=read_slices(reader, order_type),
        sniping=sniping,
        low=low,
        high=high,
        unit="in" if sniping or share else reader.read_choice("of", UNITS),
        slippage_bps=_read_slippage(reader, order_type, is_needed=needs_slippage),
        max_impact_bps=reader.read_bps("impact", _IMPACT_MIN, _HUNDRED, is_optional=True),
        minimum=reader.read_decimal("minimum", is_optional=True)
        if order_type in MINIMUM_TYPES
        else None,
        seed=reader.read_integer("seed", 0, 2**63),
        pace=reader.read_integer("pace", 0, 1_000),
        time_in_force=time_in_force,
        expires_at=expires_at,
        share=share,
    )
    if reader.errors:
        raise InvalidPlan(reader.errors)
    return plan


def _read_amounts(reader: FormReader, places: int) -> tuple[Decimal, Decimal]:
    low = reader.read_decimal("low", decimals=places) or Decimal(0)
    high = reader.read_decimal("high", decimals=places) or Decimal(0)
    if low > high and not reader.errors:
        reader.errors["high"] = "must not be below the lowest amount"
    return low, high


def _read_share(reader: FormReader, order_type: str) -> str | None:
    """The share that orders sell; ``None`` if they sell an amount."""
    text = reader.read_text("low")
    if not is_share(text):
        return None
    if order_type not in SHARE_TYPES | {OCO}:
        return reader.reject("low", "a share is of orders that trigger", text)
    if not is_valid_share(text):
        return reader.reject("low", SHARE_FORM, text)
    if reader.read_text("high") != text:
        return reader.reject("high", f"must be {text} too", text)
    return text


def _read_slippage(reader: FormReader, order_type: str, *, is_needed: bool) -> int | None:
    field = name_slippage_field(order_type, reader.read_text("then"))
    is_optional = field == TRIGGER_SLIPPAGE and not is_needed
    return reader.read_bps(field, Decimal(0), _HUNDRED, is_optional=is_optional)


def count_orders(count: int) -> str:
    """Write a number of orders in words."""
    return "1 order" if count == 1 else f"{count:,} orders"


def describe_totals(orders: Sequence[WireOrderTerms], count: int) -> str:
    """Describe the total input of ``count`` orders, extrapolated from these: ``1,275 SOL``."""
    sums = sum_amounts_in(orders)
    scale = Decimal(count) / len(orders)
    parts = [
        f"{format_amount(sums[token] * scale)} {shorten_token(token)}" for token in sorted(sums)
    ]
    parts += list_shares(orders)
    more = f" and {len(parts) - _TOTALS_MAX} more tokens" if len(parts) > _TOTALS_MAX else ""
    return " + ".join(parts[:_TOTALS_MAX]) + more


def sum_amounts_in(orders: Iterable[WireOrderTerms]) -> dict[str, Decimal]:
    """Sum what orders sell, by token; of the two of an OCO only one does.

    What is a share of the wallet is not known, and left out.
    """
    sums: dict[str, Decimal] = {}
    for order in orders:
        if "ocoGroup" in order and order["type"] != "takeProfit":
            continue
        if is_share(order["amount"]):
            continue
        token = order["tokenIn"]
        sums[token] = sums.get(token, Decimal(0)) + Decimal(order["amount"])
    return sums


def build_curl_command(url: str, orders: Sequence[WireOrderTerms], key: str) -> str:
    """Build a shell command that places the first orders."""
    body = json.dumps({"orders": list(orders[:_CURL_ORDERS_MAX])})
    return (
        f"curl -sS {shlex.quote(url + '/api/orders/batch')}"
        f" -H 'Content-Type: application/json' -H {shlex.quote(f'Idempotency-Key: {key}')}"
        f" -d {shlex.quote(body)}"
    )


def _choose_decimals(high: Decimal) -> int:
    """Return the decimals for amounts up to ``high``: enough for a thousand different ones."""
    return max(0, min(3 - high.adjusted(), DECIMALS_MAX)) if high < 1_000 else 0

"""The fields of the form that say what orders wait for, and for how long they are in force."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from tui.model.conditions import (
    HAVE_ONE_ATTEMPT,
    MARKET,
    OCO,
    SNIPER,
    TOKEN_IN,
    TOKEN_OUT,
    TWAP,
)
from tui.model.plan.form_reader import FormReader, parse_duration
from tui.model.wire import WireOrderTerms
from tui.settings import BatchForm
from tui.text.format import SECOND_MS

TYPES: Final = (
    *("market", "limit", "stop", "takeProfit", "stopLimit", "trailingStop", OCO, TWAP, SNIPER),
)
CONDITION_FIELDS: Final = {
    "limit": ("limit",),
    "stop": ("trigger", "confirmations"),
    "takeProfit": ("trigger", "then", "confirmations"),
    "stopLimit": ("trigger", "limit", "confirmations"),
    "trailingStop": ("trail", "activation", "confirmations"),
}
"""The types of orders that wait for a price, and the fields of the form that each has."""
PRICES_OF: Final = {"base": "base token", "quote": "quote token"}
THEN: Final = ("limit", "market")
TIMES_IN_FORCE: Final = ("gtc", "gtd", "ioc", "fok")
CONDITION_DEFAULTS: Final[BatchForm] = {
    **dict.fromkeys(("limit", "trigger", "activation", "confirmations"), ""),
    "trail": "2",
    "then": "limit",
    "trigger_slippage": "",
    "price_of": "base",
    "force": "gtc",
    "until": "2h",
}
SLIPPAGE, TRIGGER_SLIPPAGE = "slippage", "trigger_slippage"
"""The fields of the slippage; the other is that of what a trigger has sold at the market.

The engine has a setting of its own for the latter, so it may be left empty.
"""
_SOLD_AT_MARKET: Final = frozenset({"stop", "trailingStop", OCO})
TRAIL_MIN, TRAIL_MAX = Decimal("0.5"), Decimal(50)
_AHEAD_MAX: Final = timedelta(days=366)
_MAY_HAVE_ONE_ATTEMPT: Final = frozenset({"market", "limit"})
CONFIRMATIONS_MAX: Final = 10
_EXPIRY_HINT: Final = "write 2h, 1d or 2026-11-21T16:09Z"


@dataclass(frozen=True, slots=True)
class ConditionPlan:
    """What the orders of a plan wait for. ``is_of_base``: prices are of one base token."""

    limit: Decimal | None
    trigger: Decimal | None
    activation: Decimal | None
    trail_bps: int | None
    then: str | None
    confirmations: int | None
    is_of_base: bool

    def add_to(self, terms: WireOrderTerms, side: str) -> None:
        """Add the fields of the wire to the terms of an order of this side."""
        prices = {
            "limitPrice": self.limit,
            "triggerPrice": self.trigger,
            "activationPrice": self.activation,
        }
        written = {name: f"{price:f}" for name, price in prices.items() if price is not None}
        written["priceOf"] = name_priced_token(side, is_of_base=self.is_of_base)
        if self.then is not None:
            written["then"] = self.then
        terms.update(written)  # type: ignore[typeddict-item]
        if self.trail_bps is not None:
            terms["trailBps"] = self.trail_bps
        if self.confirmations is not None:
            terms["confirmations"] = self.confirmations


def name_priced_token(side: str, *, is_of_base: bool) -> str:
    """Which token of a swap has the price: the base token is what a sell sells, a buy buys."""
    return TOKEN_IN if is_of_base == (side == "sell") else TOKEN_OUT


def read_condition(reader: FormReader, order_type: str) -> ConditionPlan | None:
    """Read what orders of a type wait for; ``None`` for those that do not wait."""
    fields = CONDITION_FIELDS.get(order_type)
    if fields is None:
        return None
    return ConditionPlan(
        limit=reader.read_decimal("limit") if "limit" in fields else None,
        trigger=reader.read_decimal("trigger") if "trigger" in fields else None,
        activation=reader.read_decimal("activation", is_optional=True)
        if "activation" in fields
        else None,
        trail_bps=reader.read_bps("trail", TRAIL_MIN, TRAIL_MAX) if "trail" in fields else None,
        then=reader.read_choice("then", THEN) if "then" in fields else None,
        confirmations=read_confirmations(reader) if "confirmations" in fields else None,
        is_of_base=read_is_of_base(reader),
    )


def name_slippage_field(order_type: str, then: str) -> str:
    """Which field has the slippage of a type; ``then``: what a take-profit becomes."""
    is_market = order_type == "takeProfit" and then == MARKET
    return TRIGGER_SLIPPAGE if is_market or order_type in _SOLD_AT_MARKET else SLIPPAGE


def read_confirmations(reader: FormReader) -> int | None:
    """Read how many reads in a row have to meet a trigger; the engine has a default."""
    return reader.read_optional_integer("confirmations", 1, CONFIRMATIONS_MAX)


def read_is_of_base(reader: FormReader) -> bool:
    """Read whether prices are of one base token."""
    return reader.read_choice("price_of", tuple(PRICES_OF)) == "base"


def read_time_in_force(
    reader: FormReader, order_type: str, now_ms: int
) -> tuple[str, datetime | None]:
    """Read the time in force, and with ``gtd`` when it ends."""
    force = reader.read_choice("force", TIMES_IN_FORCE)
    if force in HAVE_ONE_ATTEMPT and order_type not in _MAY_HAVE_ONE_ATTEMPT:
        return reader.reject("force", "must be gtc or gtd: it waits", force), None
    if force != "gtd":
        return force, None
    try:
        return force, parse_expiry(reader.read_text("until"), now_ms)
    except ValueError as error:
        return reader.reject("until", str(error), force), None


def parse_expiry(text: str, now_ms: int) -> datetime:
    """Parse ``2h``, ``1d12h`` or a time with its zone, in UTC; raises ``ValueError`` (reason)."""
    now = datetime.fromtimestamp(now_ms / SECOND_MS, tz=UTC)
    ahead = parse_duration(text)
    if ahead is None:
        ahead = _parse_time(text) - now
    if ahead <= timedelta():
        raise ValueError("must be later than now")
    if ahead > _AHEAD_MAX:
        raise ValueError(f"must be within {_AHEAD_MAX.days} days")
    return now + ahead


def _parse_time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(_EXPIRY_HINT) from None
    if at.tzinfo is None:
        raise ValueError(f"needs its zone: {_EXPIRY_HINT}")
    try:
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(_EXPIRY_HINT) from None

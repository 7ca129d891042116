"""What an order waits for, as its client wrote it, and the price that met it; both in words."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from sys import intern
from typing import Any, Final, NamedTuple

from tui.model.pairs import shorten_token
from tui.model.routes.quotes import BPS
from tui.text.format import format_compact, format_exact, format_price, format_small, to_ascii
from tui.text.symbols import Symbols

TOKEN_IN: Final = "tokenIn"  # noqa: S105 - a token of a pair
TOKEN_OUT: Final = "tokenOut"  # noqa: S105 - a token of a pair
MARKET: Final = "market"
TWAP: Final = "twap"
SNIPER: Final = "sniper"
OCO: Final = "oco"
"""Two orders of which at most one is executed; a type of the form only."""
HAVE_ONE_ATTEMPT: Final = frozenset({"ioc", "fok"})
"""Times in force with which an order never waits."""
RISING_TYPES: Final = frozenset({"limit", "takeProfit"})
"""What waits for a better price for its owner; the other types wait for a worse one."""
LIMIT_TYPES: Final = frozenset({"limit", TWAP})
"""What waits for a limit from its acceptance on."""
_PRICE_FIELDS: Final = ("limitPrice", "triggerPrice", "activationPrice")
CONDITION_FIELDS: Final = (*_PRICE_FIELDS, "priceOf", "trailBps", "confirmations", "then")
"""The fields of the wire that a condition has."""
AMENDED_FIELDS: Final = (
    *("amountIn", "amountInShare", "slippageBps", "maxPriceImpactBps", "minAmountOut"),
    *("expiresAt", "timeInForce"),
    *CONDITION_FIELDS,
)
"""The fields of an event that an amendment may have changed."""
GUARD_FIELDS: Final = (
    *("minLiquidity", "mintAuthorityRevoked", "freezeAuthorityNone", "maxTransferFeeBps"),
    *("maxFeeBps", "lpLockedMinBps", "maxPoolAgeS", "dexes", "looks"),
    *("excludeDexes", "pools", "maxLegs", "maxHops"),
)
"""What a sniper asks of a pool, and any order of its route."""
_SHORT_CELLS: Final = 8
_PRICE_CELLS_MAX: Final = 12
"""A price with more characters is rounded."""


class Condition(NamedTuple):
    """What an order waits for; prices are the text that the API sent.

    ``price_of``: whether they are what one token in brings, or what one token out costs.
    """

    type: str
    limit_price: str | None
    trigger_price: str | None
    activation_price: str | None
    price_of: str
    trail_bps: int | None
    confirmations: int | None
    then: str | None

    @classmethod
    def read(cls, terms: Mapping[str, Any]) -> Condition | None:
        """The condition in an event or a stored order; ``None`` if it has none."""
        trail_bps, prices = terms.get("trailBps"), [terms.get(name) for name in _PRICE_FIELDS]
        if trail_bps is None and not any(prices):
            return None
        limit_price, trigger_price, activation_price = prices
        then = terms.get("then")
        return cls(
            type=intern(terms.get("type") or "limit"),
            limit_price=limit_price,
            trigger_price=trigger_price,
            activation_price=activation_price,
            price_of=intern(terms.get("priceOf") or TOKEN_IN),
            trail_bps=trail_bps,
            confirmations=terms.get("confirmations"),
            then=intern(then) if then else None,
        )

    def to_terms(self) -> dict[str, Any]:
        """The fields to place an order with the same condition."""
        prices = (self.limit_price, self.trigger_price, self.activation_price)
        fields: dict[str, Any] = dict(zip(_PRICE_FIELDS, prices, strict=True))
        if any(prices):
            fields["priceOf"] = self.price_of
        fields |= {
            "trailBps": self.trail_bps,
            "confirmations": self.confirmations,
            "then": self.then,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def is_limit(self, *, is_triggered: bool) -> bool:
        """Whether it waits for a limit now, by its type or since its trigger was met."""
        return self.type in LIMIT_TYPES or (is_triggered and bool(self.limit_price or self.then))


class MetTrigger(NamedTuple):
    """The price that met a condition, and where and when it was read."""

    price: str
    trigger: str | None
    price_of: str
    slot: int | None
    dex: str | None

    @classmethod
    def read(cls, event: Mapping[str, Any]) -> MetTrigger | None:
        """The price that an event of the status ``routing`` names; ``None`` if it names none."""
        price = event.get("executablePrice")
        if price is None:
            return None
        price_of = intern(event.get("priceOf") or TOKEN_IN)
        return cls(price, event.get("triggerPrice"), price_of, event.get("slot"), event.get("dex"))


def name_price_unit(price_of: str, token_in: str, token_out: str) -> str:
    """The unit of a price: ``USDC per SOL``."""
    of, by = (token_in, token_out) if price_of == TOKEN_IN else (token_out, token_in)
    return f"{shorten_token(by)} per {shorten_token(of)}"


def format_written_price(price: str) -> str:
    """Format a price exactly, or rounded if it is long."""
    exact = format_exact(price)
    return exact if len(exact) <= _PRICE_CELLS_MAX else format_price(Decimal(price))


def format_trail(bps: int) -> str:
    """Format a trailing distance: ``2.5``, in per cent."""
    return f"{Decimal(bps) * 100 / BPS:f}"  # a quotient has no zeros at its end


def compute_trail_trigger(best: Decimal, trail_bps: int, price_of: str) -> Decimal:
    """Where a trailing stop triggers: a cost is followed from above."""
    kept = 1 - Decimal(trail_bps) / BPS
    return best * kept if price_of == TOKEN_IN else best / kept


def describe_awaited(
    condition: Condition, token_in: str, token_out: str, symbols: Symbols, *, is_triggered: bool
) -> str:
    """Say what is waited for: ``≥ 152.3 USDC per SOL``, or ``trails 2 %``."""
    unit = name_price_unit(condition.price_of, token_in, token_out)
    if condition.trail_bps is not None:
        start = condition.activation_price
        begins = f" from {format_written_price(start)} {unit}" if start else ""
        return f"trails {format_trail(condition.trail_bps)} %{begins}"
    sign, price = _get_threshold(condition, symbols, is_triggered=is_triggered)
    return f"{sign} {format_written_price(price)} {unit}"


def format_awaited_short(condition: Condition, symbols: Symbols, *, is_triggered: bool) -> str:
    """What is waited for in at most eight cells: ``≥152.3`` or ``-2%``."""
    if condition.trail_bps is not None:
        return f"-{format_trail(condition.trail_bps)}%"
    sign, price = _get_threshold(condition, symbols, is_triggered=is_triggered)
    value, cells = Decimal(price), _SHORT_CELLS - len(sign)
    texts = [format_exact(price)]
    if value >= 1:
        texts += [f"{value:.{places}f}" for places in (4, 3, 2, 1, 0)]
    else:
        texts += [format_small(value, digits) for digits in (4, 3, 2, 1)]
    short = next((text for text in texts if len(text) <= cells), format_compact(value))
    return f"{sign}{to_ascii(short) if symbols.is_ascii else short}"


def describe_then(condition: Condition) -> str:
    """What the order becomes once its trigger is met; empty for a limit."""
    if condition.type in LIMIT_TYPES:
        return ""
    if condition.type == "stopLimit" and condition.limit_price is not None:
        return f"limit {format_written_price(condition.limit_price)}"
    if condition.type == "takeProfit" and condition.then != MARKET:
        return "limit at its trigger"
    return MARKET


def _get_threshold(
    condition: Condition, symbols: Symbols, *, is_triggered: bool
) -> tuple[str, str]:
    """The sign and the price, as seen by whoever wrote the price: a cost is met from above."""
    is_limit = condition.is_limit(is_triggered=is_triggered)
    is_rising = is_limit or condition.type in RISING_TYPES
    limit, trigger = condition.limit_price, condition.trigger_price
    price = (limit or trigger) if is_limit else (trigger or limit)
    is_at_least = is_rising == (condition.price_of == TOKEN_IN)
    return (symbols.at_least if is_at_least else symbols.at_most), price or "0"

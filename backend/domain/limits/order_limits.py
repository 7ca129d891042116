"""The limits that an owner may have: their names, and their values as people write them.

Amounts are of the reference token: written in tokens, stored in base units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar

from backend.domain.amounts import BPS, Token, format_amount, parse_amount, parse_decimal
from backend.domain.errors import InvalidInput
from backend.domain.spelling import add_suggestion
from backend.domain.tokens import TokenRegistry
from backend.domain.trading.states import TradingState

ORDERS_PER_SECOND_MAX: Final = 100_000
OPEN_ORDERS_MAX: Final = 10_000_000
MINTS_MAX: Final = 100
"""Most mints that a list may have."""
REFERENCE: Final = "reference"
"""Where the limits of a row name the token that their amounts are of."""

Number = TypeVar("Number", int, Decimal)
LimitValue = int | str | list[str] | None
"""A limit as it is stored: a number, base units, names of tokens or a state; ``None``: none."""
OwnerLimits = Mapping[str, LimitValue]
"""Limits by their names."""


class LimitName(StrEnum):
    """The limits, by the names that clients know."""

    ORDERS_PER_SECOND = "maxOrdersPerSecond"
    """In any second; the orders that come of an order are not counted."""
    OPEN_ORDERS = "maxOpenOrders"
    ORDER_VALUE = "maxOrderValue"
    DAILY_VOLUME = "maxDailyVolume"
    """Of orders that were submitted on a day and have landed, or may yet."""
    PRICE_IMPACT = "maxPriceImpactBps"
    REFERENCE_DISTANCE = "maxReferenceDistanceBps"
    """How much less a route may pay than the median of the pair's pools."""
    SLIPPAGE = "maxSlippageBps"
    ALLOWED_MINTS = "allowedMints"
    DENIED_MINTS = "deniedMints"
    DAILY_LOSS = "maxDailyLoss"
    """What the fills of a day may realize below 0."""
    ON_DAILY_LOSS = "onDailyLoss"
    """The trading state that follows such a loss."""


AMOUNTS: Final = frozenset({LimitName.ORDER_VALUE, LimitName.DAILY_VOLUME, LimitName.DAILY_LOSS})
_COUNTS: Final[Mapping[LimitName, tuple[int, int]]] = {
    LimitName.ORDERS_PER_SECOND: (1, ORDERS_PER_SECOND_MAX),
    LimitName.OPEN_ORDERS: (1, OPEN_ORDERS_MAX),
    LimitName.PRICE_IMPACT: (0, BPS),
    LimitName.REFERENCE_DISTANCE: (0, BPS),
    LimitName.SLIPPAGE: (0, BPS),
}
_MINTS: Final = frozenset({LimitName.ALLOWED_MINTS, LimitName.DENIED_MINTS})
_LOSS_STATES: Final = (TradingState.REDUCING.value, TradingState.HALTED.value)


def parse_limits(
    written: Mapping[str, object], tokens: TokenRegistry, reference: Token
) -> dict[str, LimitValue]:
    """Limits as they are stored. Raises ``InvalidInput`` for the first that is wrong."""
    parsed: dict[str, LimitValue] = {}
    for name, value in written.items():
        parsed[find_limit_name(name).value] = (
            None if value is None else parse_limit(name, value, tokens, reference)
        )
    if not AMOUNTS.isdisjoint(parsed):
        parsed[REFERENCE] = reference.symbol
    return parsed


def find_limit_name(name: str) -> LimitName:
    """The limit of a name. Raises ``InvalidInput`` if there is none."""
    known = [each.value for each in LimitName]
    if name not in known:
        reason = f"is no limit; known are {', '.join(known)}"
        raise InvalidInput(name[:64], add_suggestion(reason, name, known), "unknown_field")
    return LimitName(name)


def parse_limit(name: str, value: object, tokens: TokenRegistry, reference: Token) -> LimitValue:
    """The value of a limit. Raises ``InvalidInput`` with what is wrong with it."""
    limit = find_limit_name(name)
    if limit in _COUNTS:
        return _parse_count(limit, value)
    if limit in AMOUNTS:
        return _parse_amount(limit, value, reference)
    if limit in _MINTS:
        return _parse_mints(limit, value, tokens)
    if not isinstance(value, str) or value.upper() not in _LOSS_STATES:
        raise InvalidInput(limit, f"must be {' or '.join(_LOSS_STATES)}")
    return value.upper()


def _parse_count(limit: LimitName, value: object) -> int:
    least, most = _COUNTS[limit]
    number = _parse_number(limit, value, "a whole number", parse_decimal)
    if number != number.to_integral_value():
        raise InvalidInput(limit, "must be a whole number")
    if not least <= number <= most:
        raise InvalidInput(limit, f"must be from {least} to {most}")
    return int(number)


def _parse_amount(limit: LimitName, value: object, reference: Token) -> int:
    try:
        return _parse_number(
            limit, value, "an amount", lambda each: parse_amount(each, reference.decimals)
        )
    except InvalidInput as error:
        raise InvalidInput(limit, f"{error.reason} (of {reference.symbol})") from None


def _parse_number(
    limit: LimitName, value: object, what: str, parse: Callable[[str | int | Decimal], Number]
) -> Number:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise InvalidInput(limit, f"must be {what}")
    try:
        return parse(value)
    except ValueError as error:
        raise InvalidInput(limit, str(error)) from None


def _parse_mints(limit: LimitName, value: object, tokens: TokenRegistry) -> list[str]:
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidInput(limit, "must be a list of symbols and mints")
    if not 0 < len(names) <= MINTS_MAX:
        raise InvalidInput(limit, f"must have from 1 to {MINTS_MAX} symbols and mints")
    return list(dict.fromkeys(tokens.find_name(name.strip(), limit) for name in names))


def limits_to_json(limits: OwnerLimits, reference: Token) -> dict[str, object]:
    """Limits as clients read and write them; amounts in another token have no decimal here."""
    shown: dict[str, object] = {}
    is_known = limits.get(REFERENCE) == reference.symbol
    for name, value in limits.items():
        if name in AMOUNTS and isinstance(value, int):
            shown[name] = format_amount(value, reference.decimals) if is_known else str(value)
        else:
            shown[name] = value
    return shown


def merge_limits(rows: Iterable[OwnerLimits]) -> dict[str, LimitValue]:
    """What holds of several rows, the later ones before the earlier; without what is ``None``."""
    merged: dict[str, LimitValue] = {}
    for each in rows:
        merged |= each
    return {name: value for name, value in merged.items() if value is not None}

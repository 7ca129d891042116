"""The form of the values of an order: numbers, choices, and the fields of its type."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from batch.checks.fees import find_fee_faults
from batch.checks.order_types import ORDER_TYPES, find_type_faults
from batch.checks.routes import find_route_faults
from batch.checks.shares import AMOUNT_NAMES, is_share
from batch.fields import FLAG_FIELDS, INTEGER_FIELDS

TIMES_IN_FORCE = ("gtc", "gtd", "ioc", "fok")
_CHOICES = (
    ("type", ORDER_TYPES),
    ("timeInForce", TIMES_IN_FORCE),
    ("priceOf", ("tokenIn", "tokenOut")),
    ("then", ("limit", "market")),
)
_NUMBERS = (
    *("amount", "amountIn", "minAmountOut", "limitPrice", "triggerPrice", "stopPrice"),
    *("activationPrice", "minLiquidity", "bracketTakeProfit", "bracketStop"),
)
_DIGITS_MAX = 40


def find_value_faults(order: Mapping[str, object]) -> list[str]:
    """Find the values that an engine would refuse for their form alone."""
    faults = [
        f"{name}: {order[name]!r} must be a number above 0, such as 1.5"
        for name in _NUMBERS
        if name in order
        and not _is_positive_number(order[name])
        and not (name in AMOUNT_NAMES and is_share(order[name]))
    ]
    for name in INTEGER_FIELDS.keys() & order.keys():
        value, (least, most) = order[name], INTEGER_FIELDS[name]
        if not isinstance(value, int) or not least <= value <= most:
            faults.append(f"{name}: {value!r} must be a whole number from {least} to {most}")
    faults += [
        f"{name}: {order[name]!r} must be true or false"
        for name in FLAG_FIELDS
        if name in order and not isinstance(order[name], bool)
    ]
    for name, known in _CHOICES:
        if name in order and str(order[name]).lower() not in map(str.lower, known):
            faults.append(f"{name}: {order[name]!r} must be one of {', '.join(known)}")
    if order.get("tokenIn") == order.get("tokenOut"):
        faults.append(f"tokenOut: {order.get('tokenOut')!r} is the token that is sold")
    return sorted(
        [*faults, *find_type_faults(order), *find_route_faults(order), *find_fee_faults(order)]
    )


def _is_positive_number(value: object) -> bool:
    text = str(value)
    if not text.isascii() or len(text) > _DIGITS_MAX or "_" in text or text != text.strip():
        return False  # ``Decimal`` itself would take it, and no API does
    try:
        number = Decimal(text)
    except InvalidOperation:
        return False
    return number.is_finite() and number > 0 and abs(number.adjusted()) <= _DIGITS_MAX

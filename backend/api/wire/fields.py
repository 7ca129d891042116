"""The kinds of values that a client may send: how each is checked, and how it is documented."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from backend.api.wire.json import DIGITS_MAX
from backend.domain.amounts import BPS
from backend.domain.orders import OrderType

NAME_MAX = 64
"""Longest client order id."""
KEY_MAX = 128
"""Longest idempotency key."""


def is_printable(text: str, length_max: int) -> bool:
    """Whether a name can be stored and logged as it is: printable ASCII, not too long."""
    return 0 < len(text) <= length_max and text.isascii() and text.isprintable()


def _number(value: object) -> str | int | Decimal:
    if isinstance(value, str | int | Decimal) and not isinstance(value, bool):
        return value
    raise ValueError("must be a decimal number, as a string or a number")


def _whole(value: object) -> object:
    """``50.0`` is a whole number as well; what else there is is told by its type."""
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < DIGITS_MAX:
        return int(value) if value == value.to_integral_value() else value
    return value


def _name(value: object) -> str:
    if not isinstance(value, str) or not is_printable(value, NAME_MAX):
        raise ValueError(f"must be 1 to {NAME_MAX} printable ASCII characters")
    return value


_POSITIVE: Final = r"^\+?(?=[.0]*[1-9])([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_AMOUNT: Final[dict[str, object]] = {
    "type": ["string", "number"],
    "pattern": _POSITIVE,
    "maxLength": DIGITS_MAX,
    "exclusiveMinimum": 0,
    "description": "A decimal amount in token units, exact in either form.",
    "examples": ["1.5"],
}
Amount = Annotated[str | int | Decimal, PlainValidator(_number), WithJsonSchema(_AMOUNT)]
Name = Annotated[
    str,
    PlainValidator(_name),
    WithJsonSchema(
        {"type": "string", "minLength": 1, "maxLength": NAME_MAX, "pattern": "^[ -~]+$"}
    ),
]
BasisPoints = Annotated[int, Field(strict=True, ge=0, le=BPS), BeforeValidator(_whole)]
TokenName = Annotated[
    str,
    Field(strict=True, description="A symbol in any case, or a mint address.", examples=["SOL"]),
]
_KIND: Final[dict[str, object]] = {
    "enum": [*OrderType],
    "description": "In any case. Limit and sniper orders are refused for now.",
}
KindName = Annotated[str, Field(strict=True, json_schema_extra=_KIND)]
Moment = Annotated[str, Field(strict=True, json_schema_extra={"format": "date-time"})]

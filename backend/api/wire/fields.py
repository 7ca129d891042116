"""Field types of request bodies: how each value is validated, and its JSON Schema."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from backend.api.wire.json import DIGITS_MAX
from backend.domain.amounts import BPS
from backend.domain.times import TIME_PATTERN
from backend.domain.waiting.slices import CLIENT_ID_PREFIX

NAME_LENGTH_MAX = 64
"""Most characters of a client order id, and of a field name that a problem shows."""
KEY_LENGTH_MAX = 128
"""Most characters of an idempotency key."""


def is_printable(text: str, length_max: int) -> bool:
    """Whether a text can be stored and logged verbatim: printable ASCII, not too long."""
    return 0 < len(text) <= length_max and text.isascii() and text.isprintable()


def require_number(value: object) -> str | int | Decimal:
    """Return what may be a number. Raises ``ValueError`` (reason)."""
    if isinstance(value, str | int | Decimal) and not isinstance(value, bool):
        return value
    raise ValueError("must be a decimal number, as a string or a number")


def integral_to_int(value: object) -> object:
    """Convert ``50.0`` to an int; other values stay, for the strict int type to refuse."""
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < DIGITS_MAX:
        return int(value) if value == value.to_integral_value() else value
    return value


def require_printable_name(value: object) -> str:
    """Return what can be a name. Raises ``ValueError`` (reason)."""
    if not isinstance(value, str) or not is_printable(value, NAME_LENGTH_MAX):
        raise ValueError(f"must be 1 to {NAME_LENGTH_MAX} printable ASCII characters")
    return value


def _require_client_order_id(value: object) -> str:
    name = require_printable_name(value)
    if name.startswith(CLIENT_ID_PREFIX):
        raise ValueError(f"must not begin with {CLIENT_ID_PREFIX}, as the ids of slices do")
    return name


POSITIVE_PATTERN: Final = r"^\+?(?=[.0]*[1-9])([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
AMOUNT_SCHEMA: Final[dict[str, object]] = {
    "type": ["string", "number"],
    "pattern": POSITIVE_PATTERN,
    "maxLength": DIGITS_MAX,
    "exclusiveMinimum": 0,
    "description": "A decimal amount in token units, exact in either form.",
    "examples": ["1.5"],
}
Amount = Annotated[
    str | int | Decimal, PlainValidator(require_number), WithJsonSchema(AMOUNT_SCHEMA)
]
_PRICE_SCHEMA: Final[dict[str, object]] = {
    **AMOUNT_SCHEMA,
    "description": "A decimal price in token units, exact in either form, of the token of"
    " `priceOf`. What is compared with it is what the best route pays for the whole amount, after"
    " all fees.",
    "examples": ["101.5"],
}
Price = Annotated[
    str | int | Decimal, PlainValidator(require_number), WithJsonSchema(_PRICE_SCHEMA)
]
ClientOrderId = Annotated[
    str,
    PlainValidator(_require_client_order_id),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": NAME_LENGTH_MAX,
            "pattern": f"^(?!{CLIENT_ID_PREFIX})[ -~]+$",
            "description": "Not with `twap:` at its beginning, as only ids of slices have it.",
        }
    ),
]
BasisPoints = Annotated[int, Field(strict=True, ge=0, le=BPS), BeforeValidator(integral_to_int)]
Flag = Annotated[bool, Field(strict=True)]
TokenName = Annotated[
    str,
    Field(
        strict=True,
        description="The symbol of a listed token in any case, or any mint address: one that is not"
        " listed is read from the chain, and refused with `invalid_mint` if it is none, or with"
        " `unsupported_mint` if it has an extension, such as a transfer hook, with which what a"
        " transfer brings is not certain. Transfer fees are part of quotes.",
        examples=["SOL"],
    ),
]
_ORDER_TYPE_SCHEMA: Final[dict[str, object]] = {
    "$ref": "#/components/schemas/OrderType",
    "description": "In any case. `market`, the default, is executed at once; `limit` waits until"
    " `limitPrice` can be had, or `minAmountOut`; `stop` until the price is at most `triggerPrice`,"
    " then it is sold at the market, however often that takes; `takeProfit` until it is at least"
    " `triggerPrice`; `stopLimit` as a stop, and then as a limit; `trailingStop` until the price"
    " has fallen by `trailBps`; `twap` is executed in `slices`, one each `intervalS` seconds, which"
    " are orders of their own: at the market, or at `limitPrice` where it is given; `sniper` buys"
    " at the market once a pool of the pair exists, is open and passes the guards that it names,"
    " such as `minLiquidity`. Whatever else waits is refused with 422"
    " `no_pool` if no venue has a pool of the pair, as far as the node tells within a moment.",
}
OrderTypeName = Annotated[str, Field(strict=True, json_schema_extra=_ORDER_TYPE_SCHEMA)]
_TIME_IN_FORCE_SCHEMA: Final[dict[str, object]] = {
    "$ref": "#/components/schemas/TimeInForce",
    "description": "In any case. `gtc`, the default: until it is filled or its attempts are used"
    " up, which those of orders that wait for a price never are. `gtd`, the default with"
    " `expiresAt`: at most until then. `ioc` and `fok`: one attempt, else it is `expired` with the"
    " code `unfilled`; they are the same, as a swap is executed as a whole or not at all.",
}
TimeInForceName = Annotated[str, Field(strict=True, json_schema_extra=_TIME_IN_FORCE_SCHEMA)]
Timestamp = Annotated[
    str,
    Field(
        strict=True,
        json_schema_extra={
            "format": "date-time",
            "pattern": TIME_PATTERN,
            "description": "From this time on, by the clock of the database, it is not submitted"
            " any more: it is `expired`. What was submitted before may land until `mayLandUntil`."
            " At most 366 days ahead.",
        },
    ),
]

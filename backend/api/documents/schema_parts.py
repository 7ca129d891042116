"""The parts that the schemas of responses are made of."""

from __future__ import annotations

from typing import Final

from backend.domain.amounts import BPS
from backend.domain.conditions import Then
from backend.domain.lifecycle import Status
from backend.domain.orders import OrderType, TimeInForce
from backend.domain.prices import PriceOf
from backend.domain.quotes import Dex
from backend.domain.route_constraints import VENUE_NAMES

Schema = dict[str, object]

ID: Final[Schema] = {"type": "string", "format": "uuid"}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
NON_NEGATIVE_INTEGER: Final[Schema] = {"type": "integer", "minimum": 0}
STRING: Final[Schema] = {"type": "string"}
BOOLEAN: Final[Schema] = {"type": "boolean"}
AMOUNT: Final[Schema] = {
    "type": "string",
    "pattern": r"^\d+(\.\d+)?$",
    "description": "A decimal in token units.",
}
FRACTION: Final[Schema] = {**AMOUNT, "description": "A fraction: 0.01 is 1 %."}
SHARE: Final[Schema] = {
    "type": "string",
    "pattern": r"^(all|\d{1,2}(\.\d{1,2})?%)$",
    "description": "`all`, or a percentage such as `50%`, of what the wallet holds free when the"
    " order triggers: until then `amountIn` is an estimate, renewed every few seconds. Null where"
    " the amount is fixed.",
}
ACCEPTED_STATUS: Final[Schema] = {
    "type": "string",
    "enum": ["queued", *(status.value for status in Status)],
    "description": "`queued`, or `waiting` if it waits for a price; in the answer to a repeat, the"
    " status that the order has by then.",
}
CURSOR: Final[Schema] = {"type": "string", "description": "Opaque: give it back as it is."}


def object_schema(
    properties: Schema, *, optional: tuple[str, ...] = (), is_extensible: bool = False
) -> Schema:
    """An object; further properties are allowed only if it is extensible."""
    schema: Schema = {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }
    return schema if is_extensible else {**schema, "additionalProperties": False}


def array_schema(items: Schema, **bounds: int) -> Schema:
    """An array of items."""
    return {"type": "array", "items": items, **bounds}


def nullable_schema(schema: Schema) -> Schema:
    """A schema that also takes null."""
    return {"anyOf": [schema, {"type": "null"}]}


def schema_ref(name: str) -> Schema:
    """A reference to a schema of the OpenAPI document."""
    return {"$ref": f"#/components/schemas/{name}"}


NAMED_VALUES: Final[dict[str, Schema]] = {
    "Status": {"type": "string", "enum": [status.value for status in Status]},
    "OrderType": {"type": "string", "enum": [kind.value for kind in OrderType]},
    "TimeInForce": {"type": "string", "enum": [each.value for each in TimeInForce]},
    "PriceOf": {"type": "string", "enum": [each.value for each in PriceOf]},
    "Then": {"type": "string", "enum": [each.value for each in Then]},
    "Dex": {"type": "string", "enum": [dex.value for dex in Dex]},
    "VenueName": {
        "type": "string",
        "enum": list(VENUE_NAMES),
        "description": "An exchange, or one of its pool programs.",
    },
}
"""Sets of values with a schema of their own: generated clients have one type for each."""
STATUS: Final[Schema] = schema_ref("Status")
ORDER_TYPE: Final[Schema] = schema_ref("OrderType")
TIME_IN_FORCE: Final[Schema] = schema_ref("TimeInForce")
DEX: Final[Schema] = schema_ref("Dex")

CODE: Final[Schema] = {
    "type": "string",
    "pattern": "^[a-z0-9_]+$",
    "description": "A stable word for programs.",
}
POSITIVE_INTEGER: Final[Schema] = {"type": "integer", "minimum": 1}
BASIS_POINTS: Final[Schema] = {"type": "integer", "minimum": 0, "maximum": BPS}
REALIZED_SLIPPAGE: Final[Schema] = {
    "type": "string",
    "pattern": r"^-?\d+(\.\d+)?$",
    "description": "How much less than the quote was received, as a fraction of the quote; below 0"
    " if it was more.",
}
MAY_LAND_UNTIL: Final[Schema] = {
    "type": "integer",
    "minimum": 0,
    "description": "The last block height at which the transaction can land, while the order is"
    " submitted.",
}
TOKEN_AMOUNT: Final[Schema] = object_schema({"token": STRING, "amount": AMOUNT})
VENUE_FEES: Final[Schema] = {
    **array_schema(TOKEN_AMOUNT),
    "description": "What the venues keep, by the chosen quotes, in token units.",
}
RESIDUALS: Final[Schema] = {
    **array_schema(TOKEN_AMOUNT, minItems=1),
    "description": "What a route through other tokens leaves of them in the wallet, as each hop"
    " takes what the one before it pays at least: expected in a route, as the chain shows it in"
    " `confirmed`.",
}

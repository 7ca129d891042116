"""JSON Schemas of routes and quotes, as responses, events and sockets have them."""

from __future__ import annotations

from typing import Final

from backend.api.documents.schema_parts import (
    AMOUNT,
    CODE,
    DEX,
    FRACTION,
    POSITIVE_INTEGER,
    RESIDUALS,
    STRING,
    VENUE_FEES,
    Schema,
    array_schema,
    nullable_schema,
    object_schema,
    schema_ref,
)
from backend.domain.route_constraints import NAMES_BY_PROGRAM

_PROGRAM: Final[Schema] = schema_ref("Program")
_POOL: Final[Schema] = {"type": "string", "description": "The address of a pool."}

ROUTE: Final[Schema] = {
    "dex": DEX,
    "program": _PROGRAM,
    "pool": _POOL,
    "legs": array_schema(schema_ref("Leg"), minItems=2),
    "expectedAmountOut": {**AMOUNT, "description": "What the legs pay of the token out."},
    "priceImpact": FRACTION,
    "improvementBps": {
        **nullable_schema(AMOUNT),
        "description": "How much more the legs pay than the best pool of the pair alone, in basis"
        " points; null if none of them takes the whole amount.",
    },
    "quotes": array_schema(schema_ref("Quote")),
    "leftOut": {**POSITIVE_INTEGER, "description": "How many pools of the pair were not quoted."},
    "minAmountOut": AMOUNT,
    "venueFees": VENUE_FEES,
    "residuals": RESIDUALS,
    "value": {
        **object_schema({"token": STRING, "amount": AMOUNT}),
        "description": "What the swap was worth in the reference token, if it is of other tokens.",
    },
    "unavailable": array_schema(schema_ref("Unavailable"), minItems=1),
}
"""With several legs, `dex`, `program` and `pool` are those of the leg that pays most."""

ROUTE_OPTIONAL: Final = (
    *("program", "pool"),  # orders of earlier versions have none
    *("legs", "expectedAmountOut", "priceImpact", "improvementBps"),
    *("leftOut", "residuals", "value", "unavailable", "venueFees"),
)

ROUTE_SCHEMAS: Final[dict[str, Schema]] = {
    "Program": {
        "type": "string",
        "enum": list(NAMES_BY_PROGRAM),
        "description": "A program of an exchange.",
    },
    "Quote": object_schema(
        {
            "dex": DEX,
            "program": _PROGRAM,
            "pool": _POOL,
            "price": AMOUNT,
            "fee": FRACTION,
            "amountOut": AMOUNT,
            "priceImpact": FRACTION,
            "refused": object_schema({"code": CODE, "reason": STRING}),
        },
        optional=("program", "pool", "refused"),
    ),
    "Leg": object_schema(
        {
            "dex": DEX,
            "program": _PROGRAM,
            "pool": _POOL,
            "tokenIn": STRING,
            "tokenOut": STRING,
            "amountIn": AMOUNT,
            "amountOut": AMOUNT,
            "share": {**AMOUNT, "description": "Its part of what its hop takes, as a fraction."},
            "fee": FRACTION,
            "priceImpact": FRACTION,
            "minAmountOut": {**AMOUNT, "description": "What its pool's program enforces."},
        }
    ),
    "Unavailable": object_schema(
        {"dex": DEX, "program": _PROGRAM, "pool": _POOL, "code": CODE, "reason": STRING},
        optional=("program", "pool"),
    ),
    "Route": object_schema(ROUTE, optional=ROUTE_OPTIONAL),
}

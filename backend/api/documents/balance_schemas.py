"""The JSON Schema of the wallets' balances."""

from __future__ import annotations

from typing import Final

from backend.api.documents.schema_parts import (
    AMOUNT,
    NON_NEGATIVE_INTEGER,
    STRING,
    TIME,
    Schema,
    array_schema,
    object_schema,
)

_SIGNED_AMOUNT: Final[Schema] = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}

BALANCES: Final[Schema] = object_schema(
    {
        "wallets": array_schema(
            object_schema(
                {
                    "wallet": STRING,
                    "slot": NON_NEGATIVE_INTEGER,
                    "ordersInFlight": NON_NEGATIVE_INTEGER,
                    "balances": array_schema(
                        object_schema(
                            {"token": STRING, "held": AMOUNT, "reserved": AMOUNT, "free": AMOUNT}
                        )
                    ),
                }
            )
        ),
        "differences": array_schema(
            object_schema(
                {
                    "at": TIME,
                    "wallet": STRING,
                    "token": STRING,
                    "amount": _SIGNED_AMOUNT,
                    "slot": NON_NEGATIVE_INTEGER,
                }
            )
        ),
    }
)

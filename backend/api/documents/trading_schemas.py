"""The JSON Schemas of trading states."""

from __future__ import annotations

from typing import Final

from backend.api.documents.schema_parts import (
    NON_NEGATIVE_INTEGER,
    STRING,
    TIME,
    Schema,
    array_schema,
    nullable_schema,
    object_schema,
    schema_ref,
)
from backend.domain.trading.states import Scope, TradingState

HELD: Final[Schema] = {
    **STRING,
    "description": "Why it is not executed yet: the trading state that holds it, as a sentence.",
}
STOPPED: Final[Schema] = {
    **array_schema(STRING),
    "description": "A sentence for each trading state that stops orders of the caller.",
}

TRADING_SCHEMAS: Final[dict[str, Schema]] = {
    "TradingRule": object_schema(
        {
            "scope": {"enum": [scope.value for scope in Scope]},
            "subject": {
                **nullable_schema(STRING),
                "description": "The owner, the pair or the exchange; null for all orders.",
            },
            "state": {"enum": [TradingState.REDUCING.value, TradingState.HALTED.value]},
            "why": STRING,
            "setBy": STRING,
            "since": TIME,
            "reference": {
                **nullable_schema(STRING),
                "description": "The token into which orders may still sell while `REDUCING`.",
            },
            "sentence": STRING,
        }
    ),
    "Halt": object_schema({"halt": schema_ref("TradingRule"), "cancelled": NON_NEGATIVE_INTEGER}),
    "Resumed": object_schema({"resumed": nullable_schema(schema_ref("TradingRule"))}),
    "Halts": object_schema({"halts": array_schema(schema_ref("TradingRule"))}),
}

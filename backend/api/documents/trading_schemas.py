"""The JSON Schemas of trading states and limits."""

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
from backend.domain.limits.order_limits import AMOUNTS, REFERENCE, LimitName
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

EXCEEDED: Final[Schema] = {
    **object_schema(
        {
            "limitName": STRING,
            "limit": STRING,
            "value": STRING,
            "left": nullable_schema(STRING),
            "token": STRING,
            "pools": NON_NEGATIVE_INTEGER,
            "ageMsMax": NON_NEGATIVE_INTEGER,
        },
        optional=("token", "pools", "ageMsMax"),
    ),
    "description": "The limit of the owner that the order exceeds, and by what.",
}
COMPARED: Final[Schema] = {
    **object_schema(
        {"distanceBps": STRING, "pools": NON_NEGATIVE_INTEGER, "ageMsMax": NON_NEGATIVE_INTEGER}
    ),
    "description": "How much less the route pays than the median of the pair's pools; only while"
    " an owner has `maxReferenceDistanceBps`.",
}
_LISTS: Final = frozenset({LimitName.ALLOWED_MINTS, LimitName.DENIED_MINTS})
_USED: Final = (
    LimitName.ORDERS_PER_SECOND,
    LimitName.OPEN_ORDERS,
    LimitName.DAILY_VOLUME,
    LimitName.DAILY_LOSS,
)


def _schema_of(name: LimitName) -> Schema:
    if name in _LISTS:
        return array_schema(STRING)
    is_text = name in AMOUNTS or name is LimitName.ON_DAILY_LOSS
    return STRING if is_text else NON_NEGATIVE_INTEGER


def _describe_limits(names: tuple[LimitName, ...], *, is_nullable: bool = False) -> Schema:
    properties = {name.value: _schema_of(name) for name in names}
    if is_nullable:
        properties = {name: nullable_schema(each) for name, each in properties.items()}
        properties[REFERENCE] = STRING
    return {"type": "object", "properties": properties, "additionalProperties": False}


_OWN: Final = _describe_limits(tuple(LimitName), is_nullable=True)

LIMIT_SCHEMAS: Final[dict[str, Schema]] = {
    "LimitSet": {**_OWN, "description": "Amounts are in the token `reference`; null is no limit."},
    "Limits": object_schema(
        {
            "owner": STRING,
            "limits": schema_ref("LimitSet"),
            "used": _describe_limits(_USED),
            "left": _describe_limits(_USED),
            "reference": STRING,
            "day": {**STRING, "format": "date", "description": "Of volume and loss, in UTC."},
            "isLossNear": {
                "type": "boolean",
                "description": "Whether four fifths of `maxDailyLoss` are reached.",
            },
            "lossState": {
                "enum": [TradingState.REDUCING.value, TradingState.HALTED.value, None],
                "description": "What `maxDailyLoss` has set; only a person resumes.",
            },
            "stopped": array_schema(STRING),
        }
    ),
    "LimitRow": object_schema(
        {
            "owner": {**nullable_schema(STRING), "description": "Null for every owner."},
            "limits": schema_ref("LimitSet"),
            "setBy": STRING,
            "since": TIME,
        }
    ),
    "LimitRows": object_schema({"limits": array_schema(schema_ref("LimitRow"))}),
    "LimitsRemoved": object_schema({"removed": nullable_schema(STRING)}),
}

"""JSON Schemas of the API's responses; tests validate real responses against them."""

from __future__ import annotations

from typing import Final

from backend.api.documents.accounting_schemas import ACCOUNTING_SCHEMAS, PAIR_BAR
from backend.api.documents.balance_schemas import BALANCES
from backend.api.documents.condition_schemas import BRACKET, GUARDS, MARKET
from backend.api.documents.constraint_schemas import CONSTRAINTS, FEES
from backend.api.documents.order_schemas import EVENTS, ORDER
from backend.api.documents.route_schemas import ROUTE, ROUTE_OPTIONAL, ROUTE_SCHEMAS
from backend.api.documents.schema_parts import (
    ACCEPTED_STATUS,
    AMOUNT,
    BASIS_POINTS,
    BOOLEAN,
    CODE,
    CURSOR,
    ID,
    NAMED_VALUES,
    NON_NEGATIVE_INTEGER,
    POSITIVE_INTEGER,
    STRING,
    TIME,
    Schema,
    array_schema,
    nullable_schema,
    object_schema,
    schema_ref,
)
from backend.api.documents.slice_schemas import SLICES_FIELDS
from backend.api.documents.trading_schemas import (
    HELD,
    LIMIT_SCHEMAS,
    STOPPED,
    TRADING_SCHEMAS,
)
from backend.api.documents.webhooks.webhook_schemas import WEBHOOK_SCHEMAS
from backend.domain.lifecycle import Status

_OPEN_TRANSACTION_FIELDS: Final[Schema] = {
    "pid": POSITIVE_INTEGER,
    "applicationName": STRING,
    "database": STRING,
    "preparedAs": STRING,
}
_OPEN_TRANSACTION: Final[Schema] = object_schema(
    _OPEN_TRANSACTION_FIELDS, optional=tuple(_OPEN_TRANSACTION_FIELDS)
)

_IS_MET_NOW: Final[Schema] = {
    **BOOLEAN,
    "description": "Whether the price that it waits for is met already: then it is executed at"
    " once. Only of a new order that waits, where the market is known without a wait.",
}

SCHEMAS: Final[dict[str, Schema]] = {
    **NAMED_VALUES,
    "Problem": object_schema(
        {
            "type": {"type": "string", "format": "uri-reference"},
            "title": STRING,
            "status": NON_NEGATIVE_INTEGER,
            "detail": STRING,
            "code": CODE,
            "instance": STRING,
            "requestId": STRING,
            "errors": array_schema(
                object_schema({"field": STRING, "code": CODE, "reason": STRING}),
                minItems=1,
                maxItems=20,
            ),
        },
        optional=("instance", "requestId", "errors"),
        is_extensible=True,
    ),
    "Queued": object_schema(
        {
            "status": ACCEPTED_STATUS,
            "orderId": ID,
            "ws_url": {"type": "string", "format": "uri-reference"},
            "statusUrl": STRING,
            "createdAt": TIME,
            "clientOrderId": STRING,
            "isMetNow": _IS_MET_NOW,
            "held": HELD,
        },
        optional=("clientOrderId", "isMetNow", "held"),
    ),
    "Batch": object_schema(
        {
            "batchId": nullable_schema(ID),
            "accepted": NON_NEGATIVE_INTEGER,
            "refused": NON_NEGATIVE_INTEGER,
            "ws_url": nullable_schema(STRING),
            "orders": array_schema(
                {
                    "oneOf": [
                        object_schema(
                            {
                                "orderId": ID,
                                "status": ACCEPTED_STATUS,
                                "clientOrderId": STRING,
                                "isMetNow": _IS_MET_NOW,
                                "held": HELD,
                                "replayed": {
                                    "type": "boolean",
                                    "description": "True if an earlier request placed it.",
                                },
                            },
                            optional=("clientOrderId", "isMetNow", "held", "replayed"),
                        ),
                        object_schema({"problem": schema_ref("Problem")}),
                    ]
                }
            ),
        }
    ),
    "Bracket": BRACKET,
    "Order": object_schema(
        ORDER, optional=("steps", "outage", *MARKET, *SLICES_FIELDS, *GUARDS, *CONSTRAINTS, *FEES)
    ),
    "OrderList": object_schema(
        {
            "orders": array_schema(schema_ref("Order")),
            "next": nullable_schema(CURSOR),
            "completeUntil": {
                **nullable_schema(TIME),
                "description": "On the first page of a list with `from` or `updatedSince`: no order"
                " with a time before this one appears later, so this is the `from` or"
                " `updatedSince` of the next poll. It is earlier than now by as long as the oldest"
                " transaction that is writing orders has run. `null` for other lists, and while"
                " the database does not tell it: then poll again from the last one.",
            },
        }
    ),
    "Cancellations": object_schema(
        {
            "cancelled": {
                **array_schema(ID),
                "description": "These will never be executed.",
            },
            "tooLate": {
                **array_schema(ID),
                "description": "These were submitted, or have ended meanwhile.",
            },
            "next": nullable_schema(CURSOR),
        }
    ),
    "CancelTimer": object_schema(
        {
            "seconds": {
                **NON_NEGATIVE_INTEGER,
                "description": "As it was set last; 0 if it is off, or never was set.",
            },
            "triggerTime": {
                **nullable_schema(TIME),
                "description": "When it cancels; null if it is off or has triggered.",
            },
            "lastTriggerTime": {
                **nullable_schema(TIME),
                "description": "When it last triggered; null if it never did.",
            },
            "cancelling": {
                **BOOLEAN,
                "description": "Whether orders that were accepted up to `lastTriggerTime` are open"
                " yet.",
            },
        }
    ),
    "OrderEvents": object_schema({"orderId": ID, "events": array_schema(schema_ref("Event"))}),
    "Event": {"oneOf": [schema_ref(name) for name in EVENTS]},
    **EVENTS,
    **ROUTE_SCHEMAS,
    "Quotes": object_schema(
        {
            "tokenIn": STRING,
            "tokenOut": STRING,
            "amountIn": AMOUNT,
            "slippageBps": NON_NEGATIVE_INTEGER,
            "maxPriceImpactBps": BASIS_POINTS,
            **ROUTE,
        },
        optional=ROUTE_OPTIONAL,
    ),
    "Stats": object_schema(
        {
            "at": TIME,
            "cursor": CURSOR,
            "total": NON_NEGATIVE_INTEGER,
            "open": NON_NEGATIVE_INTEGER,
            "byStatus": object_schema({status.value: NON_NEGATIVE_INTEGER for status in Status}),
            "stopped": STOPPED,
            "cluster": STRING,
        }
    ),
    "Balances": BALANCES,
    **ACCOUNTING_SCHEMAS,
    **LIMIT_SCHEMAS,
    **TRADING_SCHEMAS,
    **WEBHOOK_SCHEMAS,
    "Ticket": object_schema({"ticket": STRING, "expiresInS": POSITIVE_INTEGER}),
    "Health": object_schema({"status": {"const": "ok"}}),
    "Readiness": object_schema(
        {
            "status": {"const": "ready"},
            "checks": {
                "type": "object",
                "additionalProperties": object_schema(
                    {
                        "ok": BOOLEAN,
                        "reason": STRING,
                        "lagSeconds": {"type": "number", "minimum": 0},
                        "waitsFor": _OPEN_TRANSACTION,
                        "stopped": array_schema(STRING),
                    },
                    optional=("reason", "lagSeconds", "waitsFor", "stopped"),
                ),
            },
        }
    ),
    "Hello": object_schema(
        {
            "hello": object_schema(
                {
                    "epoch": ID,
                    "at": TIME,
                    "cursor": CURSOR,
                    "reset": BOOLEAN,
                    "heartbeatS": {"type": "number", "exclusiveMinimum": 0},
                }
            )
        }
    ),
    "Frame": array_schema(schema_ref("Event"), minItems=1),
    "Heartbeat": object_schema({"heartbeat": object_schema({"at": TIME, "cursor": CURSOR})}),
    "NewPrices": object_schema({"prices": array_schema(PAIR_BAR, minItems=1)}),
    "Bye": object_schema({"bye": object_schema({"reason": STRING})}),
}

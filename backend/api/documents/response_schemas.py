"""JSON Schemas of the API's responses; tests validate real responses against them."""

from __future__ import annotations

from typing import Final

from backend.api.documents.schema_parts import (
    ACCEPTED_STATUS,
    AMOUNT,
    BASIS_POINTS,
    BOOLEAN,
    CODE,
    CURSOR,
    DEX,
    ID,
    NON_NEGATIVE_INTEGER,
    ORDER_TYPE,
    POSITIVE_INTEGER,
    STATUS,
    STRING,
    TIME,
    Schema,
    array_schema,
    nullable_schema,
    object_schema,
    schema_ref,
)
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

_ROUTE: Final[Schema] = {
    "dex": DEX,
    "quotes": array_schema(schema_ref("Quote"), minItems=1),
    "minAmountOut": AMOUNT,
    "unavailable": array_schema(schema_ref("Unavailable"), minItems=1),
}

_ORDER: Final[Schema] = {
    "orderId": ID,
    "clientOrderId": nullable_schema(STRING),
    "batchId": nullable_schema(ID),
    "type": ORDER_TYPE,
    "tokenIn": STRING,
    "tokenOut": STRING,
    "amountIn": AMOUNT,
    "minAmountOut": nullable_schema(AMOUNT),
    "slippageBps": NON_NEGATIVE_INTEGER,
    "maxPriceImpactBps": nullable_schema(BASIS_POINTS),
    "status": STATUS,
    "seq": NON_NEGATIVE_INTEGER,
    "attempts": NON_NEGATIVE_INTEGER,
    "dex": nullable_schema(DEX),
    "route": nullable_schema(schema_ref("Route")),
    "txHash": nullable_schema(STRING),
    "amountOut": nullable_schema(AMOUNT),
    "amountKnown": {
        "type": "boolean",
        "description": "Whether `amountOut` is known. False for a confirmed order means that it"
        " was executed, and that no node with transaction history has told the amount yet; it is"
        " at least `route.minAmountOut`.",
    },
    "executedPrice": nullable_schema(AMOUNT),
    "lastError": nullable_schema(STRING),
    "nextAttemptAt": nullable_schema(TIME),
    "createdAt": TIME,
    "updatedAt": TIME,
}

_ORDER_TERMS: Final[Schema] = {
    "type": ORDER_TYPE,
    "tokenIn": STRING,
    "tokenOut": STRING,
    "amountIn": AMOUNT,
    "minAmountOut": AMOUNT,
    "slippageBps": BASIS_POINTS,
    "maxPriceImpactBps": BASIS_POINTS,
    "batchId": ID,
    "clientOrderId": STRING,
}
_FILL: Final[Schema] = {
    "dex": DEX,
    "txHash": STRING,
    "executedPrice": nullable_schema(AMOUNT),
    "amountOut": nullable_schema(AMOUNT),
    "amountKnown": {
        "const": False,
        "description": "Only where the amount is not known yet: `amountOut` and `executedPrice` are"
        " null, at least `minAmountOut` was received. No event tells the amount; the order does.",
    },
    "minAmountOut": nullable_schema(AMOUNT),
    "slot": NON_NEGATIVE_INTEGER,
}


def _event_schema(status: Schema, added: Schema, *optional: str) -> Schema:
    """The schema of an event: the envelope and the properties that this status adds."""
    envelope: Schema = {
        "orderId": ID,
        "seq": POSITIVE_INTEGER,
        "status": status,
        "at": TIME,
        "attempt": POSITIVE_INTEGER,
        "cursor": CURSOR,
    }
    return object_schema({**envelope, **added}, optional=("cursor", *optional))


def _status_const(status: Status) -> Schema:
    return {"const": status.value}


_RETRY: Final[Schema] = {
    "code": CODE,
    "reason": STRING,
    "waitMs": NON_NEGATIVE_INTEGER,
    "txHash": STRING,
}
_FAILURE: Final[Schema] = {"code": CODE, "reason": STRING, "txHash": STRING}
_EVENTS: Final[dict[str, Schema]] = {
    "PendingEvent": _event_schema(
        _status_const(Status.PENDING),
        _ORDER_TERMS,
        "minAmountOut",
        "maxPriceImpactBps",
        "batchId",
        "clientOrderId",
    ),
    "RoutingEvent": _event_schema(_status_const(Status.ROUTING), _RETRY, *_RETRY),
    "BuildingEvent": _event_schema(_status_const(Status.BUILDING), _ROUTE, "unavailable"),
    "SubmittedEvent": _event_schema(_status_const(Status.SUBMITTED), {"txHash": STRING}),
    "ConfirmedEvent": _event_schema(
        _status_const(Status.CONFIRMED), _FILL, "amountKnown", "minAmountOut"
    ),
    "FailedEvent": _event_schema(_status_const(Status.FAILED), _FAILURE, "txHash"),
    "WithdrawnEvent": _event_schema({"enum": [Status.CANCELLED.value, Status.EXPIRED.value]}, {}),
}

SCHEMAS: Final[dict[str, Schema]] = {
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
        },
        optional=("clientOrderId",),
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
                                "replayed": {"const": True},
                            },
                            optional=("clientOrderId", "replayed"),
                        ),
                        object_schema({"problem": schema_ref("Problem")}),
                    ]
                }
            ),
        }
    ),
    "Order": object_schema(_ORDER),
    "OrderList": object_schema(
        {"orders": array_schema(schema_ref("Order")), "next": nullable_schema(CURSOR)}
    ),
    "OrderEvents": object_schema({"orderId": ID, "events": array_schema(schema_ref("Event"))}),
    "Event": {"oneOf": [schema_ref(name) for name in _EVENTS]},
    **_EVENTS,
    "Quote": object_schema(
        {
            "dex": DEX,
            "price": AMOUNT,
            "fee": AMOUNT,
            "amountOut": AMOUNT,
            "priceImpact": AMOUNT,
            "refused": object_schema({"code": CODE, "reason": STRING}),
        },
        optional=("refused",),
    ),
    "Unavailable": object_schema({"dex": DEX, "code": CODE, "reason": STRING}),
    "Route": object_schema(_ROUTE, optional=("unavailable",)),
    "Quotes": object_schema(
        {
            "tokenIn": STRING,
            "tokenOut": STRING,
            "amountIn": AMOUNT,
            "slippageBps": NON_NEGATIVE_INTEGER,
            "maxPriceImpactBps": BASIS_POINTS,
            **_ROUTE,
        },
        optional=("unavailable",),
    ),
    "Stats": object_schema(
        {
            "at": TIME,
            "cursor": CURSOR,
            "total": NON_NEGATIVE_INTEGER,
            "open": NON_NEGATIVE_INTEGER,
            "byStatus": object_schema({status.value: NON_NEGATIVE_INTEGER for status in Status}),
        }
    ),
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
                    },
                    optional=("reason", "lagSeconds", "waitsFor"),
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
    "Bye": object_schema({"bye": object_schema({"reason": STRING})}),
}

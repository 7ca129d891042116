"""JSON Schemas of the API's responses; tests validate real responses against them."""

from __future__ import annotations

from typing import Final

from backend.domain.amounts import BPS
from backend.domain.lifecycle import Status
from backend.domain.orders import OrderType
from backend.domain.quotes import Dex

Schema = dict[str, object]

_ID: Final[Schema] = {"type": "string", "format": "uuid"}
_TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_NON_NEGATIVE_INTEGER: Final[Schema] = {"type": "integer", "minimum": 0}
_STRING: Final[Schema] = {"type": "string"}
_BOOLEAN: Final[Schema] = {"type": "boolean"}
_AMOUNT: Final[Schema] = {
    "type": "string",
    "pattern": r"^\d+(\.\d+)?$",
    "description": "A decimal in token units.",
}
_STATUS: Final[Schema] = {"type": "string", "enum": [status.value for status in Status]}
_ORDER_TYPE: Final[Schema] = {"type": "string", "enum": [kind.value for kind in OrderType]}
_DEX: Final[Schema] = {"type": "string", "enum": [dex.value for dex in Dex]}
_CURSOR: Final[Schema] = {"type": "string", "description": "Opaque: give it back as it is."}


def _object_schema(
    properties: Schema, *, optional: tuple[str, ...] = (), is_extensible: bool = False
) -> Schema:
    schema: Schema = {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }
    return schema if is_extensible else {**schema, "additionalProperties": False}


def _array_schema(items: Schema, **bounds: int) -> Schema:
    return {"type": "array", "items": items, **bounds}


def _nullable_schema(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def schema_ref(name: str) -> Schema:
    """A reference to a schema of the OpenAPI document."""
    return {"$ref": f"#/components/schemas/{name}"}


_CODE: Final[Schema] = {
    "type": "string",
    "pattern": "^[a-z0-9_]+$",
    "description": "A stable word for programs.",
}
_POSITIVE_INTEGER: Final[Schema] = {"type": "integer", "minimum": 1}
_BASIS_POINTS: Final[Schema] = {"type": "integer", "minimum": 0, "maximum": BPS}
_OPEN_TRANSACTION_FIELDS: Final[Schema] = {
    "pid": _POSITIVE_INTEGER,
    "applicationName": _STRING,
    "database": _STRING,
    "preparedAs": _STRING,
}
_OPEN_TRANSACTION: Final[Schema] = _object_schema(
    _OPEN_TRANSACTION_FIELDS, optional=tuple(_OPEN_TRANSACTION_FIELDS)
)

_ROUTE: Final[Schema] = {
    "dex": _DEX,
    "quotes": _array_schema(schema_ref("Quote"), minItems=1),
    "minAmountOut": _AMOUNT,
    "unavailable": _array_schema(schema_ref("Unavailable"), minItems=1),
}

_ORDER: Final[Schema] = {
    "orderId": _ID,
    "clientOrderId": _nullable_schema(_STRING),
    "batchId": _nullable_schema(_ID),
    "type": _ORDER_TYPE,
    "tokenIn": _STRING,
    "tokenOut": _STRING,
    "amountIn": _AMOUNT,
    "minAmountOut": _nullable_schema(_AMOUNT),
    "slippageBps": _NON_NEGATIVE_INTEGER,
    "maxPriceImpactBps": _nullable_schema(_BASIS_POINTS),
    "status": _STATUS,
    "seq": _NON_NEGATIVE_INTEGER,
    "attempts": _NON_NEGATIVE_INTEGER,
    "dex": _nullable_schema(_DEX),
    "route": _nullable_schema(schema_ref("Route")),
    "txHash": _nullable_schema(_STRING),
    "amountOut": _nullable_schema(_AMOUNT),
    "amountKnown": {
        "type": "boolean",
        "description": "Whether `amountOut` is known. False for a confirmed order means that it"
        " was executed, and that no node with transaction history has told the amount yet; it is"
        " at least `route.minAmountOut`.",
    },
    "executedPrice": _nullable_schema(_AMOUNT),
    "lastError": _nullable_schema(_STRING),
    "nextAttemptAt": _nullable_schema(_TIME),
    "createdAt": _TIME,
    "updatedAt": _TIME,
}

_ORDER_TERMS: Final[Schema] = {
    "type": _ORDER_TYPE,
    "tokenIn": _STRING,
    "tokenOut": _STRING,
    "amountIn": _AMOUNT,
    "minAmountOut": _AMOUNT,
    "slippageBps": _BASIS_POINTS,
    "maxPriceImpactBps": _BASIS_POINTS,
    "batchId": _ID,
    "clientOrderId": _STRING,
}
_FILL: Final[Schema] = {
    "dex": _DEX,
    "txHash": _STRING,
    "executedPrice": _nullable_schema(_AMOUNT),
    "amountOut": _nullable_schema(_AMOUNT),
    "amountKnown": {
        "const": False,
        "description": "Only where the amount is not known yet: `amountOut` and `executedPrice` are"
        " null, at least `minAmountOut` was received. No event tells the amount; the order does.",
    },
    "minAmountOut": _nullable_schema(_AMOUNT),
    "slot": _NON_NEGATIVE_INTEGER,
}


def _event_schema(status: Schema, added: Schema, *optional: str) -> Schema:
    """The schema of an event: the envelope and the properties that this status adds."""
    envelope: Schema = {
        "orderId": _ID,
        "seq": _POSITIVE_INTEGER,
        "status": status,
        "at": _TIME,
        "attempt": _POSITIVE_INTEGER,
        "cursor": _CURSOR,
    }
    return _object_schema({**envelope, **added}, optional=("cursor", *optional))


def _status_const(status: Status) -> Schema:
    return {"const": status.value}


_RETRY: Final[Schema] = {
    "code": _CODE,
    "reason": _STRING,
    "waitMs": _NON_NEGATIVE_INTEGER,
    "txHash": _STRING,
}
_FAILURE: Final[Schema] = {"code": _CODE, "reason": _STRING, "txHash": _STRING}
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
    "SubmittedEvent": _event_schema(_status_const(Status.SUBMITTED), {"txHash": _STRING}),
    "ConfirmedEvent": _event_schema(
        _status_const(Status.CONFIRMED), _FILL, "amountKnown", "minAmountOut"
    ),
    "FailedEvent": _event_schema(_status_const(Status.FAILED), _FAILURE, "txHash"),
    "WithdrawnEvent": _event_schema({"enum": [Status.CANCELLED.value, Status.EXPIRED.value]}, {}),
}

SCHEMAS: Final[dict[str, Schema]] = {
    "Problem": _object_schema(
        {
            "type": {"type": "string", "format": "uri-reference"},
            "title": _STRING,
            "status": _NON_NEGATIVE_INTEGER,
            "detail": _STRING,
            "code": _CODE,
            "instance": _STRING,
            "errors": _array_schema(
                _object_schema({"field": _STRING, "code": _CODE, "reason": _STRING}),
                minItems=1,
                maxItems=20,
            ),
        },
        optional=("instance", "errors"),
        is_extensible=True,
    ),
    "Queued": _object_schema(
        {
            "status": {"const": "queued"},
            "orderId": _ID,
            "ws_url": {"type": "string", "format": "uri-reference"},
            "statusUrl": _STRING,
            "createdAt": _TIME,
            "clientOrderId": _STRING,
        },
        optional=("clientOrderId",),
    ),
    "Batch": _object_schema(
        {
            "batchId": _nullable_schema(_ID),
            "accepted": _NON_NEGATIVE_INTEGER,
            "refused": _NON_NEGATIVE_INTEGER,
            "ws_url": _nullable_schema(_STRING),
            "orders": _array_schema(
                {
                    "oneOf": [
                        _object_schema(
                            {
                                "orderId": _ID,
                                "clientOrderId": _STRING,
                                "replayed": {"const": True},
                            },
                            optional=("clientOrderId", "replayed"),
                        ),
                        _object_schema({"problem": schema_ref("Problem")}),
                    ]
                }
            ),
        }
    ),
    "Order": _object_schema(_ORDER),
    "OrderList": _object_schema(
        {"orders": _array_schema(schema_ref("Order")), "next": _nullable_schema(_CURSOR)}
    ),
    "OrderEvents": _object_schema({"orderId": _ID, "events": _array_schema(schema_ref("Event"))}),
    "Event": {"oneOf": [schema_ref(name) for name in _EVENTS]},
    **_EVENTS,
    "Quote": _object_schema(
        {
            "dex": _DEX,
            "price": _AMOUNT,
            "fee": _AMOUNT,
            "amountOut": _AMOUNT,
            "priceImpact": _AMOUNT,
            "refused": _object_schema({"code": _CODE, "reason": _STRING}),
        },
        optional=("refused",),
    ),
    "Unavailable": _object_schema({"dex": _DEX, "code": _CODE, "reason": _STRING}),
    "Route": _object_schema(_ROUTE, optional=("unavailable",)),
    "Quotes": _object_schema(
        {
            "tokenIn": _STRING,
            "tokenOut": _STRING,
            "amountIn": _AMOUNT,
            "slippageBps": _NON_NEGATIVE_INTEGER,
            "maxPriceImpactBps": _BASIS_POINTS,
            **_ROUTE,
        },
        optional=("unavailable",),
    ),
    "Stats": _object_schema(
        {
            "at": _TIME,
            "cursor": _CURSOR,
            "total": _NON_NEGATIVE_INTEGER,
            "open": _NON_NEGATIVE_INTEGER,
            "byStatus": _object_schema({status.value: _NON_NEGATIVE_INTEGER for status in Status}),
        }
    ),
    "Health": _object_schema({"status": {"const": "ok"}}),
    "Readiness": _object_schema(
        {
            "status": {"const": "ready"},
            "checks": {
                "type": "object",
                "additionalProperties": _object_schema(
                    {
                        "ok": _BOOLEAN,
                        "reason": _STRING,
                        "lagSeconds": {"type": "number", "minimum": 0},
                        "waitsFor": _OPEN_TRANSACTION,
                    },
                    optional=("reason", "lagSeconds", "waitsFor"),
                ),
            },
        }
    ),
    "Hello": _object_schema(
        {
            "hello": _object_schema(
                {
                    "epoch": _ID,
                    "at": _TIME,
                    "cursor": _CURSOR,
                    "reset": _BOOLEAN,
                    "heartbeatS": {"type": "number", "exclusiveMinimum": 0},
                }
            )
        }
    ),
    "Frame": _array_schema(schema_ref("Event"), minItems=1),
    "Heartbeat": _object_schema({"heartbeat": _object_schema({"at": _TIME, "cursor": _CURSOR})}),
    "Bye": _object_schema({"bye": _object_schema({"reason": _STRING})}),
}

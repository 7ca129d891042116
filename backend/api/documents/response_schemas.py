"""The shapes of what the API answers, as JSON Schema; tests hold real answers against them."""

from __future__ import annotations

from typing import Final

from backend.domain.amounts import BPS
from backend.domain.lifecycle import Status
from backend.domain.orders import OrderType
from backend.domain.quotes import Dex

Schema = dict[str, object]

_ID: Final[Schema] = {"type": "string", "format": "uuid"}
_TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_WHOLE: Final[Schema] = {"type": "integer", "minimum": 0}
_TEXT: Final[Schema] = {"type": "string"}
_TRUE_OR_FALSE: Final[Schema] = {"type": "boolean"}
_AMOUNT: Final[Schema] = {
    "type": "string",
    "pattern": r"^\d+(\.\d+)?$",
    "description": "A decimal in token units.",
}
_STATUS: Final[Schema] = {"type": "string", "enum": [status.value for status in Status]}
_TYPE: Final[Schema] = {"type": "string", "enum": [kind.value for kind in OrderType]}
_DEX: Final[Schema] = {"type": "string", "enum": [dex.value for dex in Dex]}
_CURSOR: Final[Schema] = {"type": "string", "description": "Opaque: give it back as it is."}


def _object(properties: Schema, *, optional: tuple[str, ...] = (), is_open: bool = False) -> Schema:
    schema: Schema = {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }
    return schema if is_open else {**schema, "additionalProperties": False}


def _array(items: Schema, **bounds: int) -> Schema:
    return {"type": "array", "items": items, **bounds}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def ref(name: str) -> Schema:
    """A reference to a schema of the OpenAPI document."""
    return {"$ref": f"#/components/schemas/{name}"}


_CODE: Final[Schema] = {
    "type": "string",
    "pattern": "^[a-z0-9_]+$",
    "description": "A stable word for programs.",
}
_POSITIVE: Final[Schema] = {"type": "integer", "minimum": 1}

_ROUTE: Final[Schema] = {
    "dex": _DEX,
    "quotes": _array(ref("Quote"), minItems=1),
    "minAmountOut": _AMOUNT,
    "unavailable": _array(ref("Unavailable"), minItems=1),
}

_ORDER: Final[Schema] = {
    "orderId": _ID,
    "clientOrderId": _or_null(_TEXT),
    "batchId": _or_null(_ID),
    "type": _TYPE,
    "tokenIn": _TEXT,
    "tokenOut": _TEXT,
    "amountIn": _AMOUNT,
    "minAmountOut": _or_null(_AMOUNT),
    "slippageBps": _WHOLE,
    "status": _STATUS,
    "seq": _WHOLE,
    "attempts": _WHOLE,
    "dex": _or_null(_DEX),
    "route": _or_null(ref("Route")),
    "txHash": _or_null(_TEXT),
    "amountOut": _or_null(_AMOUNT),
    "executedPrice": _or_null(_AMOUNT),
    "lastError": _or_null(_TEXT),
    "nextAttemptAt": _or_null(_TIME),
    "createdAt": _TIME,
    "updatedAt": _TIME,
}

_ASKED: Final[Schema] = {
    "type": _TYPE,
    "tokenIn": _TEXT,
    "tokenOut": _TEXT,
    "amountIn": _AMOUNT,
    "minAmountOut": _AMOUNT,
    "slippageBps": {"type": "integer", "minimum": 0, "maximum": BPS},
    "batchId": _ID,
    "clientOrderId": _TEXT,
}
_LANDED: Final[Schema] = {
    "dex": _DEX,
    "txHash": _TEXT,
    "executedPrice": _AMOUNT,
    "amountOut": _AMOUNT,
    "slot": _WHOLE,
}


def _event(status: Schema, known: Schema, *optional: str) -> Schema:
    """An event of a status, with what is known then."""
    envelope: Schema = {
        "orderId": _ID,
        "seq": _POSITIVE,
        "status": status,
        "at": _TIME,
        "attempt": _POSITIVE,
        "cursor": _CURSOR,
    }
    return _object({**envelope, **known}, optional=("cursor", *optional))


def _only(status: Status) -> Schema:
    return {"const": status.value}


_RETRIED: Final[Schema] = {"code": _CODE, "reason": _TEXT, "waitMs": _WHOLE, "txHash": _TEXT}
_FAILED: Final[Schema] = {"code": _CODE, "reason": _TEXT, "txHash": _TEXT}
_EVENTS: Final[dict[str, Schema]] = {
    "PendingEvent": _event(
        _only(Status.PENDING), _ASKED, "minAmountOut", "batchId", "clientOrderId"
    ),
    "RoutingEvent": _event(_only(Status.ROUTING), _RETRIED, *_RETRIED),
    "BuildingEvent": _event(_only(Status.BUILDING), _ROUTE, "unavailable"),
    "SubmittedEvent": _event(_only(Status.SUBMITTED), {"txHash": _TEXT}),
    "ConfirmedEvent": _event(_only(Status.CONFIRMED), _LANDED),
    "FailedEvent": _event(_only(Status.FAILED), _FAILED, "txHash"),
    "WithdrawnEvent": _event({"enum": [Status.CANCELLED.value, Status.EXPIRED.value]}, {}),
}

SCHEMAS: Final[dict[str, Schema]] = {
    "Problem": _object(
        {
            "type": {"type": "string", "format": "uri-reference"},
            "title": _TEXT,
            "status": _WHOLE,
            "detail": _TEXT,
            "code": _CODE,
            "instance": _TEXT,
            "errors": _array(
                _object({"field": _TEXT, "code": _CODE, "reason": _TEXT}), minItems=1, maxItems=20
            ),
        },
        optional=("instance", "errors"),
        is_open=True,
    ),
    "Queued": _object(
        {
            "status": {"const": "queued"},
            "orderId": _ID,
            "ws_url": {"type": "string", "format": "uri"},
            "statusUrl": _TEXT,
            "createdAt": _TIME,
            "clientOrderId": _TEXT,
        },
        optional=("clientOrderId",),
    ),
    "Batch": _object(
        {
            "batchId": _or_null(_ID),
            "accepted": _WHOLE,
            "refused": _WHOLE,
            "ws_url": _or_null(_TEXT),
            "orders": _array(
                {
                    "oneOf": [
                        _object(
                            {
                                "orderId": _ID,
                                "clientOrderId": _TEXT,
                                "replayed": {"const": True},
                            },
                            optional=("clientOrderId", "replayed"),
                        ),
                        _object({"problem": ref("Problem")}),
                    ]
                }
            ),
        }
    ),
    "Order": _object(_ORDER),
    "OrderList": _object({"orders": _array(ref("Order")), "next": _or_null(_CURSOR)}),
    "OrderEvents": _object({"orderId": _ID, "events": _array(ref("Event"))}),
    "Event": {"oneOf": [ref(name) for name in _EVENTS]},
    **_EVENTS,
    "Quote": _object(
        {
            "dex": _DEX,
            "price": _AMOUNT,
            "fee": _AMOUNT,
            "amountOut": _AMOUNT,
            "priceImpact": _AMOUNT,
        }
    ),
    "Unavailable": _object({"dex": _DEX, "code": _CODE, "reason": _TEXT}),
    "Route": _object(_ROUTE, optional=("unavailable",)),
    "Quotes": _object(
        {
            "tokenIn": _TEXT,
            "tokenOut": _TEXT,
            "amountIn": _AMOUNT,
            "slippageBps": _WHOLE,
            **_ROUTE,
        },
        optional=("unavailable",),
    ),
    "Stats": _object(
        {
            "at": _TIME,
            "cursor": _CURSOR,
            "total": _WHOLE,
            "open": _WHOLE,
            "byStatus": _object({status.value: _WHOLE for status in Status}),
        }
    ),
    "Health": _object({"status": {"const": "ok"}}),
    "Readiness": _object(
        {
            "status": {"const": "ready"},
            "checks": {
                "type": "object",
                "additionalProperties": _object(
                    {"ok": _TRUE_OR_FALSE, "reason": _TEXT}, optional=("reason",)
                ),
            },
        }
    ),
    "Hello": _object(
        {
            "hello": _object(
                {
                    "epoch": _ID,
                    "at": _TIME,
                    "cursor": _CURSOR,
                    "reset": _TRUE_OR_FALSE,
                    "heartbeatS": {"type": "number", "exclusiveMinimum": 0},
                }
            )
        }
    ),
    "Frame": _array(ref("Event"), minItems=1),
    "Heartbeat": _object({"heartbeat": _object({"at": _TIME, "cursor": _CURSOR})}),
    "Bye": _object({"bye": _object({"reason": _TEXT})}),
}

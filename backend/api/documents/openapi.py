"""The OpenAPI document, built from the route table, the body models and the response schemas."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from pydantic.json_schema import models_json_schema

from backend.api.documents.response_schemas import SCHEMAS
from backend.api.documents.schema_parts import Schema, schema_ref
from backend.api.route import Access, RateCost, Route, RouteDoc, SocketRoute
from backend.api.routes.parameters import LIMIT_DEFAULT, LIMIT_MAX, ORDER_IDS_MAX, SEQ_MAX
from backend.api.wire.fields import KEY_LENGTH_MAX
from backend.api.wire.http import JSON_CONTENT_TYPE
from backend.api.wire.problems import PROBLEM_CONTENT_TYPE
from backend.api.wire.request_schemas import OrderBody, SwapBody
from backend.domain.lifecycle import Status
from backend.domain.quotes import Dex

_TITLE: Final = "Order Execution Engine"
_DESCRIPTION: Final = (
    "Takes orders for Solana DEX swaps, routes each to the better of Raydium and Meteora, and"
    " executes it at most once. Amounts and prices are decimal strings in token units; numbers"
    " are taken too, and read exactly. Bodies are JSON in UTF-8, not compressed. Errors are"
    " RFC 9457 problems."
)

_ORDER: Final[Schema] = {
    "tokenIn": "SOL",
    "tokenOut": "USDC",
    "amount": "1.5",
    "slippageBps": 50,
    "maxPriceImpactBps": 500,
    "clientOrderId": "my-order-1",
}
_EXAMPLES: Final[dict[str, object]] = {
    "OrderBody": _ORDER,
    "BatchBody": {"orders": [_ORDER, {"tokenIn": "USDC", "tokenOut": "BONK", "amountIn": "25"}]},
    "SwapBody": {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1.5"},
    "Queued": {
        "status": "queued",
        "orderId": "019a9d2e-5c1b-7f3a-8e47-3f0a7c1d2b90",
        "ws_url": "ws://127.0.0.1:3000/api/orders/execute"
        "?orderId=019a9d2e-5c1b-7f3a-8e47-3f0a7c1d2b90",
        "statusUrl": "/api/orders/019a9d2e-5c1b-7f3a-8e47-3f0a7c1d2b90",
        "createdAt": "2026-11-21T16:09:00.123456Z",
        "clientOrderId": "my-order-1",
    },
    "Quotes": {
        "tokenIn": "SOL",
        "tokenOut": "USDC",
        "amountIn": "1.5",
        "slippageBps": 50,
        "maxPriceImpactBps": 500,
        "dex": "meteora",
        "quotes": [
            {
                "dex": "raydium",
                "price": "99.6012",
                "fee": "0.003",
                "amountOut": "149.4018",
                "priceImpact": "0.0004",
            },
            {
                "dex": "meteora",
                "price": "99.8123",
                "fee": "0.002",
                "amountOut": "149.71845",
                "priceImpact": "0.0005",
            },
        ],
        "minAmountOut": "148.969857",
    },
}
_PROBLEM_HEADERS: Final = {
    415: ("Accept-Encoding",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
_PROBLEM: Final[Schema] = {
    "type": "about:blank",
    "title": "Unprocessable Entity",
    "status": 422,
    "detail": "amount: must be greater than 0",
    "code": "invalid_field",
    "instance": "/api/orders/execute",
    "errors": [{"field": "amount", "code": "invalid_field", "reason": "must be greater than 0"}],
}

_PARAMETERS: Final[dict[str, tuple[str, str, Schema]]] = {
    "status": (
        "query",
        "Only these statuses, in any case; repeated, or with commas.",
        {"type": "array", "items": {"type": "string", "enum": [s.value for s in Status]}},
    ),
    "batchId": ("query", "Only this batch.", {"type": "string", "format": "uuid"}),
    "orderId": ("query", "This order.", {"type": "string", "format": "uuid"}),
    "orderId (many)": (
        "query",
        "Only these orders; repeated, or with commas.",
        {
            "type": "array",
            "items": {"type": "string", "format": "uuid"},
            "maxItems": ORDER_IDS_MAX,
        },
    ),
    "dex": ("query", "Only what is routed there; in any case.", {"type": "string", "enum": [*Dex]}),
    "tokenIn": ("query", "Only orders that sell this token.", {"type": "string"}),
    "tokenOut": ("query", "Only orders that buy this token.", {"type": "string"}),
    "limit": (
        "query",
        "The size of a page.",
        {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
    ),
    "cursor": ("query", "`next` of the page before.", {"type": "string"}),
    "after": ("query", "Go on behind this cursor of a stream.", {"type": "string", "minLength": 1}),
    "after (seq)": (
        "query",
        "Only what is behind this `seq`.",
        {"type": "integer", "minimum": 0, "maximum": SEQ_MAX, "default": 0},
    ),
    "Idempotency-Key": (
        "header",
        "A repeat with the same key gets the first answer, with `Idempotent-Replayed: true`.",
        {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH_MAX, "pattern": "^[ -~]+$"},
    ),
}
_HEADERS: Final[dict[str, str]] = {
    "Location": "The address of the order, or of the page.",
    "Idempotent-Replayed": "`true` if an earlier request got this answer first.",
    "Link": 'The next page, `rel="next"`.',
    "Retry-After": "Seconds to wait.",
    "Accept-Encoding": "`identity` if the body was refused because it was compressed.",
}


def build_openapi(
    routes: Sequence[Route], sockets: Sequence[SocketRoute], batch_max: int
) -> Schema:
    """Build the document; ``batch_max`` is the most orders that a batch may have."""
    paths: dict[str, dict[str, object]] = {}
    for route in routes:
        paths.setdefault(_convert_path(route.path), {})[route.method.lower()] = _build_operation(
            route
        )
    for socket in sockets:
        paths.setdefault(_convert_path(socket.path), {})["get"] = _build_operation(socket)
    return {
        "openapi": "3.1.0",
        "info": {"title": _TITLE, "version": _read_version(), "description": _DESCRIPTION},
        # Relative to this document: true behind every proxy and under every prefix.
        "servers": [{"url": "."}],
        "paths": paths,
        "components": {
            "schemas": _build_schemas(batch_max),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _read_version() -> str:
    try:
        return version("order-engine")
    except PackageNotFoundError:
        return "0"


def _convert_path(path: str) -> str:
    return path.replace("<path:name>", "{name}").replace("<", "{").replace(">", "}")


def _build_schemas(batch_max: int) -> dict[str, object]:
    _, bodies = models_json_schema(
        [(OrderBody, "validation"), (SwapBody, "validation")],
        ref_template="#/components/schemas/{model}",
    )
    batch: Schema = {
        "type": "object",
        "properties": {
            "orders": {
                "type": "array",
                "items": schema_ref("OrderBody"),
                "minItems": 1,
                "maxItems": batch_max,
            }
        },
        "required": ["orders"],
        "additionalProperties": False,
    }
    return {**bodies["$defs"], "BatchBody": batch, **SCHEMAS}


def _build_operation(route: Route | SocketRoute) -> Schema:
    doc = route.doc
    success = _build_upgrade(doc) if isinstance(route, SocketRoute) else _build_success(doc)
    operation: Schema = {
        "summary": doc.summary,
        "tags": [doc.tag],
        "parameters": _build_parameters(route.path, doc),
        "responses": {**success, **_build_problems(route)},
        # Keys are required only where they are configured.
        "security": [] if route.access is Access.OPEN else [{}, {"bearer": []}, {"apiKey": []}],
    }
    if doc.description:
        operation["description"] = doc.description
    if doc.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {JSON_CONTENT_TYPE: _build_content(doc.body)},
        }
    return operation


def _build_content(schema: str) -> Schema:
    content: Schema = {"schema": schema_ref(schema)}
    return {**content, "example": _EXAMPLES[schema]} if schema in _EXAMPLES else content


def _build_parameters(path: str, doc: RouteDoc) -> list[Schema]:
    parameters: list[Schema] = []
    if "name>" in path:
        parameters.append(
            {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
        )
    for key in doc.parameters:
        location, description, schema = _PARAMETERS[key]
        name = key.partition(" ")[0]  # a suffix tells parameters of the same name apart
        parameters.append(
            {"name": name, "in": location, "description": description, "schema": schema}
        )
    return parameters


def _build_success(doc: RouteDoc) -> Schema:
    media_type = doc.media_type if doc.response is None else JSON_CONTENT_TYPE
    kind = "object" if media_type == JSON_CONTENT_TYPE else "string"
    content = {"schema": {"type": kind}} if doc.response is None else _build_content(doc.response)
    success: Schema = {
        "description": HTTPStatus(doc.status).phrase,
        "headers": {name: _build_header(name) for name in doc.headers},
        "content": {media_type: content},
    }
    return {str(doc.status): success}


def _build_upgrade(doc: RouteDoc) -> Schema:
    return {"101": {"description": f"WebSocket: {doc.description}"}}


def _build_problems(route: Route | SocketRoute) -> Schema:
    """The problem responses that follow from a route's policy, kind and path, and its own."""
    statuses = {500, *route.doc.problem_statuses}
    if route.access is Access.OWNER:
        statuses.add(401)
    if isinstance(route, SocketRoute):
        statuses |= {400, 403, 426, 503}
    elif route.rate_cost is RateCost.ORDERS:
        statuses.add(429)
    if route.doc.body is not None:
        statuses |= {400, 408, 413, 415, 422}
    if "<" in route.path:
        statuses.add(404)
    return {str(status): _build_problem(status) for status in sorted(statuses)}


def _build_problem(status: int) -> Schema:
    return {
        "description": HTTPStatus(status).phrase,
        "headers": {name: _build_header(name) for name in _PROBLEM_HEADERS.get(status, ())},
        "content": {PROBLEM_CONTENT_TYPE: {"schema": schema_ref("Problem"), "example": _PROBLEM}},
    }


def _build_header(name: str) -> Schema:
    return {"description": _HEADERS[name], "schema": {"type": "string"}}

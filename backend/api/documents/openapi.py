"""The OpenAPI document: made from the table of routes, the body models and the answers' shapes."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from pydantic.json_schema import models_json_schema

from backend.api.documents.response_schemas import SCHEMAS, Schema, ref
from backend.api.route import Access, Counted, Doc, Route, SocketRoute
from backend.api.routes.parameters import LIMIT_DEFAULT, LIMIT_MAX, ORDER_IDS_MAX, SEQ_MAX
from backend.api.wire.fields import KEY_MAX
from backend.api.wire.http import JSON
from backend.api.wire.problems import CONTENT_TYPE
from backend.api.wire.request_schemas import OrderBody, SwapBody
from backend.domain.lifecycle import Status
from backend.domain.quotes import Dex

_TITLE: Final = "Order Execution Engine"
_ABOUT: Final = (
    "Takes orders for Solana DEX swaps, routes each to the better of Raydium and Meteora, and"
    " executes it at most once. Amounts and prices are decimal strings in token units; numbers"
    " are taken too, and read exactly. Errors are RFC 9457 problems."
)

_ORDER: Final[Schema] = {
    "tokenIn": "SOL",
    "tokenOut": "USDC",
    "amount": "1.5",
    "slippageBps": 50,
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
        {"type": "string", "minLength": 1, "maxLength": KEY_MAX, "pattern": "^[ -~]+$"},
    ),
}
_HEADERS: Final[dict[str, str]] = {
    "Location": "The address of the order.",
    "Idempotent-Replayed": "`true` if an earlier request got this answer first.",
    "Link": 'The next page, `rel="next"`.',
    "Retry-After": "Seconds to wait.",
}


def document(routes: Sequence[Route], sockets: Sequence[SocketRoute], batch_max: int) -> Schema:
    """The whole document; ``batch_max`` is the most orders that a batch may have."""
    paths: dict[str, dict[str, object]] = {}
    for route in routes:
        paths.setdefault(_path(route.path), {})[route.method.lower()] = _operation(route)
    for socket in sockets:
        paths.setdefault(_path(socket.path), {})["get"] = _operation(socket)
    return {
        "openapi": "3.1.0",
        "info": {"title": _TITLE, "version": _version(), "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": _schemas(batch_max),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _version() -> str:
    try:
        return version("order-engine")
    except PackageNotFoundError:
        return "0"


def _path(path: str) -> str:
    return path.replace("<path:name>", "{name}").replace("<", "{").replace(">", "}")


def _schemas(batch_max: int) -> dict[str, object]:
    _, bodies = models_json_schema(
        [(OrderBody, "validation"), (SwapBody, "validation")],
        ref_template="#/components/schemas/{model}",
    )
    batch: Schema = {
        "type": "object",
        "properties": {
            "orders": {
                "type": "array",
                "items": ref("OrderBody"),
                "minItems": 1,
                "maxItems": batch_max,
            }
        },
        "required": ["orders"],
        "additionalProperties": False,
    }
    return {**bodies["$defs"], "BatchBody": batch, **SCHEMAS}


def _operation(route: Route | SocketRoute) -> Schema:
    doc = route.doc
    good = _upgraded(doc) if isinstance(route, SocketRoute) else _answered(doc)
    operation: Schema = {
        "summary": doc.summary,
        "tags": [doc.tag],
        "parameters": _parameters(route.path, doc),
        "responses": {**good, **_problems(route)},
        # Keys are asked for only where they are configured.
        "security": [] if route.access is Access.OPEN else [{}, {"bearer": []}, {"apiKey": []}],
    }
    if doc.note:
        operation["description"] = doc.note
    if doc.body is not None:
        operation["requestBody"] = {"required": True, "content": {JSON: _content(doc.body)}}
    return operation


def _content(schema: str) -> Schema:
    content: Schema = {"schema": ref(schema)}
    return {**content, "example": _EXAMPLES[schema]} if schema in _EXAMPLES else content


def _parameters(path: str, doc: Doc) -> list[Schema]:
    found: list[Schema] = []
    if "name>" in path:
        found.append({"name": "name", "in": "path", "required": True, "schema": {"type": "string"}})
    for key in doc.parameters:
        where, about, schema = _PARAMETERS[key]
        name = key.partition(" ")[0]  # what tells two of the same name apart stands behind it
        found.append({"name": name, "in": where, "description": about, "schema": schema})
    return found


def _answered(doc: Doc) -> Schema:
    media = doc.media if doc.answer is None else JSON
    content = {"schema": {"type": "string"}} if doc.answer is None else _content(doc.answer)
    good: Schema = {
        "description": HTTPStatus(doc.status).phrase,
        "headers": {name: _header(name) for name in doc.headers},
        "content": {media: content},
    }
    return {str(doc.status): good}


def _upgraded(doc: Doc) -> Schema:
    return {"101": {"description": f"WebSocket: {doc.note}"}}


def _problems(route: Route | SocketRoute) -> Schema:
    """What its policy and its form can answer, besides what it says itself."""
    found = {500, *route.doc.problems}
    if route.access is Access.OWNER:
        found.add(401)
    if isinstance(route, SocketRoute):
        found |= {400, 403, 426, 503}
    elif route.counts is Counted.ORDERS:
        found.add(429)
    if route.doc.body is not None:
        found |= {400, 408, 413, 415, 422}
    if "<" in route.path:
        found.add(404)
    return {str(status): _problem(status) for status in sorted(found)}


def _problem(status: int) -> Schema:
    return {
        "description": HTTPStatus(status).phrase,
        "headers": {"Retry-After": _header("Retry-After")} if status in {429, 503} else {},
        "content": {CONTENT_TYPE: {"schema": ref("Problem"), "example": _PROBLEM}},
    }


def _header(name: str) -> Schema:
    return {"description": _HEADERS[name], "schema": {"type": "string"}}

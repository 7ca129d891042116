"""The OpenAPI document, built from the route table, the body models and the response schemas."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from pydantic.json_schema import models_json_schema

from backend.api.documents.examples import EXAMPLES, PROBLEM
from backend.api.documents.parameters import PARAMETERS, get_parameter_name
from backend.api.documents.response_schemas import SCHEMAS
from backend.api.documents.schema_parts import Schema, schema_ref
from backend.api.documents.webhooks.webhook_schemas import build_webhooks
from backend.api.route import RateCost, Route, RouteDoc, SocketRoute
from backend.api.wire.changes.amend_schema import AmendBody
from backend.api.wire.changes.halt_schema import HaltBody, ResumeBody
from backend.api.wire.changes.limit_schema import LimitsBody
from backend.api.wire.changes.timer_schema import CancelAfterBody
from backend.api.wire.groups.bracket_bodies import BracketBody, StopBody, TakeProfitBody
from backend.api.wire.http import JSON_CONTENT_TYPE
from backend.api.wire.problems import PROBLEM_CONTENT_TYPE
from backend.api.wire.request_schemas import OrderBody, SwapBody
from backend.api.wire.spellings import SPELLINGS
from backend.api.wire.webhooks.webhook_schema import (
    RotateSecretBody,
    WebhookBody,
    WebhookChangeBody,
)
from backend.domain.access.scopes import Scope

_TITLE: Final = "Order Execution Engine"
_DESCRIPTION: Final = (
    "Takes orders for Solana DEX swaps, routes each to the better of Raydium and Meteora, and"
    " executes it at most once. Amounts and prices are decimal strings in token units; numbers"
    " are taken too, and read exactly. Bodies are JSON in UTF-8, not compressed. Errors are"
    " RFC 9457 problems. A request may bring its own `X-Request-ID` (1 to 128 characters of"
    " `A-Z a-z 0-9 . _ : / + = @ -`): it is in the response, in the problem (`requestId`) and in"
    " the log."
    "\n\nOther names of fields that are taken, where both are given they have to agree:"
    "\n\n| name | field | meaning |\n|---|---|---|\n"
    + "\n".join(
        f"| `{name}` | `{each.field}` | {each.meaning} |" for name, each in SPELLINGS.items()
    )
)

_PROBLEM_HEADERS: Final = {
    415: ("Accept-Encoding",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
_PATH_VARIABLE: Final = re.compile(r"<(?:\w+:)?(\w+)>")
_PATH_VARIABLES: Final[dict[str, tuple[str, Schema]]] = {
    "orderId": ("The id of an order.", {"type": "string", "format": "uuid"}),
    "webhookId": ("The id of a webhook.", {"type": "string", "format": "uuid"}),
    "clientOrderId": ("The `clientOrderId` of an order.", {"type": "string"}),
    "name": ("The name of a file.", {"type": "string"}),
    "owner": ("The name of an owner.", {"type": "string"}),
}
_HEADERS: Final[dict[str, str]] = {
    "X-Request-ID": "The id of the request: that which it came with, or a new one.",
    "RateLimit-Policy": "Orders (`q`) that an owner may place in a window of `w` seconds.",
    "RateLimit": "Orders that are left (`r`), and the seconds until all are again (`t`).",
    "Location": "The address of the order, or of the page.",
    "Idempotent-Replayed": "`true` if an earlier request got this answer first.",
    "Link": 'The next page, `rel="next"`.',
    "Retry-After": "Seconds to wait.",
    "Accept-Encoding": "`identity` if the body was refused because it was compressed.",
}


def build_openapi(
    routes: Sequence[Route], sockets: Sequence[SocketRoute], batch_max: int
) -> Schema:
    """Build the document; ``batch_max`` is the most orders that a batch may have.

    It has no ``servers``: the address that a client knows is added when it is served.
    """
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
        "paths": paths,
        "webhooks": build_webhooks(),
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
    return _PATH_VARIABLE.sub(r"{\1}", path)


def _build_schemas(batch_max: int) -> dict[str, object]:
    _, bodies = models_json_schema(
        [
            (OrderBody, "validation"),
            (SwapBody, "validation"),
            (BracketBody, "validation"),
            (TakeProfitBody, "validation"),
            (StopBody, "validation"),
            (CancelAfterBody, "validation"),
            (AmendBody, "validation"),
            (HaltBody, "validation"),
            (LimitsBody, "validation"),
            (ResumeBody, "validation"),
            (WebhookBody, "validation"),
            (WebhookChangeBody, "validation"),
            (RotateSecretBody, "validation"),
        ],
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
    success = _build_upgrade(route) if isinstance(route, SocketRoute) else _build_success(route)
    operation: Schema = {
        "operationId": doc.operation_id or _name_operation(route.view.__name__),
        "summary": doc.summary,
        "tags": [doc.tag],
        "parameters": _build_parameters(route.path, doc),
        "responses": {**success, **_build_problems(route)},
        # Keys are required only where they are configured.
        "security": _build_security(route.scopes),
    }
    if doc.description:
        operation["description"] = doc.description
    if doc.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {JSON_CONTENT_TYPE: _build_content(doc.body)},
        }
    return operation


def _name_operation(view: str) -> str:
    """The name of a view as clients in most languages write it."""
    first, *others = view.split("_")
    return first + "".join(map(str.capitalize, others))


def _build_content(schema: str) -> Schema:
    content: Schema = {"schema": schema_ref(schema)}
    return {**content, "example": EXAMPLES[schema]} if schema in EXAMPLES else content


def _build_parameters(path: str, doc: RouteDoc) -> list[Schema]:
    parameters: list[Schema] = []
    for variable in _PATH_VARIABLE.findall(path):
        description, schema = _PATH_VARIABLES[variable]
        parameters.append(
            {
                "name": variable,
                "in": "path",
                "required": True,
                "description": description,
                "schema": schema,
            }
        )
    for key in doc.parameters:
        location, description, schema = PARAMETERS[key]
        name = get_parameter_name(key)
        parameters.append(
            {"name": name, "in": location, "description": description, "schema": schema}
        )
    return parameters


def _build_success(route: Route) -> Schema:
    doc = route.doc
    media_type = doc.media_type if doc.response is None else JSON_CONTENT_TYPE
    kind = "object" if media_type == JSON_CONTENT_TYPE else "string"
    content = {"schema": {"type": kind}} if doc.response is None else _build_content(doc.response)
    contents: Schema = {media_type: content}
    if doc.has_csv:
        contents["text/csv"] = {"schema": {"type": "string"}}
    success: Schema = {
        "description": HTTPStatus(doc.status).phrase,
        "headers": _build_headers(*_list_limit_headers(route), *doc.headers),
        "content": contents,
    }
    return {str(doc.status): success}


def _build_security(scopes: Sequence[Scope]) -> list[Schema]:
    """What a request shows: one of some scopes, or nothing where no key is asked for."""
    if not scopes:
        return []
    named: list[Schema] = [
        {kind: [scope.value]} for scope in scopes for kind in ("bearer", "apiKey")
    ]
    return [{}, *named]


def _build_upgrade(route: SocketRoute) -> Schema:
    names = [name for name in _list_limit_headers(route) if name == "RateLimit-Policy"]
    description = f"WebSocket: {route.doc.description}"
    return {"101": {"description": description, "headers": _build_headers(*names)}}


def _build_problems(route: Route | SocketRoute) -> Schema:
    """The problem responses that follow from a route's policy, kind and path, and its own."""
    statuses = {500, *route.doc.problem_statuses}
    if route.scopes:
        statuses |= {401, 403}
    if isinstance(route, SocketRoute):
        statuses |= {400, 403, 426, 503}
    elif route.rate_cost is RateCost.ORDERS:
        statuses.add(429)
    if route.doc.body is not None:
        statuses |= {400, 408, 413, 415, 422}
    if "<" in route.path:
        statuses.add(404)
    return {str(status): _build_problem(status, route) for status in sorted(statuses)}


def _build_problem(status: int, route: Route | SocketRoute) -> Schema:
    names = *_PROBLEM_HEADERS.get(status, ()), *_list_limit_headers(route)
    return {
        "description": HTTPStatus(status).phrase,
        "headers": _build_headers(*names),
        "content": {PROBLEM_CONTENT_TYPE: {"schema": schema_ref("Problem"), "example": PROBLEM}},
    }


def _list_limit_headers(route: Route | SocketRoute) -> tuple[str, ...]:
    """The headers that tell a rate limit, where one holds."""
    return ("RateLimit-Policy", "RateLimit") if route.rate_cost is RateCost.ORDERS else ()


def _build_headers(*names: str) -> Schema:
    return {
        name: {"description": _HEADERS[name], "schema": {"type": "string"}}
        for name in ("X-Request-ID", *names)
    }

"""Writes static/postman_collection.json from the OpenAPI document.

The document is built in this process: no server is needed. With ``--check`` nothing is written,
and an outdated collection is an error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from backend.api.application.route_table import ROUTES, SOCKETS
from backend.api.documents.examples import EXAMPLES
from backend.api.documents.openapi import build_openapi
from backend.config import Settings

COLLECTION = Path(__file__).parents[2] / "static" / "postman_collection.json"
SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
EXECUTE = "/api/orders/execute"
BATCH = "/api/orders/batch"
ORDER = "/api/orders/{orderId}"
EVENTS = "/api/orders/{orderId}/events"
LOAD_ORDERS = 100

Json = dict[str, Any]

_PAIRS = (
    ("SOL", "USDC", "1.5"),
    ("USDC", "SOL", "250.5"),
    ("JUP", "USDC", "850"),
    ("BONK", "SOL", "1200000"),
    ("RAY", "USDC", "75.25"),
)
_REFUSED_ORDERS: Mapping[str, Json] = {
    "Refused: zero amount": {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "0"},
    "Refused: unknown token": {"tokenIn": "DOGE", "tokenOut": "USDC", "amount": "1"},
    "Refused: the same token twice": {"tokenIn": "SOL", "tokenOut": "SOL", "amount": "1"},
    "Refused: no amount": {"tokenIn": "SOL", "tokenOut": "USDC"},
    "Refused: a share, of a market order": {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "all"},
    "Refused: slippage above 100 %": {
        "tokenIn": "SOL",
        "tokenOut": "USDC",
        "amount": "1",
        "slippageBps": 10_001,
    },
    "Refused: price impact above 100 %": {
        "tokenIn": "SOL",
        "tokenOut": "USDC",
        "amount": "1",
        "maxPriceImpactBps": 10_001,
    },
}
_WAITING_ORDERS: Mapping[str, Json] = {
    "Stop: sell half of the SOL that the wallet holds free then, at 1 USDC": {
        "tokenIn": "SOL",
        "tokenOut": "USDC",
        "amount": "50%",
        "type": "stop",
        "triggerPrice": "1",
    },
    "Sniper: buy from the first pool of the two that takes 0.01 % or less": {
        "tokenIn": "SOL",
        "tokenOut": "RAY",
        "amount": "1",
        "type": "sniper",
        "maxFeeBps": 1,
    },
    "Limit: buy SOL with 95 USDC at 1 USDC": {
        "tokenIn": "USDC",
        "tokenOut": "SOL",
        "amount": "95",
        "type": "limit",
        "limitPrice": "1",
        "priceOf": "tokenOut",
    },
}
_GENERATE_ORDERS = f"""const orders = Array.from({{ length: {LOAD_ORDERS} }}, (_, n) => ({{
  tokenIn: n % 2 ? "SOL" : "USDC",
  tokenOut: n % 2 ? "USDC" : "SOL",
  amount: (1 + Math.random()).toFixed(3),
}}));
pm.variables.set("orders", JSON.stringify(orders));"""
_VALUES: Mapping[str, str] = {"If-Match": '"2"', "pair": "SOL/USDC"}
"""The parameters without which a request is refused."""
_EXAMPLE_FILES: Mapping[str, str] = {"/docs/{name}": "start.js", "/static/{name}": "client.html"}
_EXAMPLE_CLIENT_ORDER_ID = cast(Json, EXAMPLES["OrderBody"])["clientOrderId"]
_SAVE_ORDER_ID = 'pm.collectionVariables.set("orderId", pm.response.json().orderId);'
_SAVE_WEBHOOK_ID = 'pm.collectionVariables.set("webhookId", pm.response.json().id);'
_EXPECT_ALL_ACCEPTED = "pm.expect(pm.response.json().refused).to.eql(0);"


def main() -> None:
    """Update the collection, or with ``--check`` fail if it is outdated."""
    batch_max = Settings.model_fields["batch_orders_max"].default
    content = (
        json.dumps(build_collection(build_openapi(ROUTES, SOCKETS, batch_max)), indent=2) + "\n"
    )
    if sys.argv[1:] != ["--check"]:
        COLLECTION.write_text(content, encoding="utf-8")
    elif not COLLECTION.exists() or COLLECTION.read_text(encoding="utf-8") != content:
        name = COLLECTION.relative_to(Path(__file__).parents[2])
        sys.exit(f"{name} is not up to date: run .venv/bin/python {sys.argv[0]}")


def build_collection(api: Json) -> Json:
    """Build a Postman collection: worked examples, then every operation."""
    return {
        "info": {
            "name": api["info"]["title"],
            "description": api["info"]["description"],
            "schema": SCHEMA,
        },
        "variable": [
            {"key": "api", "value": "http://127.0.0.1:3000"},
            {"key": "orderId", "value": "", "description": "Of the order that was placed last."},
            {"key": "webhookId", "value": "", "description": "Of the webhook that was made."},
        ],
        "item": [
            {"name": "Examples, in this order", "item": [*_build_examples(api)]},
            {"name": "Every operation", "item": [*_build_operations(api)]},
        ],
    }


def _build_examples(api: Json) -> Iterator[Json]:
    place = api["paths"][EXECUTE]["post"]
    for token_in, token_out, amount in _PAIRS:
        order = {"tokenIn": token_in, "tokenOut": token_out, "amount": amount}
        swap = _build_request("POST", EXECUTE, place, json.dumps(order))
        yield _build_item(
            f"Swap {amount} {token_in} for {token_out}", swap, 202, assertion=_SAVE_ORDER_ID
        )
    events = _build_request("GET", EVENTS, api["paths"][EVENTS]["get"])
    yield _build_item("What has happened to the last one", events, 200)
    for name, order in _REFUSED_ORDERS.items():
        yield _build_item(name, _build_request("POST", EXECUTE, place, json.dumps(order)), 422)
    for name, order in _WAITING_ORDERS.items():
        waiting = _build_request("POST", EXECUTE, place, json.dumps(order))
        yield _build_item(name, waiting, 202, assertion=_SAVE_ORDER_ID)
    amend = _build_request("PATCH", ORDER, api["paths"][ORDER]["patch"], '{"limitPrice": "2"}')
    yield _build_item("Amend the one that waits: it has the seq 2", amend, 200)
    cancel = _build_request("DELETE", ORDER, api["paths"][ORDER]["delete"])
    yield _build_item("Cancel the one that waits", cancel, 200)
    many = _build_request("POST", BATCH, api["paths"][BATCH]["post"], '{"orders": {{orders}}}')
    load = _build_item(
        f"Load run: {LOAD_ORDERS} orders; repeat it in the runner",
        many,
        202,
        assertion=_EXPECT_ALL_ACCEPTED,
    )
    load["event"].insert(0, _build_script("prerequest", _GENERATE_ORDERS))
    yield load


def _build_operations(api: Json) -> Iterator[Json]:
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            statuses = [int(code) for code in operation["responses"]]
            if 101 in statuses:  # Postman keeps WebSockets elsewhere
                continue
            body = None
            if "requestBody" in operation:
                example = operation["requestBody"]["content"]["application/json"]["example"]
                body = json.dumps(example, indent=2)
            request = _build_request(method.upper(), path, operation, body)
            status = min(statuses)
            is_redirect = 300 <= status < 400  # which Postman follows
            expected = [200 if is_redirect else status]
            if body is None:
                # The order of the examples may have ended by then, or not; and no filter is given
                # to what cancels all orders of one.
                expected += [each for each in (409, 422) if each in statuses]
            elif method == "patch":
                expected += [409, 412]  # it may wait no more, or have another seq by then
            saves = _SAVE_WEBHOOK_ID if operation["operationId"] == "createWebhook" else ""
            yield _build_item(operation["summary"], request, *expected, assertion=saves)


def _build_request(method: str, path: str, operation: Json, body: str | None = None) -> Json:
    address = path.replace("{orderId}", "{{orderId}}").strip("/")
    address = address.replace("{webhookId}", "{{webhookId}}")
    address = address.replace("{name}", _EXAMPLE_FILES.get(path, ""))
    address = address.replace("{clientOrderId}", _EXAMPLE_CLIENT_ORDER_ID)
    query = _list_parameters(operation, "query")
    given = "&".join(f"{each['key']}={each['value']}" for each in query if "disabled" not in each)
    request: Json = {
        "method": method,
        "header": _list_parameters(operation, "header"),
        "url": {
            "raw": "{{api}}/" + address + (f"?{given}" if given else ""),
            "host": ["{{api}}"],
            "path": address.split("/"),
            "query": query,
        },
        "description": operation.get("description", operation["summary"]),
    }
    if body is not None:
        request["header"].insert(0, {"key": "Content-Type", "value": "application/json"})
        request["body"] = {"mode": "raw", "raw": body, "options": {"raw": {"language": "json"}}}
    return request


def _list_parameters(operation: Json, location: str) -> list[Json]:
    """List the parameters; those that are optional are disabled."""
    return [
        _build_parameter(parameter["name"], parameter["description"])
        for parameter in operation["parameters"]
        if parameter["in"] == location
    ]


def _build_parameter(name: str, description: str) -> Json:
    value = _VALUES.get(name)
    if value is not None:
        return {"key": name, "value": value, "description": description}
    return {"key": name, "value": "", "description": description, "disabled": True}


def _build_item(name: str, request: Json, *statuses: int, assertion: str = "") -> Json:
    names = " or ".join(map(str, statuses))
    test = f'pm.test("{names}", () => pm.expect({list(statuses)}).to.include(pm.response.code));'
    script = _build_script("test", f"{test}\n{assertion}".strip())
    return {"name": name, "request": request, "event": [script]}


def _build_script(event: str, text: str) -> Json:
    return {"listen": event, "script": {"type": "text/javascript", "exec": text.splitlines()}}


if __name__ == "__main__":
    main()

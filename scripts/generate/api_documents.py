"""Writes static/postman_collection.json from the OpenAPI document.

The document is made in this process: no server is needed. With ``--check`` nothing is written, and
a collection that is not up to date is an error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from backend.api.documents.openapi import document
from backend.api.server.route_table import ROUTES, SOCKETS
from backend.config import Settings

COLLECTION = Path(__file__).parents[2] / "static" / "postman_collection.json"
SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
EXECUTE = "/api/orders/execute"
BATCH = "/api/orders/batch"
EVENTS = "/api/orders/{name}/events"
LOAD_ORDERS = 100

Json = dict[str, Any]

_PAIRS = (
    ("SOL", "USDC", "1.5"),
    ("USDC", "SOL", "250.5"),
    ("JUP", "USDC", "850"),
    ("BONK", "SOL", "1200000"),
    ("RAY", "USDC", "75.25"),
)
_REFUSED: Mapping[str, Json] = {
    "Refused: zero amount": {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "0"},
    "Refused: unknown token": {"tokenIn": "DOGE", "tokenOut": "USDC", "amount": "1"},
    "Refused: the same token twice": {"tokenIn": "SOL", "tokenOut": "SOL", "amount": "1"},
    "Refused: no amount": {"tokenIn": "SOL", "tokenOut": "USDC"},
    "Refused: slippage above 100 %": {
        "tokenIn": "SOL",
        "tokenOut": "USDC",
        "amount": "1",
        "slippageBps": 10_001,
    },
}
_MANY = f"""const orders = Array.from({{ length: {LOAD_ORDERS} }}, (_, n) => ({{
  tokenIn: n % 2 ? "SOL" : "USDC",
  tokenOut: n % 2 ? "USDC" : "SOL",
  amount: (1 + Math.random()).toFixed(3),
}}));
pm.variables.set("orders", JSON.stringify(orders));"""
_NAMES: Mapping[str, str] = {"/docs/{name}": "start.js", "/static/{name}": "client.html"}
_KEEP_ID = 'pm.collectionVariables.set("orderId", pm.response.json().orderId);'
_ALL_TAKEN = "pm.expect(pm.response.json().refused).to.eql(0);"


def main() -> None:
    """Bring the collection up to date, or with ``--check`` say whether it is."""
    batch_max = Settings.model_fields["batch_orders_max"].default
    fresh = json.dumps(collection(document(ROUTES, SOCKETS, batch_max)), indent=2) + "\n"
    if sys.argv[1:] != ["--check"]:
        COLLECTION.write_text(fresh, encoding="utf-8")
    elif not COLLECTION.exists() or COLLECTION.read_text(encoding="utf-8") != fresh:
        name = COLLECTION.relative_to(Path(__file__).parents[2])
        sys.exit(f"{name} is not up to date: run .venv/bin/python {sys.argv[0]}")


def collection(api: Json) -> Json:
    """A Postman collection of an OpenAPI document: worked examples, then every operation."""
    return {
        "info": {
            "name": api["info"]["title"],
            "description": api["info"]["description"],
            "schema": SCHEMA,
        },
        "variable": [
            {"key": "api", "value": "http://127.0.0.1:3000"},
            {"key": "orderId", "value": "", "description": "Of the order that was placed last."},
        ],
        "item": [
            {"name": "Examples, in this order", "item": [*_examples(api)]},
            {"name": "Every operation", "item": [*_operations(api)]},
        ],
    }


def _examples(api: Json) -> Iterator[Json]:
    place = api["paths"][EXECUTE]["post"]
    for token_in, token_out, amount in _PAIRS:
        order = {"tokenIn": token_in, "tokenOut": token_out, "amount": amount}
        swap = _request("POST", EXECUTE, place, json.dumps(order))
        yield _item(f"Swap {amount} {token_in} for {token_out}", swap, 202, _KEEP_ID)
    events = _request("GET", EVENTS, api["paths"][EVENTS]["get"])
    yield _item("What has happened to the last one", events, 200)
    for name, order in _REFUSED.items():
        yield _item(name, _request("POST", EXECUTE, place, json.dumps(order)), 422)
    many = _request("POST", BATCH, api["paths"][BATCH]["post"], '{"orders": {{orders}}}')
    load = _item(f"Load run: {LOAD_ORDERS} orders; repeat it in the runner", many, 202, _ALL_TAKEN)
    load["event"].insert(0, _script("prerequest", _MANY))
    yield load


def _operations(api: Json) -> Iterator[Json]:
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            answers = [int(code) for code in operation["responses"]]
            if 101 in answers:  # Postman keeps WebSockets elsewhere
                continue
            body = None
            if "requestBody" in operation:
                example = operation["requestBody"]["content"]["application/json"]["example"]
                body = json.dumps(example, indent=2)
            request = _request(method.upper(), path, operation, body)
            yield _item(operation["summary"], request, min(answers))


def _request(method: str, path: str, operation: Json, body: str | None = None) -> Json:
    address = path.replace("{name}", _NAMES.get(path, "{{orderId}}")).strip("/")
    request: Json = {
        "method": method,
        "header": _parameters(operation, "header"),
        "url": {
            "raw": "{{api}}/" + address,
            "host": ["{{api}}"],
            "path": address.split("/"),
            "query": _parameters(operation, "query"),
        },
        "description": operation.get("description", operation["summary"]),
    }
    if body is not None:
        request["header"].insert(0, {"key": "Content-Type", "value": "application/json"})
        request["body"] = {"mode": "raw", "raw": body, "options": {"raw": {"language": "json"}}}
    return request


def _parameters(operation: Json, where: str) -> list[Json]:
    """What may be given, switched off."""
    return [
        {
            "key": parameter["name"],
            "value": "",
            "description": parameter["description"],
            "disabled": True,
        }
        for parameter in operation["parameters"]
        if parameter["in"] == where
    ]


def _item(name: str, request: Json, status: int, then: str = "") -> Json:
    test = f'pm.test("{status}", () => pm.response.to.have.status({status}));'
    script = _script("test", f"{test}\n{then}".strip())
    return {"name": name, "request": request, "event": [script]}


def _script(when: str, text: str) -> Json:
    return {"listen": when, "script": {"type": "text/javascript", "exec": text.splitlines()}}


if __name__ == "__main__":
    main()

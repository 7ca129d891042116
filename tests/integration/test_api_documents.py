"""The documents: every route has a policy and is described, and responses are as described."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import cast
from urllib.parse import urljoin

import pytest
from jsonschema import Draft202012Validator

from backend.api.application.app import create_app
from backend.api.application.route_table import ROUTES, SOCKETS
from backend.api.context import ApiContext
from backend.api.documents.openapi import build_openapi
from backend.api.route import RateCost, SocketRoute
from tests.integration.apis import (
    ORDER,
    Json,
    RunningApi,
    has_at_least,
    open_api,
    open_driver,
    receive_events,
    receive_hello,
)
from tests.integration.apis import receive_stream as read_stream

OPEN_PATHS = {
    *("/healthz", "/livez", "/readyz", "/metrics", "/openapi.json"),
    *("/", "/health", "/docs", "/docs/<name>", "/static/<path:name>"),
}
DOCUMENT = cast(Json, json.loads(json.dumps(build_openapi(ROUTES, SOCKETS, 1_000))))


def assert_valid(name: str, value: object) -> None:
    """Assert that a value matches its schema."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)


def find_references(node: object) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(find_references, node.values()))
    return set().union(*map(find_references, node)) if isinstance(node, list) else set()


def test_every_route_that_is_served_has_a_policy() -> None:
    app = create_app(cast(ApiContext, None))
    served = {
        (rule.rule, "WS" if rule.websocket else method)
        for rule in app.url_map.iter_rules()
        for method in rule.methods or {"GET"}
        if method not in {"HEAD", "OPTIONS"}
    }
    sockets = {(route.path, "WS") for route in SOCKETS}
    refusals = {(route.path, "GET") for route in SOCKETS}
    assert served == {(route.path, route.method) for route in ROUTES} | sockets | refusals


def test_only_operations_and_documents_are_open_to_everybody() -> None:
    assert {route.path for route in ROUTES if not route.scopes} == OPEN_PATHS
    assert all(route.scopes for route in SOCKETS)


def test_every_route_that_places_or_amends_orders_is_rate_limited() -> None:
    taking = {
        ("WS" if isinstance(route, SocketRoute) else route.method, route.path)
        for route in (*ROUTES, *SOCKETS)
        if route.rate_cost is RateCost.ORDERS
    }
    assert taking == {
        ("POST", "/api/orders/execute"),
        ("WS", "/api/orders/execute"),
        ("POST", "/api/orders/batch"),
        ("PATCH", "/api/orders/<orderId>"),
    }


def test_the_document_describes_every_route_and_nothing_else() -> None:
    described = {
        (re.sub(r"{(\w+)}", "<>", path), method)
        for path, item in DOCUMENT["paths"].items()
        for method in item
    }
    routes = {(route.path, route.method.lower()) for route in ROUTES}
    routes |= {(route.path, "get") for route in SOCKETS}
    assert described == {(re.sub(r"<[\w:]+>", "<>", path), method) for path, method in routes}


def test_the_document_refers_to_nothing_that_it_has_not() -> None:
    names = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert find_references(DOCUMENT) <= names
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_the_examples_of_the_document_are_what_it_says() -> None:
    count = 0
    for item in DOCUMENT["paths"].values():
        for operation in item.values():
            contents = [operation.get("requestBody", {}), *operation["responses"].values()]
            for content in contents:
                for media in content.get("content", {}).values():
                    if "example" in media:
                        count += 1
                        assert_valid(media["schema"]["$ref"].rpartition("/")[2], media["example"])
    assert count > 20


async def test_responses_match_their_schemas(database_url: str, redis_url: str) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        async with api.open_stream() as socket:
            greeting = await receive_hello(socket)
            assert_valid("Hello", {"hello": greeting})
            queued = await api.post("/api/orders/execute", {**ORDER, "clientOrderId": "a"})
            assert_valid("Queued", queued)
            orders = [dict(ORDER), {**ORDER, "clientOrderId": "a"}, {"amount": 0}]
            batch = await api.post("/api/orders/batch", {"orders": orders})
            assert_valid("Batch", batch)
            confirmed = await api.place_order()
            await driver.confirm(confirmed)
            failed = await api.place_order()
            await driver.fail(await driver.retry(await driver.claim(failed)))
            assert_valid("Frame", await read_stream(socket, has_at_least(11)))
        listed = await api.get("/api/orders")
        assert_valid("OrderList", listed)
        for order in listed["orders"]:
            assert_valid("Order", await api.get(f"/api/orders/{order['orderId']}"))
            assert_valid("OrderEvents", await api.get(f"/api/orders/{order['orderId']}/events"))
        async with api.open_order_socket(failed) as one:
            for event in await receive_events(one):
                assert_valid("Event", event)
        assert_valid("Stats", await api.get("/api/stats"))
        assert_valid("Health", await api.get("/healthz"))
        for problem in await collect_problems(api):
            assert_valid("Problem", problem)


async def collect_problems(api: RunningApi) -> list[Json]:
    return [
        await api.get("/readyz", 503),
        await api.get("/nowhere", 404),
        await api.get("/api/orders/stream", 426),
        await api.get("/api/orders?limit=x", 400),
        await api.post("/api/orders/execute", {}, 422),
        await api.post("/api/orders/batch", {"orders": [7]}, 422),
        await api.post("/api/quotes", dict(ORDER), 503),
    ]


async def test_the_docs_page_needs_no_other_site(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        async with api.session.get("/docs") as response:
            page = await response.text()
            policy = response.headers["Content-Security-Policy"]
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.content_type == "text/html"
        assert "default-src 'self'" in policy
        linked = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert len(linked) == 4
        for path in linked:
            if path.startswith("data:"):
                continue
            assert path.startswith("docs/")  # under any prefix of a proxy
            async with api.session.get(urljoin("/docs", path)) as response:
                assert response.status == 200
                assert response.content_type in {"text/css", "text/javascript"}
                assert await response.read()
        async with api.session.get("/openapi.json") as response:
            assert await response.json() == {"servers": [{"url": api.url}], **DOCUMENT}


async def test_the_root_leads_to_the_page(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api, api.session.get("/") as response:
        assert (response.status, response.content_type) == (200, "text/html")
        assert str(response.url) == f"{api.url}/static/client.html"
        assert [redirect.status for redirect in response.history] == [302]


async def test_static_files_are_served_as_they_are_and_nothing_beside_them(
    database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "static"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "client.html").write_text("<!doctype html>")
    (folder / "deep" / "client.js").write_text("1")
    (folder / "deep" / "er" / "module.js").write_text("1")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    monkeypatch.setattr("backend.api.routes.static_files.STATIC_DIR", folder)
    async with open_api(database_url, redis_url) as api:
        kinds = {
            "client.html": "text/html",
            "deep/client.js": "text/javascript",
            "deep/er/module.js": "text/javascript",
        }
        for name, kind in kinds.items():
            async with api.session.get(f"/static/{name}") as response:
                assert (response.status, response.content_type) == (200, kind)
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        host, port = api.url.removeprefix("http://").split(":")
        for name in (
            "../secret.txt",
            "%2e%2e/secret.txt",
            "deep/../../secret.txt",
            "deep/%2e%2e/%2e%2e/secret.txt",
            "deep/er",
            "link.txt",
            "deep",
            "",
            "%00",
            "x" * 300,
        ):
            status = await get_raw_status(host, int(port), f"/static/{name}")
            assert status == 404, name


async def get_raw_status(host: str, port: int, path: str) -> int:
    """The status of a GET whose path no client library has normalized."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return int(line.split()[1])


async def test_metrics_count_requests_by_route_and_never_by_order(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        order_id = await api.place_order()
        await api.get(f"/api/orders/{order_id}")
        async with api.session.get("/metrics") as response:
            text = await response.text()
            assert response.content_type == "text/plain"
        assert 'http_requests_total{route="/api/orders/execute",status="202"}' in text
        assert 'http_requests_total{route="/api/orders/<orderId>",status="200"}' in text
        assert str(order_id) not in text

"""Query parameters that a path does not take are refused: on every route, and on WebSockets."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from backend.api.application.route_table import ROUTES, SOCKETS
from backend.api.documents.parameters import PARAMETERS, get_parameter_name
from backend.api.route import Route
from backend.api.wire.http import SINGLE_HEADERS
from tests.integration.apis import ORDER, WAIT_S, open_api

UNKNOWN = "unknown_parameter"


async def test_every_route_refuses_an_unknown_parameter(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        for route in ROUTES:
            path = route.path.replace("<path:name>", "client.html").replace("<name>", "x")
            body: dict[str, Any] = {"json": ORDER} if route.doc.body else {}
            async with api.session.request(route.method, f"{path}?zzz=1", **body) as response:
                if path == "/static/client.html" or route.is_probe:
                    # a link's query is for the page itself, and probes add what they like
                    assert response.status in {200, 503}
                    continue
                problem = await response.json(content_type=None)
            assert (response.status, problem["code"]) == (400, UNKNOWN), path
            [error] = problem["errors"]
            assert error["field"] == "zzz"
            assert "it takes" in error["reason"]
        assert (await api.get("/api/orders"))["orders"] == []


async def test_every_socket_refuses_an_unknown_parameter(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        for route in SOCKETS:
            path = route.path.replace("<name>", "x")
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await api.session.ws_connect(f"{path}?zzz=1")
            assert refusal.value.status == 400
            headers = {
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            }
            async with api.session.get(f"{path}?zzz=1", headers=headers) as response:
                [error] = (await response.json(content_type=None))["errors"]
            assert error["code"] == UNKNOWN
            assert "ticket" in error["reason"]


async def test_a_socket_that_places_an_order_refuses_where_to_follow_it_from(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await api.session.ws_connect("/api/orders/execute?after=3")
        assert refused.value.status == 400


@pytest.mark.parametrize(
    ("path", "name", "meant"),
    [
        ("/api/orders", "client_order_id", "clientOrderId"),
        ("/api/orders", "STATUS", "status"),
        ("/api/orders", "state", "status"),
        ("/api/orders", "stauts", "status"),
        ("/api/orders", "since", "updatedSince"),
        ("/api/orders", "startTime", "from"),
        ("/api/orders", "pageSize", "limit"),
        ("/api/orders", "sort", "order"),
        ("/api/orders", "x" * 500, None),
        ("/api/orders", "%00", None),
        ("/api/orders/019a9d2e-5c1b-7f3a-8e47-3f0a7c1d2b90/events", "afterSeq", "after"),
        ("/api/stats", "status", None),
    ],
)
async def test_the_refusal_names_what_was_probably_meant(
    database_url: str, redis_url: str, path: str, name: str, meant: str | None
) -> None:
    async with open_api(database_url, redis_url) as api:
        problem = await api.get(f"{path}?{name}=1&limit=1", 400)
        error = problem["errors"][0]
        assert error["code"] == UNKNOWN
        assert len(error["reason"]) < 300
        assert (f"probably {meant} was meant" in error["reason"]) == (meant is not None)
        assert ("probably" in error["reason"]) == (meant is not None)


async def test_a_parameter_that_is_given_twice_is_refused_unless_it_may_be(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        for route in (*ROUTES, *SOCKETS):
            path = route.path.replace("<orderId>", str(UUID(int=1)))
            for key in route.doc.parameters:
                name = get_parameter_name(key)
                if PARAMETERS[key][0] != "query" or PARAMETERS[key][2].get("type") == "array":
                    continue
                query = f"{path}?{name}=1&{name}=1"
                if isinstance(route, Route):
                    async with api.session.request(route.method, query) as response:
                        status, problem = response.status, await response.json(content_type=None)
                else:
                    headers = {
                        "Connection": "Upgrade",
                        "Upgrade": "websocket",
                        "Sec-WebSocket-Version": "13",
                        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
                    }
                    async with api.session.get(query, headers=headers) as response:
                        status, problem = response.status, await response.json(content_type=None)
                assert status == 400, query
                [error] = problem["errors"]
                assert (error["field"], error["code"]) == (name, "invalid_parameter")
                assert "more than once" in error["reason"]


@pytest.mark.parametrize("path", ["/api/orders", "/api/stats", "/metrics", "/openapi.json"])
@pytest.mark.parametrize("name", sorted(SINGLE_HEADERS.values()))
async def test_a_header_that_is_given_twice_is_refused_unless_it_may_be(
    database_url: str, redis_url: str, path: str, name: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        host, port = api.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        lines = [f"GET {path} HTTP/1.1", "Connection: close", "Accept: a", "Accept: b"]
        lines += [] if name == "Host" else ["Host: localhost"]
        writer.write("\r\n".join([*lines, f"{name}: localhost", f"{name}: x", "\r\n"]).encode())
        async with asyncio.timeout(WAIT_S):
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        problem = json.loads(body)
        assert head.startswith(b"HTTP/1.1 400 ")
        assert name.lower() in problem["detail"].lower()
        if name != "Host":  # which is no HTTP at all
            [error] = problem["errors"]
            assert (error["field"], error["code"]) == (name, "repeated_header")


async def test_probes_may_add_anything_to_the_address_of_a_health_check(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        for path in ("/healthz", "/health", "/livez"):
            query = "&".join(f"x{number}=1" for number in range(1_100))
            for each in ("x=1", "x=1&x=2", "key=secret", query):
                assert await api.get(f"{path}?{each}") == {"status": "ok"}
        async with api.session.get("/readyz?x=1") as response:
            assert "checks" in await response.json(content_type=None)

"""Query parameters that a path does not take are refused: on every route, and on WebSockets."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from backend.api.application.route_table import ROUTES, SOCKETS
from tests.integration.apis import ORDER, open_api

UNKNOWN = "unknown_parameter"


async def test_every_route_refuses_an_unknown_parameter(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        for route in ROUTES:
            path = route.path.replace("<path:name>", "client.html").replace("<name>", "x")
            body: dict[str, Any] = {"json": ORDER} if route.doc.body else {}
            async with api.session.request(route.method, f"{path}?zzz=1", **body) as response:
                if path == "/static/client.html":  # a link's query is for the page itself
                    assert response.status == 200
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

"""The API while what it depends on is away, from its address to its graceful shutdown."""

from __future__ import annotations

import asyncio
from pathlib import Path
from socket import create_server
from time import monotonic

import aiohttp
import pytest

from backend.config import Settings
from tests.integration.apis import (
    ORDER,
    UNREACHABLE_NODE,
    WAIT_S,
    has_at_least,
    open_api,
    receive_events,
    receive_hello,
    receive_stream,
    run_api,
    wait_until,
)
from tests.integration.database_proxy import open_database_proxy
from tests.integration.test_api_limits import EXECUTE, post_order


async def test_without_redis_orders_are_accepted_and_streamed(database_url: str) -> None:
    nowhere = "redis://127.0.0.1:9/0"
    async with open_api(database_url, nowhere, rate_limit=1) as api:
        async with api.open_stream() as socket:
            await receive_hello(socket)
            orders = [await api.place_order() for _ in range(3)]
            events = await receive_stream(socket, has_at_least(3))
        assert {event["orderId"] for event in events} == {str(order_id) for order_id in orders}
        checks = (await api.get("/readyz", 503))["checks"]
        assert checks["database"] == {"ok": True}
        assert checks["redis"]["ok"] is False


async def test_without_the_database_requests_fail_at_once_and_recover_when_it_is_back(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with (
        open_database_proxy(database_url, data_dir) as proxy,
        open_api(proxy.url, redis_url) as api,
    ):
        order_id = await api.place_order()
        async with api.open_stream() as stream, api.open_order_socket(order_id) as one:
            await receive_hello(stream)
            await receive_events(one, 1)
            earlier = await api.place_order()
            await receive_stream(stream, lambda events: str(earlier) in str(events))
            await proxy.cut()
            started = monotonic()
            for path in ("/api/orders", f"/api/orders/{order_id}", "/api/stats"):
                problem = await api.get(path, 503)
                assert problem["code"] == "database_unavailable"
            for path in (EXECUTE, "/api/orders/batch"):
                body = dict(ORDER) if path == EXECUTE else {"orders": [dict(ORDER)]}
                async with api.session.post(path, json=body) as response:
                    assert (response.status, response.headers["Retry-After"]) == (503, "1")
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await api.session.ws_connect(f"/api/orders/upgrade/{order_id}")
            assert refused.value.status == 503
            assert monotonic() - started < 5
            assert await api.get("/healthz") == {"status": "ok"}
            assert (await api.get("/readyz", 503))["checks"]["database"]["ok"] is False
            await proxy.restore()

            async def is_back() -> bool:
                return (await post_order(api))[0] == 202

            await wait_until(is_back)
            later = await api.place_order()
            events = await receive_stream(stream, lambda events: str(later) in str(events))
            assert str(earlier) not in {event["orderId"] for event in events}


async def test_a_server_is_ready_when_all_its_dependencies_respond(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        problem = await api.get("/readyz", 503)
        assert problem["code"] == "not_ready"
        assert problem["detail"] == "no response from: node"
        assert problem["checks"]["database"] == problem["checks"]["redis"] == {"ok": True}
        assert problem["checks"]["node"]["reason"]


async def test_a_stopping_server_completes_running_requests(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:

        async def keep_posting() -> set[tuple[int, str | None]]:
            responses: set[tuple[int, str | None]] = set()
            try:
                while True:
                    responses.add(await post_order(api))
                    has_first_response.set()
            except aiohttp.ClientConnectionError:
                return responses

        has_first_response = asyncio.Event()
        async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
            tasks = [group.create_task(keep_posting()) for _ in range(8)]
            await has_first_response.wait()
            api.stop.set()
        responses = {response for task in tasks for response in task.result()}
        assert responses <= {(202, None), (503, "1")}


async def test_the_address_that_is_reported_is_the_real_one(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url, solana_rpc_url=UNREACHABLE_NODE) as api:
        assert not api.url.endswith(":0")
        async with (
            aiohttp.ClientSession() as other,
            other.get(f"{api.url}/livez") as response,
        ):
            assert await response.json() == {"status": "ok"}


async def test_a_socket_that_is_open_already_is_served(database_url: str, redis_url: str) -> None:
    with create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        settings = Settings.load(
            database_url=database_url, redis_url=redis_url, solana_rpc_url=UNREACHABLE_NODE
        )
        async with run_api(settings, listener) as api:
            assert api.url == f"http://127.0.0.1:{port}"
            assert await api.get("/healthz") == {"status": "ok"}

"""Authentication, rate limits and overload; behaviour during outages and graceful shutdown."""

from __future__ import annotations

import asyncio
from math import ceil
from pathlib import Path
from socket import create_server
from time import monotonic
from uuid import UUID

import aiohttp
import pytest

from backend.config import Settings
from tests.integration.apis import (
    ORDER,
    UNREACHABLE_NODE,
    WAIT_S,
    RunningApi,
    has_at_least,
    open_api,
    open_driver,
    receive_events,
    receive_hello,
    receive_stream,
    run_api,
    wait_until,
)
from tests.integration.database_proxy import open_database_proxy

EXECUTE = "/api/orders/execute"
KEYS = "anna:anna-key-0123456789,bert:bert-key-0123456789"
ANNA = {"Authorization": "Bearer anna-key-0123456789"}
BERT = {"X-API-Key": "bert-key-0123456789"}
BAD_KEYS = [
    {},
    {"Authorization": "Bearer "},
    {"Authorization": "Bearer anna-key"},
    {"Authorization": "Basic anna-key-0123456789"},
    {"X-API-Key": "anna"},
    {"X-API-Key": "anna:anna-key-0123456789"},
    {"X-API-Key": "\u043a\u043b\u044e\u0447"},
]


async def post_order(
    api: RunningApi, headers: dict[str, str] | None = None
) -> tuple[int, str | None]:
    """Post an order; return the status and the ``Retry-After`` header of the response."""
    async with api.session.post(EXECUTE, json=dict(ORDER), headers=headers) as response:
        return response.status, response.headers.get("Retry-After")


@pytest.mark.parametrize("headers", BAD_KEYS, ids=str)
async def test_without_a_known_key_nothing_is_served(
    database_url: str, redis_url: str, headers: dict[str, str]
) -> None:
    async with open_api(database_url, redis_url, api_keys=KEYS) as api:
        unknown_order = UUID(int=0)
        for method, path in (
            ("POST", EXECUTE),
            ("POST", "/api/orders/batch"),
            ("POST", "/api/quotes"),
            ("GET", "/api/orders"),
            ("GET", f"/api/orders/{unknown_order}"),
            ("GET", f"/api/orders/{unknown_order}/events"),
            ("GET", "/api/stats"),
        ):
            async with api.session.request(method, path, headers=headers) as response:
                assert response.status == 401, path
                assert response.headers["WWW-Authenticate"].startswith("Bearer")
                assert (await response.json(content_type=None))["code"] == "unauthorized"
        for path in (EXECUTE, "/api/orders/stream", f"/api/orders/upgrade/{unknown_order}"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await api.session.ws_connect(path, headers=headers)
            assert refused.value.status == 401, path


async def test_operations_need_no_key(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url, api_keys=KEYS) as api:
        for path in ("/healthz", "/livez", "/metrics", "/openapi.json", "/docs"):
            async with api.session.get(path) as response:
                assert response.status == 200, path


async def test_an_owner_sees_only_its_own_orders(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url, api_keys=KEYS) as api:
        stream = "/api/orders/stream"
        async with (
            api.session.ws_connect(stream, headers=ANNA) as of_anna,
            api.session.ws_connect(stream, headers=BERT) as of_bert,
        ):
            await receive_hello(of_anna)
            await receive_hello(of_bert)
            body = {**ORDER, "clientOrderId": "same name"}
            anna = await api.post(EXECUTE, body, headers=ANNA)
            bert = await api.post(EXECUTE, body, headers=BERT)
            assert anna["orderId"] != bert["orderId"]
            for socket, order in ((of_anna, anna), (of_bert, bert)):
                [event] = await receive_stream(socket, has_at_least(1))
                assert event["orderId"] == order["orderId"]
        path = f"/api/orders/{anna['orderId']}"
        for foreign in (path, f"{path}/events"):
            async with api.session.get(foreign, headers=BERT) as response:
                assert response.status == 404
            async with api.session.get(foreign, headers=ANNA) as response:
                assert response.status == 200
        upgrade = f"/api/orders/upgrade/{anna['orderId']}"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await api.session.ws_connect(upgrade, headers=BERT)
        assert refused.value.status == 404
        async with api.session.ws_connect(upgrade, headers=ANNA) as socket:
            assert len(await receive_events(socket, 1)) == 1
        async with api.session.get("/api/orders", headers=BERT) as response:
            [listed] = (await response.json())["orders"]
            assert listed["orderId"] == bert["orderId"]


async def test_every_response_where_a_rate_limit_holds_tells_it(
    database_url: str, redis_url: str
) -> None:
    policy = '"orders";q=3;w=1'
    async with open_api(database_url, redis_url, rate_limit=3, api_keys=KEYS) as api:
        seen: list[tuple[int, str]] = []
        for headers, body in (
            (ANNA, dict(ORDER)),
            (ANNA, {**ORDER, "amount": 0}),
            (BERT, {"orders": [dict(ORDER)] * 10}),
            (BERT, {"orders": [dict(ORDER)]}),
        ):
            path = "/api/orders/batch" if "orders" in body else EXECUTE
            async with api.session.post(path, json=body, headers=headers) as response:
                assert response.headers["RateLimit-Policy"] == policy
                seen.append((response.status, response.headers["RateLimit"]))
        # Ten orders at once take the quota of 3.3 s.
        assert [status for status, _ in seen] == [202, 422, 202, 429]
        assert [limit.split(";")[1] for _, limit in seen] == ["r=2", "r=1", "r=0", "r=0"]
        assert seen[2][1].endswith(";t=4")
        async with api.session.ws_connect(EXECUTE, headers=ANNA) as socket:
            assert socket._response.headers["RateLimit-Policy"] == policy
        async with api.session.get("/api/orders", headers=ANNA) as response:
            assert "RateLimit-Policy" not in response.headers


async def test_without_a_rate_limit_no_response_tells_one(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url, rate_limit=0) as api,
        api.session.post(EXECUTE, json=dict(ORDER)) as response,
    ):
        assert not {"RateLimit", "RateLimit-Policy"} & set(response.headers)


async def test_no_more_orders_come_in_than_the_rate_allows(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url, rate_limit=10) as api:
        started = monotonic()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(post_order(api)) for _ in range(200)]
        elapsed_s = monotonic() - started
        responses = [task.result() for task in tasks]
        accepted = [status for status, _ in responses].count(202)
        assert 10 <= accepted <= 10 + ceil(elapsed_s * 10)
        assert {response for response in responses if response[0] != 202} == {(429, "1")}
        page = await api.get("/api/orders?limit=500")
        assert len(page["orders"]) == accepted

        async def is_let_in() -> bool:
            return (await post_order(api))[0] == 202

        await wait_until(is_let_in)


async def test_every_owner_has_a_rate_of_its_own(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url, rate_limit=1, api_keys=KEYS) as api:
        assert (await post_order(api, ANNA))[0] == 202
        assert (await post_order(api, ANNA))[0] == 429
        assert (await post_order(api, BERT))[0] == 202


async def test_a_batch_is_paid_for_by_waiting(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url, rate_limit=10) as api:
        await api.post("/api/orders/batch", {"orders": [dict(ORDER)] * 100})
        status, after_s = await post_order(api)
        assert status == 429
        assert after_s is not None
        assert 5 <= int(after_s) <= 10


async def test_a_socket_is_limited_as_well(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url, rate_limit=1) as api:
        assert (await post_order(api))[0] == 202
        async with api.session.ws_connect(EXECUTE) as socket:
            await socket.send_json(dict(ORDER))
            [problem] = await receive_events(socket, code=1013)
        assert problem["code"] == "rate_limited"


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


async def test_above_the_limit_of_open_orders_new_ones_are_refused(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url, open_orders_max=3) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        batch = await api.post("/api/orders/batch", {"orders": [dict(ORDER)] * 3})

        async def is_refused_with(status: int) -> bool:
            async with api.session.post(EXECUTE, json={}) as response:
                return response.status == status

        await wait_until(lambda: is_refused_with(503))
        assert await post_order(api) == (503, "1")
        problem = await api.post(EXECUTE, dict(ORDER), 503)
        assert problem["code"] == "overloaded"
        await driver.confirm(UUID(batch["orders"][0]["orderId"]))
        await wait_until(lambda: is_refused_with(422))
        assert (await post_order(api))[0] == 202
        first = await api.get(f"/api/orders/{batch['orders'][0]['orderId']}")
        assert first["status"] == "confirmed"


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

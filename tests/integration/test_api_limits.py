"""Authentication, rate limits and overload."""

from __future__ import annotations

import asyncio
from math import ceil
from time import monotonic
from uuid import UUID

import aiohttp
import pytest

from tests.integration.apis import (
    ORDER,
    RunningApi,
    has_at_least,
    open_api,
    open_driver,
    receive_events,
    receive_hello,
    receive_stream,
    wait_until,
)

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
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await api.session.ws_connect(EXECUTE)
        assert refused.value.headers is not None
        assert (refused.value.status, refused.value.headers["RateLimit-Policy"]) == (401, policy)
        for headers, status in (({}, 401), (ANNA, 415)):  # from the headers alone
            async with api.session.post(EXECUTE, data=b"x", headers=headers) as response:
                assert (response.status, response.headers["RateLimit-Policy"]) == (status, policy)
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

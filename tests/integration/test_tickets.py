"""Tickets of WebSockets: one use, 30 seconds, on every API process; a key in an address never."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from redis.asyncio import Redis

from tests.integration.apis import (
    ORDER,
    WAIT_S,
    Json,
    RunningApi,
    has_at_least,
    open_api,
    receive_hello,
    receive_stream,
)

KEY = "anna-key-0123456789"
KEYS = f"anna:{KEY},bert:bert-key-0123456789"
ANNA = {"Authorization": f"Bearer {KEY}"}
STREAM = "/api/orders/stream"
NOWHERE = "redis://127.0.0.1:9"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


async def get_ticket(api: RunningApi, headers: dict[str, str] | None = None) -> str:
    async with api.session.post("/api/tickets", headers=headers) as response:
        assert response.status == 201, await response.text()
        answer = await response.json()
        assert answer["expiresInS"] == 30
        return str(answer["ticket"])


async def refuse_upgrade(api: RunningApi, path: str) -> tuple[int, Json, str | None]:
    async with api.session.get(path, headers=UPGRADE) as response:
        problem = dict(await response.json(content_type=None))
        return response.status, problem, response.headers.get("Retry-After")


async def test_a_ticket_opens_one_socket_of_its_owner_on_any_process(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url, api_keys=KEYS) as one,
        open_api(database_url, redis_url, api_keys=KEYS) as two,
    ):
        ticket = await get_ticket(one, ANNA)
        async with two.session.ws_connect(STREAM, params={"ticket": ticket}) as socket:
            await receive_hello(socket)
            await one.post("/api/orders/execute", dict(ORDER), headers={"X-API-Key": KEYS[-19:]})
            order = await one.post("/api/orders/execute", dict(ORDER), headers=ANNA)
            [event] = await receive_stream(socket, has_at_least(1))
            assert event["orderId"] == order["orderId"]
        for api in (one, two):
            status, problem, _ = await refuse_upgrade(api, f"{STREAM}?ticket={ticket}")
            assert (status, problem["code"]) == (401, "invalid_ticket")
            assert "POST /api/tickets" in problem["detail"]
        # Whatever else is wrong with it; none is looked for that cannot exist.
        fresh = await get_ticket(one, ANNA)
        for text in ("", "x", "x" * 43, "%D0%BA" * 43, fresh[:-1]):
            assert (await refuse_upgrade(one, f"{STREAM}?ticket={text}"))[0] == 401
        status, problem, _ = await refuse_upgrade(one, f"{STREAM}?ticket={fresh}&ticket={fresh}")
        assert (status, problem["errors"][0]["field"]) == (400, "ticket")
        path = f"/api/orders/execute?orderId={order['orderId']}&ticket={fresh}"
        async with one.session.ws_connect(path) as socket, asyncio.timeout(WAIT_S):
            assert (await socket.receive_json())["orderId"] == order["orderId"]
        async with one.session.post("/api/tickets") as response:
            assert response.status == 401


async def test_of_many_who_use_a_ticket_at_once_one_gets_in(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url, api_keys=KEYS) as api:
        ticket = await get_ticket(api, ANNA)

        async def connect() -> int:
            try:
                async with api.session.ws_connect(STREAM, params={"ticket": ticket}):
                    return 101
            except aiohttp.WSServerHandshakeError as error:
                return error.status

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(connect()) for _ in range(20)]
        assert sorted(task.result() for task in tasks) == [101, *[401] * 19]


async def test_a_ticket_expires_and_redis_does_not_know_it(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url, api_keys=KEYS) as api,
        Redis.from_url(redis_url) as redis,
    ):
        ticket = await get_ticket(api, ANNA)
        [name] = [key async for key in redis.scan_iter("order-engine:*:ticket:*")]
        assert ticket.encode() not in name
        assert 25 < await redis.ttl(name) <= 30
        await redis.pexpire(name, 1)
        async with asyncio.timeout(WAIT_S):
            while await redis.exists(name):
                pass
        assert (await refuse_upgrade(api, f"{STREAM}?ticket={ticket}"))[0] == 401


async def test_without_redis_a_ticket_is_a_clear_503_and_a_key_still_works(
    database_url: str,
) -> None:
    async with open_api(database_url, NOWHERE, api_keys=KEYS) as api:
        problem = await api.post("/api/tickets", {}, 503, ANNA)
        assert problem["code"] == "tickets_unavailable"
        status, problem, retry_after = await refuse_upgrade(api, f"{STREAM}?ticket={'x' * 43}")
        assert (status, problem["code"], retry_after) == (503, "tickets_unavailable", "1")
        async with api.session.ws_connect(STREAM, headers=ANNA) as socket:
            await receive_hello(socket)


@pytest.mark.parametrize("keys", ["", KEYS], ids=["open", "keys"])
async def test_a_key_in_an_address_is_refused_with_what_to_use_instead(
    database_url: str, redis_url: str, keys: str
) -> None:
    async with open_api(database_url, redis_url, api_keys=keys) as api:
        for name in ("access_token", "ACCESS_TOKEN", "api_key", "apikey", "key", "token"):
            for path in (STREAM, "/api/orders/execute", f"/api/orders/upgrade/{name}"):
                status, problem, _ = await refuse_upgrade(api, f"{path}?{name}={KEY}")
                assert (status, problem["code"]) == (401, "key_in_address"), path
                for advice in ("POST /api/tickets", "?ticket=", "Authorization", "X-API-Key"):
                    assert advice in problem["detail"]
                assert KEY not in str(problem)
            for headers in (ANNA, {}):
                path = f"/api/orders?{name}={KEY}"
                async with api.session.get(path, headers=headers) as response:
                    assert response.status == 401
                    problem = await response.json(content_type=None)
                    assert problem["code"] == "key_in_address"


async def test_without_keys_a_ticket_works_as_well(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        ticket = await get_ticket(api)
        async with api.session.ws_connect(STREAM, params={"ticket": ticket}) as socket:
            await receive_hello(socket)
        assert (await refuse_upgrade(api, f"{STREAM}?ticket={ticket}"))[0] == 401

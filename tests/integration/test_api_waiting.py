"""Orders that wait for a price, over HTTP and WebSocket."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from redis.asyncio import Redis

from backend.queue.broker import STREAM
from tests.integration.apis import ORDER, Json, RunningApi, open_api, receive_events

EXECUTE = "/api/orders/execute"
LIMIT: Json = {**ORDER, "type": "limit", "limitPrice": "101.50"}
STOP: Json = {**ORDER, "type": "stop", "triggerPrice": 90, "confirmations": 3}
CONDITIONS: dict[str, tuple[Json, Json]] = {
    "limit": ({"limitPrice": "101.50"}, {"limitPrice": "101.5", "priceOf": "tokenIn"}),
    "stop": (
        {"stopPrice": 90},
        {"triggerPrice": "90", "priceOf": "tokenIn", "confirmations": 2},
    ),
    "takeProfit": (
        {"triggerPrice": "0.009", "priceOf": "tokenOut", "then": "market", "confirmations": 1},
        {"triggerPrice": "0.009", "priceOf": "tokenOut", "then": "market", "confirmations": 1},
    ),
    "stopLimit": (
        {"triggerPrice": 90, "limitPrice": 89.5},
        {"triggerPrice": "90", "limitPrice": "89.5", "priceOf": "tokenIn", "confirmations": 2},
    ),
    "trailingStop": ({"trailBps": 500}, {"trailBps": 500, "confirmations": 2}),
}
SHOWN = frozenset(
    {"limitPrice", "triggerPrice", "activationPrice", "priceOf", "trailBps", "confirmations"}
) | {"then"}


def list_conditions(record: Json) -> Json:
    """The fields of a condition that a record or an event shows."""
    return {name: record[name] for name in SHOWN if record.get(name) is not None}


async def list_ids(api: RunningApi, query: str) -> set[str]:
    return {each["orderId"] for each in (await api.get(f"/api/orders?{query}"))["orders"]}


@pytest.mark.parametrize("kind", CONDITIONS)
async def test_an_order_shows_what_it_waits_for(
    database_url: str, redis_url: str, kind: str
) -> None:
    fields, shown = CONDITIONS[kind]
    async with open_api(database_url, redis_url) as api:
        placed = await api.post(EXECUTE, {**ORDER, "type": kind, **fields})
        assert placed["status"] == "waiting"
        order = await api.get(placed["statusUrl"])
        assert (order["status"], order["seq"], order["type"]) == ("waiting", 2, kind)
        assert (order["isTriggered"], order["highestPrice"]) == (False, None)
        assert list_conditions(order) == shown
        events = (await api.get(f"{placed['statusUrl']}/events"))["events"]
        assert [event["status"] for event in events] == ["pending", "waiting"]
        assert list_conditions(events[0]) == shown
        assert [step["status"] for step in order["steps"]] == ["pending", "waiting"]


async def test_a_market_order_waits_for_nothing(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        order = await api.get(f"/api/orders/{await api.place_order(minAmountOut=1)}")
        assert (order["status"], order["type"]) == ("pending", "market")
        assert order.keys() >= SHOWN
        assert list_conditions(order) == {}


async def test_a_limit_has_its_price_as_its_minimum(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        order = await api.get((await api.post(EXECUTE, LIMIT))["statusUrl"])
        assert (order["minAmountOut"], order["slippageBps"]) == ("152.25", 50)
        stop = await api.get((await api.post(EXECUTE, STOP))["statusUrl"])
        assert (stop["minAmountOut"], stop["slippageBps"]) == (None, 300)


async def test_lists_select_what_waits(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        limit = (await api.post(EXECUTE, LIMIT))["orderId"]
        profit = (await api.post(EXECUTE, {**ORDER, "type": "takeProfit", "triggerPrice": 200}))[
            "orderId"
        ]
        market = str(await api.place_order())
        assert await list_ids(api, "status=waiting") == {limit, profit}
        assert await list_ids(api, "status=open") == {limit, profit, market}
        assert await list_ids(api, "status=pending") == {market}
        assert await list_ids(api, "status=pending,waiting&type=limit") == {limit}
        assert await list_ids(api, "type=takeprofit") == {profit}
        assert await list_ids(api, "type=takeProfit&status=confirmed") == set()
        assert await list_ids(api, "") == {limit, profit, market}


async def test_only_what_does_not_wait_has_a_job(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api, Redis.from_url(redis_url) as redis:
        await api.post(EXECUTE, LIMIT)
        body = {"orders": [LIMIT, dict(ORDER), STOP, {**LIMIT, "timeInForce": "fok"}]}
        batch = await api.post("/api/orders/batch", body)
        statuses = [each["status"] for each in batch["orders"]]
        assert statuses == ["waiting", "queued", "waiting", "queued"]
        only_waiting = await api.post("/api/orders/batch", {"orders": [LIMIT]})
        assert only_waiting["accepted"] == 1
        async with asyncio.timeout(60):
            while await redis.xlen(STREAM) < 2:
                await asyncio.sleep(0.01)
        jobs = repr(await redis.xrange(STREAM))
        for each in batch["orders"]:
            assert (each["orderId"] in jobs) == (each["status"] == "queued")


async def test_a_repeat_finds_what_waits(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        named = {**LIMIT, "clientOrderId": "one"}
        first = await api.post(EXECUTE, named)
        again = await api.post(EXECUTE, {**named, "limitPrice": 101.5})
        assert (again["orderId"], again["status"]) == (first["orderId"], "waiting")
        other = await api.post(EXECUTE, {**named, "limitPrice": 102}, 422)
        assert other["code"] == "client_order_id_reused"


async def test_what_waits_is_cancelled(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        order_id = UUID((await api.post(EXECUTE, LIMIT))["orderId"])
        other = (await api.post(EXECUTE, STOP))["orderId"]
        async with api.open_order_socket(order_id) as socket:
            async with api.session.delete(f"/api/orders/{order_id}") as response:
                assert response.status == 200
                assert (await response.json())["status"] == "cancelled"
            events = await receive_events(socket)  # up to the close after the last one
        assert [event["status"] for event in events] == ["pending", "waiting", "cancelled"]
        async with api.session.delete("/api/orders?status=waiting&type=stop") as response:
            assert (await response.json())["cancelled"] == [other]
        assert await list_ids(api, "status=open") == set()


async def test_a_socket_places_what_waits(database_url: str, redis_url: str) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        api.session.ws_connect(EXECUTE) as socket,
    ):
        await socket.send_json(LIMIT)
        placed = await socket.receive_json(timeout=30)
        events = [await socket.receive_json(timeout=30) for _ in range(2)]
        assert placed["status"] == "waiting"
        assert [(event["seq"], event["status"]) for event in events] == [
            (1, "pending"),
            (2, "waiting"),
        ]


async def test_what_waits_counts_as_open(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url, owner_open_orders_max=1) as api:
        await api.post(EXECUTE, LIMIT)
        problem = await api.post(EXECUTE, LIMIT, 429)
        assert problem["code"] == "too_many_open_orders"

"""Cancelling orders over HTTP: 200 with the cancelled order, or 409 with the order as it is."""

from __future__ import annotations

import asyncio
from uuid import UUID

from uuid_utils.compat import uuid7

from tests.integration.apis import (
    Json,
    RunningApi,
    open_api,
    open_driver,
    receive_events,
    wait_until,
)

ANNA, BERT = "anna:" + "a" * 16, "bert:" + "b" * 16


async def delete(api: RunningApi, path: str, status: int = 200, key: str = "") -> Json:
    headers = {"X-API-Key": key.partition(":")[2]} if key else None
    async with api.session.delete(path, headers=headers) as response:
        assert response.status == status, await response.text()
        return dict(await response.json(content_type=None))


async def test_an_order_is_cancelled_once_and_a_repeat_gets_the_same_answer(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        order_id = await api.place_order()
        path = f"/api/orders/{order_id}"
        cancelled = await delete(api, path)
        assert cancelled["status"] == "cancelled"
        assert cancelled["cancelReason"] == "cancelled_by_request"
        assert cancelled["mayLandUntil"] is None
        assert [step["status"] for step in cancelled["steps"]] == ["pending", "cancelled"]
        assert await delete(api, path) == cancelled == await api.get(path)
        assert await delete(api, path.upper().replace("/API/ORDERS", "/api/orders")) == cancelled

        async def is_counted() -> bool:
            stats = await api.get("/api/stats")
            return bool((stats["open"], stats["byStatus"]["cancelled"]) == (0, 1))

        await wait_until(is_counted)
        page = await api.get("/api/orders?status=cancelled")
        assert [each["orderId"] for each in page["orders"]] == [str(order_id)]


async def test_a_worker_that_executes_it_loses_an_order_that_is_cancelled(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as d:
        order_id = await api.place_order()
        leased = await d.route(await d.claim(order_id))
        async with api.open_order_socket(order_id) as socket:
            cancelled = await delete(api, f"/api/orders/{order_id}")
            events = await receive_events(socket)  # up to the close after the last one
        assert [event["status"] for event in events] == [
            *("pending", "routing", "building", "cancelled")
        ]
        assert events[-1]["code"] == "cancelled_by_request"
        assert (cancelled["status"], cancelled["dex"]) == ("cancelled", "raydium")
        assert await d.lose(leased)


async def test_what_is_submitted_or_has_ended_is_too_late_and_shown_as_it_is(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as d:
        order_id = await api.place_order()
        path = f"/api/orders/{order_id}"
        signed = await d.sign(await d.route(await d.claim(order_id)))
        assert signed.signed is not None
        problem = await delete(api, path, 409)
        assert problem["code"] == "too_late"
        order = problem["order"]
        assert order["status"] == "submitted"
        assert order["txHash"] == signed.signed.signature
        assert order["mayLandUntil"] == signed.signed.last_valid_height
        assert str(signed.signed.last_valid_height) in problem["detail"]
        await d.land(signed)
        problem = await delete(api, path, 409)
        assert (problem["code"], problem["order"]["status"]) == ("too_late", "confirmed")
        assert problem["order"]["mayLandUntil"] is None
        failed = await api.place_order()
        await d.fail(await d.claim(failed))
        problem = await delete(api, f"/api/orders/{failed}", 409)
        assert (problem["code"], problem["order"]["status"]) == ("too_late", "failed")


async def test_orders_of_others_and_unknown_ones_are_not_found_and_stay(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url, api_keys=f"{ANNA},{BERT}") as api:
        headers = {"X-API-Key": "a" * 16}
        body = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1"}
        placed = await api.post("/api/orders/execute", body, headers=headers)
        path = f"/api/orders/{placed['orderId']}"
        assert (await delete(api, path, 401))["code"] == "unauthorized"
        for unknown in (path, f"/api/orders/{uuid7()}", "/api/orders/none"):
            assert (await delete(api, unknown, 404, BERT))["code"] == "order_not_found"
        assert (await delete(api, f"{path}?force=1", 400, ANNA))["code"] == "unknown_parameter"
        async with api.session.get(path, headers=headers) as response:
            assert (await response.json())["status"] == "pending"
        assert (await delete(api, path, 200, ANNA))["status"] == "cancelled"


async def test_two_api_processes_cancel_the_same_orders_once_each(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url) as first,
        open_api(database_url, redis_url) as second,
    ):
        ids = [await first.place_order() for _ in range(20)]
        async with asyncio.TaskGroup() as group:
            answers: list[tuple[UUID, asyncio.Task[Json]]] = [
                (order_id, group.create_task(delete(api, f"/api/orders/{order_id}")))
                for order_id in ids
                for api in (first, second)
                for _ in range(2)
            ]
        for order_id, answer in answers:
            assert answer.result()["orderId"] == str(order_id)
            assert answer.result()["seq"] == 2
        for order_id in ids:
            events = await second.get(f"/api/orders/{order_id}/events")
            assert [each["status"] for each in events["events"]] == ["pending", "cancelled"]

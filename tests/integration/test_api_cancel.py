"""Cancelling orders over HTTP: 200 with the cancelled order, or 409 with the order as it is."""

from __future__ import annotations

import asyncio
from uuid import UUID

from uuid_utils.compat import uuid7

from tests.integration.apis import (
    ORDER,
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


# All orders of a filter


async def place_pairs(api: RunningApi) -> dict[str, list[str]]:
    """Six orders of two pairs, in the order of their placement."""
    ids: dict[str, list[str]] = {"SOL": [], "JUP": []}
    for _ in range(3):
        for token, placed in ids.items():
            placed.append(str(await api.place_order(tokenIn=token)))
    return ids


async def test_all_open_orders_of_a_filter_are_cancelled_and_no_other(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as d:
        ids = await place_pairs(api)
        await d.sign(await d.route(await d.claim(UUID(ids["SOL"][0]))))
        await d.confirm(UUID(ids["SOL"][1]))
        answer = await delete(api, "/api/orders?tokenIn=sol")
        assert answer == {"cancelled": [ids["SOL"][2]], "tooLate": [ids["SOL"][0]], "next": None}
        page = await api.get("/api/orders?status=open&order=asc")
        assert [each["orderId"] for each in page["orders"]] == [ids["SOL"][0], *ids["JUP"]]
        order = await api.get(f"/api/orders/{ids['SOL'][2]}")
        assert order["cancelReason"] == "cancelled_with_others"
        nothing: Json = {"cancelled": [], "tooLate": [], "next": None}
        for query in ("status=pending&tokenOut=SOL", "type=limit", "status=building"):
            assert await delete(api, f"/api/orders?{query}") == nothing
        batch = await api.post("/api/orders/batch", {"orders": [dict(ORDER)] * 2})
        answer = await delete(api, f"/api/orders?batchId={batch['batchId']}")
        assert answer["cancelled"] == [each["orderId"] for each in batch["orders"]]
        answer = await delete(api, "/api/orders?all=true")
        assert answer == {"cancelled": ids["JUP"], "tooLate": [ids["SOL"][0]], "next": None}


async def test_a_call_cancels_a_bounded_number_and_its_cursor_goes_on(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as d:
        ids = [str(await api.place_order()) for _ in range(7)]
        await d.sign(await d.route(await d.claim(UUID(ids[0]))))
        answers: list[Json] = []
        cursor: str | None = ""
        while cursor is not None:
            answers.append(await delete(api, f"/api/orders?all=true&limit=3{cursor}"))
            assert len(answers[-1]["cancelled"]) + len(answers[-1]["tooLate"]) <= 3
            following = answers[-1]["next"]
            cursor = None if following is None else f"&cursor={following}"
        assert [each for answer in answers for each in answer["cancelled"]] == ids[1:]
        assert [each for answer in answers for each in answer["tooLate"]] == ids[:1]


async def test_what_is_not_clearly_asked_for_is_refused_and_cancels_nothing(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        order_id = await api.place_order()
        problem = await delete(api, "/api/orders", 422)
        assert problem["code"] == "filter_required"
        assert "all=true" in problem["detail"]
        assert (await delete(api, "/api/orders?limit=5", 422))["code"] == "filter_required"
        for query, field in (
            ("all=yes", "all"),
            ("all=true&tokenIn=SOL", "all"),
            ("status=cancelled", "status"),
            ("status=open,failed", "status"),
            ("tokenIn=DOGE", "tokenIn"),
            ("batchId=7", "batchId"),
            ("parentId=7", "parentId"),
            ("ocoGroup=7", "ocoGroup"),
            ("all=true&limit=1001", "limit"),
            ("all=true&cursor=x", "cursor"),
            ("all=true&dex=raydium", "dex"),
        ):
            problem = await delete(api, f"/api/orders?{query}", 400)
            assert [error["field"] for error in problem["errors"]] == [field], query
        assert (await api.get(f"/api/orders/{order_id}"))["status"] == "pending"


async def test_an_owner_cancels_all_of_its_own_orders_only(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url, api_keys=f"{ANNA},{BERT}") as api:
        for key in (ANNA, BERT):
            headers = {"X-API-Key": key.partition(":")[2]}
            await api.post("/api/orders/execute", dict(ORDER), headers=headers)
        answers = [await delete(api, "/api/orders?all=true", key=ANNA) for _ in range(2)]
        assert [len(answer["cancelled"]) for answer in answers] == [1, 0]
        assert len((await delete(api, "/api/orders?status=open", key=BERT))["cancelled"]) == 1

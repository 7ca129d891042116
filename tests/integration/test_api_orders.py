"""Orders over HTTP: accepted once, listed, looked at, and handed to the workers."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis

from backend.jobs.broker import STREAM
from tests.integration.apis import ORDER, Api, Json, open_api, open_driver, until

EXECUTE = "/api/orders/execute"
BATCH = "/api/orders/batch"


async def posted(
    api: Api, path: str, body: object, headers: Mapping[str, str] | None = None
) -> tuple[int, Json, bool]:
    """Status, answer, and whether it is a repeated answer."""
    async with api.session.post(path, json=body, headers=headers) as response:
        is_repeat = response.headers.get("Idempotent-Replayed") == "true"
        return response.status, await response.json(content_type=None), is_repeat


def order(**fields: object) -> Json:
    return {**ORDER, **fields}


async def total(api: Api) -> int:
    orders: list[Any] = (await api.get("/api/orders?limit=500"))["orders"]
    return len(orders)


async def test_an_accepted_order_is_stored_told_and_given_to_the_workers(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, Redis.from_url(redis_url) as redis:
        async with api.session.post(EXECUTE, json=order(clientOrderId="mine")) as response:
            assert response.status == 202
            answer = await response.json()
            location = response.headers["Location"]
        assert answer["status"] == "queued"
        assert answer["clientOrderId"] == "mine"
        host = api.url.removeprefix("http://")
        order_id = answer["orderId"]
        assert answer["ws_url"] == f"ws://{host}/api/orders/execute?orderId={order_id}"
        assert location == answer["statusUrl"] == f"/api/orders/{order_id}"
        shown = await api.get(location)
        assert shown["createdAt"] == answer["createdAt"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", shown["createdAt"])
        assert (shown["status"], shown["amountIn"], shown["slippageBps"]) == ("pending", "1.5", 50)
        told = await api.get(f"{location}/events")
        assert [event["seq"] for event in told["events"]] == [1]

        async def is_queued() -> bool:
            return bool(await redis.xlen(STREAM) == 1)

        await until(is_queued)
        assert order_id in repr(await redis.xrange(STREAM))


async def test_the_socket_address_is_secure_where_the_client_came_securely(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        headers = {"X-Forwarded-Proto": "https", "Host": "orders.example"}
        answer = await api.post(EXECUTE, order(), headers=headers)
        assert answer["ws_url"].startswith("wss://orders.example/api/orders/execute?orderId=")


@pytest.mark.parametrize("by", ["header", "field"])
async def test_a_repeat_gets_the_first_answer(database_url: str, redis_url: str, by: str) -> None:
    headers = {"Idempotency-Key": "key"} if by == "header" else None
    fields = {"clientOrderId": "name"} if by == "field" else {}
    async with open_api(database_url, redis_url) as api:
        first = await posted(api, EXECUTE, order(**fields), headers)
        again = await posted(api, EXECUTE, order(**fields, amount=1.50), headers)
        assert first == (202, again[1], False)
        assert again == (202, first[1], True)
        assert await total(api) == 1


@pytest.mark.parametrize("by", ["header", "field"])
async def test_a_name_cannot_be_used_for_another_request(
    database_url: str, redis_url: str, by: str
) -> None:
    headers = {"Idempotency-Key": "key"} if by == "header" else None
    fields = {"clientOrderId": "name"} if by == "field" else {}
    async with open_api(database_url, redis_url) as api:
        await api.post(EXECUTE, order(**fields), headers=headers)
        problem = await api.post(EXECUTE, order(**fields, amount=2), 422, headers)
        named = {
            "header": ("Idempotency-Key", "idempotency_key_reused"),
            "field": ("clientOrderId", "client_order_id_reused"),
        }
        assert (problem["errors"][0]["field"], problem["code"]) == named[by]
        assert await total(api) == 1


@pytest.mark.parametrize("by", ["header", "field"])
async def test_many_repeats_at_once_store_one_order(
    database_url: str, redis_url: str, by: str
) -> None:
    headers = {"Idempotency-Key": "key"} if by == "header" else None
    fields = {"clientOrderId": "name"} if by == "field" else {}
    async with open_api(database_url, redis_url) as api:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(posted(api, EXECUTE, order(**fields), headers)) for _ in range(60)
            ]
        answers = [task.result() for task in tasks]
        assert len({answer["orderId"] for _, answer, _ in answers}) == 1
        assert [is_repeat for _, _, is_repeat in answers].count(False) == 1
        assert await total(api) == 1


async def test_many_names_each_many_times_at_once_store_one_order_each(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        async with asyncio.TaskGroup() as group:
            for turn in range(8):
                names = range(40) if turn % 2 else reversed(range(40))
                for name in names:
                    body = order(clientOrderId=str(name))
                    group.create_task(api.post(EXECUTE, body))
        assert await total(api) == 40


async def test_a_batch_answers_each_order_in_its_place(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        await api.post(EXECUTE, order(clientOrderId="earlier"))
        body = {
            "orders": [
                order(),
                order(amount=0),
                order(clientOrderId="twin"),
                order(clientOrderId="twin"),
                order(clientOrderId="twin", amount=2),
                order(clientOrderId="earlier"),
                order(clientOrderId="earlier", amount=2),
                7,
            ]
        }
        answer = await api.post(BATCH, body)
        places = answer["orders"]
        assert [sorted(place) for place in places] == [
            ["orderId"],
            ["problem"],
            ["clientOrderId", "orderId"],
            ["clientOrderId", "orderId", "replayed"],
            ["problem"],
            ["clientOrderId", "orderId", "replayed"],
            ["problem"],
            ["problem"],
        ]
        assert (answer["accepted"], answer["refused"]) == (4, 4)
        assert places[2]["orderId"] == places[3]["orderId"]
        codes = [place["problem"]["code"] for place in places if "problem" in place]
        assert codes == [
            *("invalid_field", "client_order_id_reused"),
            *("client_order_id_reused", "not_an_object"),
        ]
        stored = await api.get(f"/api/orders?batchId={answer['batchId']}")
        assert {shown["orderId"] for shown in stored["orders"]} == {
            places[0]["orderId"],
            places[2]["orderId"],
        }
        assert await total(api) == 3


async def test_a_repeated_batch_gets_the_first_answer(database_url: str, redis_url: str) -> None:
    body = {"orders": [order(), order(amount=0), order(clientOrderId="a")]}
    headers = {"Idempotency-Key": "key"}
    async with open_api(database_url, redis_url) as api:
        first = await posted(api, BATCH, body, headers)
        again = await posted(api, BATCH, body, headers)
        assert first == (202, again[1], False)
        assert again == (202, first[1], True)
        other = {"orders": [order(), order(amount=0)]}
        problem = await api.post(BATCH, other, 422, headers)
        assert problem["code"] == "idempotency_key_reused"
        assert await total(api) == 2


async def test_many_repeats_of_a_batch_at_once_store_it_once(
    database_url: str, redis_url: str
) -> None:
    body = {"orders": [order(clientOrderId=str(n)) for n in range(20)]}
    headers = {"Idempotency-Key": "key"}
    async with open_api(database_url, redis_url) as api:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(posted(api, BATCH, body, headers)) for _ in range(10)]
        answers = [task.result() for task in tasks]
        assert {status for status, _, _ in answers} == {202}
        assert len({answer["batchId"] for _, answer, _ in answers}) == 1
        assert await total(api) == 20


async def test_batches_that_share_names_store_each_name_once(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        async with asyncio.TaskGroup() as group:
            for turn in range(6):
                names = [str(n) for n in range(20)]
                names = names[::-1] if turn % 2 else names
                body = {"orders": [order(clientOrderId=name) for name in names]}
                group.create_task(posted(api, BATCH, body))
        assert await total(api) == 20


async def test_a_batch_of_nothing_but_repeats_stores_nothing(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        body = {"orders": [order(clientOrderId="a"), order(clientOrderId="b")]}
        first = await api.post(BATCH, body)
        status, again, is_repeat = await posted(api, BATCH, body)
        assert (status, is_repeat) == (202, True)
        assert (again["batchId"], again["ws_url"]) == (None, None)
        assert [p["orderId"] for p in again["orders"]] == [p["orderId"] for p in first["orders"]]
        assert await total(api) == 2


async def test_a_batch_of_a_thousand_is_stored(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        answer = await api.post(BATCH, {"orders": [order()] * 1_000})
        assert (answer["accepted"], answer["refused"]) == (1_000, 0)
        assert len({place["orderId"] for place in answer["orders"]}) == 1_000
        assert len((await api.get("/api/orders?limit=500"))["orders"]) == 500


async def test_the_pages_of_the_list_have_every_order_once_and_the_newest_first(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        ids = [str(await api.order()) for _ in range(11)]
        seen: list[str] = []
        path = "/api/orders?limit=4&tokenIn=sol"
        while path:
            async with api.session.get(path) as response:
                page = await response.json()
                link = response.links.get("next")
            seen += [shown["orderId"] for shown in page["orders"]]
            await api.order()  # what comes meanwhile disturbs nothing
            assert (link is None) == (page["next"] is None)
            path = "" if link is None else str(link["url"])
        assert seen == ids[::-1]


async def test_the_list_is_narrowed_by_each_of_its_filters(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as do:
        done, failed, waiting = [await api.order() for _ in range(3)]
        back = await api.order(tokenIn="USDC", tokenOut="SOL")
        await do.confirm(done)
        await do.fail(await do.claim(failed))

        async def listed(query: str) -> set[UUID]:
            page = await api.get(f"/api/orders?{query}")
            return {UUID(shown["orderId"]) for shown in page["orders"]}

        assert await listed("status=confirmed") == {done}
        assert await listed("status=confirmed,failed") == {done, failed}
        assert await listed("status=pending&status=failed") == {waiting, back, failed}
        assert await listed("dex=raydium") == {done}
        assert await listed("dex=meteora") == set()
        assert await listed("tokenIn=usdc") == {back}
        assert await listed("tokenOut=SOL&status=pending") == {back}


async def test_an_order_tells_what_became_of_it(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as do:
        order_id = await api.order(minAmountOut="140.5")
        await do.confirm(order_id)
        shown = await api.get(f"/api/orders/{order_id}")
        told = {
            "status": "confirmed",
            "seq": 5,
            "attempts": 1,
            "dex": "raydium",
            "txHash": "signature-1",
            "amountOut": "150",
            "executedPrice": "100.50",
            "minAmountOut": "140.5",
            "lastError": None,
            "clientOrderId": None,
        }
        assert told.items() <= shown.items()
        assert shown["route"]["quotes"][0]["price"] == "100"
        events = await api.get(f"/api/orders/{order_id}/events?after=3")
        assert [event["seq"] for event in events["events"]] == [4, 5]


async def test_the_counts_stay_true_while_orders_move(database_url: str, redis_url: str) -> None:
    async def counted(asked: Api) -> dict[str, int]:
        stats = await asked.get("/api/stats")
        assert stats["total"] == sum(stats["byStatus"].values())
        return {status: count for status, count in stats["byStatus"].items() if count}

    async def counted_are(wanted: dict[str, int]) -> bool:
        # Counts are true at their place in the feed, which other transactions may hold up.
        return await counted(api) == wanted

    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as do:
        orders = [await api.order() for _ in range(12)]
        await until(lambda: counted_are({"pending": 12}))
        async with asyncio.TaskGroup() as group:
            for order_id in orders[:6]:
                group.create_task(do.confirm(order_id))
        held = await do.claim(orders[6])
        await do.retry(await do.route(held))
        await do.fail(await do.claim(orders[7]))
        wanted = {"confirmed": 6, "routing": 1, "failed": 1, "pending": 4}
        await until(lambda: counted_are(wanted))
        async with open_api(database_url, redis_url) as fresh:
            assert await counted(fresh) == wanted
            assert (await fresh.get("/api/stats"))["open"] == 5


async def test_a_quote_needs_venues(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        problem = await api.post("/api/quotes", order(), 503)
        assert problem["code"] == "venues_unavailable"
        assert "raydium" in problem["detail"]
        assert "meteora" in problem["detail"]


async def test_answers_are_strings_where_a_number_would_lose_digits(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        body = '{"tokenIn":"SOL","tokenOut":"USDC","amount":18446744073.709551615}'
        headers = {"Content-Type": "application/json"}
        async with api.session.post(EXECUTE, data=body, headers=headers) as response:
            order_id = (await response.json())["orderId"]
        async with api.session.get(f"/api/orders/{order_id}") as response:
            assert json.loads(await response.text())["amountIn"] == "18446744073.709551615"

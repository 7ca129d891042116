"""Batches and repeats: each order in its place, and each request once, however often it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from tests.integration.apis import ORDER, Api, Json, open_api

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


NAMED: dict[str, tuple[dict[str, str] | None, dict[str, str]]] = {
    "header": ({"Idempotency-Key": "key"}, {}),
    "field": (None, {"clientOrderId": "name"}),
}
"""The two ways to name an order, as headers and as fields of its body."""


@pytest.mark.parametrize("by", ["header", "field"])
async def test_a_repeat_gets_the_first_answer(database_url: str, redis_url: str, by: str) -> None:
    headers, fields = NAMED[by]
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
    headers, fields = NAMED[by]
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
    headers, fields = NAMED[by]
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

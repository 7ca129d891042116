"""Keys of requests that repeat earlier orders by their client order ids, and store nothing."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from tests.integration.apis import open_api
from tests.integration.keyed_requests import BATCH, EXECUTE, count_orders, order_body, post


@pytest.mark.parametrize("path", [EXECUTE, BATCH])
@pytest.mark.parametrize("first_key", [None, "first"])
async def test_the_key_of_a_repeat_by_client_order_id_belongs_to_that_request(
    database_url: str, redis_url: str, path: str, first_key: str | None
) -> None:
    order = order_body(clientOrderId="name")
    body = order if path == EXECUTE else {"orders": [order, order_body(amount=0)]}
    others = [
        (EXECUTE, order_body()),
        (EXECUTE, order_body(clientOrderId="other")),
        (EXECUTE, order_body(clientOrderId="stored")),
        (BATCH, {"orders": [order_body()]}),
        (BATCH, {"orders": [order_body(clientOrderId="stored")]}),
        (BATCH if path == EXECUTE else EXECUTE, {"orders": [order]} if path == EXECUTE else order),
    ]
    key = {"Idempotency-Key": "key"}
    async with open_api(database_url, redis_url) as api:
        await api.place_order(clientOrderId="stored")
        first = {} if first_key is None else {"Idempotency-Key": first_key}
        await api.post(EXECUTE, order, headers=first)
        replayed = await post(api, path, body, key)
        assert (replayed[0], replayed[2]) == (202, True)
        for other_path, other in others:
            status, problem, _ = await post(api, other_path, other, key)
            assert (status, problem["code"]) == (422, "idempotency_key_reused"), other
            assert problem["errors"][0]["field"] == "Idempotency-Key"
        assert await post(api, path, body, key) == replayed
        assert await count_orders(api) == 2
        another = {"Idempotency-Key": "another"}
        assert (await post(api, path, body, another))[1:] == replayed[1:]


@pytest.mark.parametrize("path", [EXECUTE, BATCH])
async def test_a_repeat_by_client_order_id_cannot_have_the_key_of_another_request(
    database_url: str, redis_url: str, path: str
) -> None:
    order = order_body(clientOrderId="name")
    async with open_api(database_url, redis_url) as api:
        await api.post(EXECUTE, order)
        for taken, other in ((EXECUTE, order_body()), (BATCH, {"orders": [order_body()]})):
            key = {"Idempotency-Key": f"of {taken}"}
            await api.post(taken, other, headers=key)
            body = order if path == EXECUTE else {"orders": [order]}
            problem = await api.post(path, body, 422, headers=key)
            assert problem["code"] == "idempotency_key_reused"
        assert await count_orders(api) == 3


async def test_many_repeats_by_client_order_id_with_one_key_at_once_are_of_one_request(
    database_url: str, redis_url: str
) -> None:
    key = {"Idempotency-Key": "key"}
    async with open_api(database_url, redis_url) as api:
        names = [str(number) for number in range(30)]
        for name in names:
            await api.place_order(clientOrderId=name)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(post(api, EXECUTE, order_body(clientOrderId=name), key))
                for name in names
            ]
        assert sorted(task.result()[0] for task in tasks) == [202] + [422] * 29


@pytest.mark.parametrize("path", [EXECUTE, BATCH])
async def test_a_key_of_a_repeat_whose_order_was_deleted_places_it_again(
    database_url: str, redis_url: str, path: str
) -> None:
    order = order_body(clientOrderId="name")
    body, key = order if path == EXECUTE else {"orders": [order]}, {"Idempotency-Key": "key"}
    async with open_api(database_url, redis_url) as api:
        await api.post(EXECUTE, order)
        await api.post(path, body, headers=key)
        async with asyncpg.create_pool(database_url, min_size=1) as pool:
            await pool.execute("SET session_replication_role = replica; DELETE FROM orders")
        assert (await post(api, path, body, key))[::2] == (202, False)
        assert await count_orders(api) == 1

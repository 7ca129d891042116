"""Batches and idempotent retries: one result per entry, and each request executed once."""

from __future__ import annotations

import asyncio
from uuid import UUID

import asyncpg
import pytest
from multidict import CIMultiDict

from tests.integration.apis import Json, open_api, open_driver
from tests.integration.keyed_requests import BATCH, EXECUTE, count_orders, order_body, post

KEYS: dict[str, tuple[dict[str, str] | None, dict[str, str]]] = {
    "header": ({"Idempotency-Key": "key"}, {}),
    "field": (None, {"clientOrderId": "name"}),
}
"""The two idempotency keys of an order: a header, or a field of its body."""


@pytest.mark.parametrize("by", ["header", "field"])
async def test_a_repeat_gets_the_first_response(database_url: str, redis_url: str, by: str) -> None:
    headers, fields = KEYS[by]
    async with open_api(database_url, redis_url) as api:
        first = await post(api, EXECUTE, order_body(**fields), headers)
        again = await post(api, EXECUTE, order_body(**fields, amount=1.50), headers)
        assert first == (202, {**again[1], "status": "queued"}, False)
        assert again == (202, {**first[1], "status": "pending"}, True)
        assert await count_orders(api) == 1


@pytest.mark.parametrize("by", ["header", "field"])
async def test_a_name_cannot_be_used_for_another_request(
    database_url: str, redis_url: str, by: str
) -> None:
    headers, fields = KEYS[by]
    async with open_api(database_url, redis_url) as api:
        await api.post(EXECUTE, order_body(**fields), headers=headers)
        problem = await api.post(EXECUTE, order_body(**fields, amount=2), 422, headers)
        named = {
            "header": ("Idempotency-Key", "idempotency_key_reused"),
            "field": ("clientOrderId", "client_order_id_reused"),
        }
        assert (problem["errors"][0]["field"], problem["code"]) == named[by]
        assert await count_orders(api) == 1


@pytest.mark.parametrize("by", ["header", "field"])
async def test_many_repeats_at_once_store_one_order(
    database_url: str, redis_url: str, by: str
) -> None:
    headers, fields = KEYS[by]
    async with open_api(database_url, redis_url) as api:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(post(api, EXECUTE, order_body(**fields), headers))
                for _ in range(60)
            ]
        answers = [task.result() for task in tasks]
        assert len({response["orderId"] for _, response, _ in answers}) == 1
        assert [is_repeat for _, _, is_repeat in answers].count(False) == 1
        assert await count_orders(api) == 1


async def test_many_names_each_many_times_at_once_store_one_order_each(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        async with asyncio.TaskGroup() as group:
            for turn in range(8):
                names = range(40) if turn % 2 else reversed(range(40))
                for name in names:
                    body = order_body(clientOrderId=str(name))
                    group.create_task(api.post(EXECUTE, body))
        assert await count_orders(api) == 40


async def test_a_batch_has_one_result_per_entry_at_its_index(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        await api.post(EXECUTE, order_body(clientOrderId="earlier"))
        orders = [
            order_body(),
            order_body(amount=0),
            order_body(clientOrderId="twin"),
            order_body(clientOrderId="twin"),
            order_body(clientOrderId="twin", amount=2),
            order_body(clientOrderId="earlier"),
            order_body(clientOrderId="earlier", amount=2),
            7,
        ]
        response = await api.post(BATCH, {"orders": orders})
        entries = response["orders"]
        assert [sorted(entry) for entry in entries] == [
            ["orderId", "status"],
            ["problem"],
            ["clientOrderId", "orderId", "status"],
            ["clientOrderId", "orderId", "replayed", "status"],
            ["problem"],
            ["clientOrderId", "orderId", "replayed", "status"],
            ["problem"],
            ["problem"],
        ]
        assert (response["accepted"], response["refused"]) == (4, 4)
        assert entries[2]["orderId"] == entries[3]["orderId"]
        codes = [entry["problem"]["code"] for entry in entries if "problem" in entry]
        assert codes == [
            *("invalid_field", "client_order_id_reused"),
            *("client_order_id_reused", "not_an_object"),
        ]
        stored = await api.get(f"/api/orders?batchId={response['batchId']}")
        assert {order["orderId"] for order in stored["orders"]} == {
            entries[0]["orderId"],
            entries[2]["orderId"],
        }
        assert await count_orders(api) == 3


async def test_a_repeated_batch_gets_the_first_response(database_url: str, redis_url: str) -> None:
    body = {"orders": [order_body(), order_body(amount=0), order_body(clientOrderId="a")]}
    headers = {"Idempotency-Key": "key"}
    async with open_api(database_url, redis_url) as api:
        first = await post(api, BATCH, body, headers)
        again = await post(api, BATCH, body, headers)
        assert (first[0], first[2], again[0], again[2]) == (202, False, 202, True)
        statuses = [
            [entry.pop("status", None) for entry in response["orders"]]
            for _, response, _ in (first, again)
        ]
        assert statuses == [["queued", None, "queued"], ["pending", None, "pending"]]
        assert first[1] == again[1]
        other = {"orders": [order_body(), order_body(amount=0)]}
        problem = await api.post(BATCH, other, 422, headers)
        assert problem["code"] == "idempotency_key_reused"
        assert await count_orders(api) == 2


async def test_a_repeat_tells_the_status_that_the_order_has(
    database_url: str, redis_url: str
) -> None:
    key, batch_key = {"Idempotency-Key": "key"}, {"Idempotency-Key": "key of the batch"}
    batch = {"orders": [order_body(clientOrderId="of the batch")]}
    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        _, placed, _ = await post(api, EXECUTE, order_body(), key)
        _, placed_batch, _ = await post(api, BATCH, batch, batch_key)
        await driver.confirm(UUID(placed["orderId"]))
        await driver.fail(await driver.claim(UUID(placed_batch["orders"][0]["orderId"])))
        _, again, is_repeat = await post(api, EXECUTE, order_body(), key)
        assert (again, is_repeat) == ({**placed, "status": "confirmed"}, True)
        for headers in (batch_key, {}):
            _, again, is_repeat = await post(api, BATCH, batch, headers)
            assert ([each["status"] for each in again["orders"]], is_repeat) == (["failed"], True)
        async with api.session.ws_connect(EXECUTE, headers=key) as socket:
            await socket.send_json(order_body())
            assert (await socket.receive_json())["status"] == "confirmed"


async def test_a_repeat_of_a_batch_whose_orders_were_deleted_tells_what_was_told(
    database_url: str, redis_url: str
) -> None:
    batch, key = {"orders": [order_body()]}, {"Idempotency-Key": "key"}
    async with open_api(database_url, redis_url) as api:
        first = await post(api, BATCH, batch, key)
        async with asyncpg.create_pool(database_url, min_size=1) as pool:
            await pool.execute("SET session_replication_role = replica; DELETE FROM orders")
        assert await post(api, BATCH, batch, key) == (202, first[1], True)


async def test_two_keys_of_one_request_are_refused(database_url: str, redis_url: str) -> None:
    headers = CIMultiDict([("Idempotency-Key", "a"), ("Idempotency-Key", "b")])
    async with open_api(database_url, redis_url) as api:
        status, problem, _ = await post(api, EXECUTE, order_body(), headers)
        assert (status, problem["code"]) == (400, "invalid_idempotency_key")
        assert await count_orders(api) == 0


async def test_many_repeats_of_a_batch_at_once_store_it_once(
    database_url: str, redis_url: str
) -> None:
    body = {"orders": [order_body(clientOrderId=str(n)) for n in range(20)]}
    headers = {"Idempotency-Key": "key"}
    async with open_api(database_url, redis_url) as api:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(post(api, BATCH, body, headers)) for _ in range(10)]
        answers = [task.result() for task in tasks]
        assert {status for status, _, _ in answers} == {202}
        assert len({response["batchId"] for _, response, _ in answers}) == 1
        assert await count_orders(api) == 20


async def test_batches_that_share_names_store_each_name_once(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        async with asyncio.TaskGroup() as group:
            for turn in range(6):
                names = [str(n) for n in range(20)]
                names = names[::-1] if turn % 2 else names
                body = {"orders": [order_body(clientOrderId=name) for name in names]}
                group.create_task(post(api, BATCH, body))
        assert await count_orders(api) == 20


async def test_a_batch_of_nothing_but_repeats_stores_nothing(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        body = {"orders": [order_body(clientOrderId="a"), order_body(clientOrderId="b")]}
        first = await api.post(BATCH, body)
        status, again, is_repeat = await post(api, BATCH, body)
        assert (status, is_repeat) == (202, True)
        assert (again["batchId"], again["ws_url"]) == (None, None)
        assert [p["orderId"] for p in again["orders"]] == [p["orderId"] for p in first["orders"]]
        assert await count_orders(api) == 2


async def test_a_batch_of_a_thousand_is_stored(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        response = await api.post(BATCH, {"orders": [order_body()] * 1_000})
        assert (response["accepted"], response["refused"]) == (1_000, 0)
        assert len({entry["orderId"] for entry in response["orders"]}) == 1_000
        assert len((await api.get("/api/orders?limit=500"))["orders"]) == 500


@pytest.mark.parametrize("first", [EXECUTE, BATCH])
async def test_a_key_names_a_single_order_or_a_batch_but_not_both(
    database_url: str, redis_url: str, first: str
) -> None:
    # The batch is of the very order that is placed alone as well.
    bodies = {EXECUTE: order_body(), BATCH: {"orders": [order_body()]}}
    second = BATCH if first == EXECUTE else EXECUTE
    headers = {"Idempotency-Key": "key"}
    async with open_api(database_url, redis_url) as api:
        _, placed, _ = await post(api, first, bodies[first], headers)
        problem = await api.post(second, bodies[second], 422, headers)
        assert problem["code"] == "idempotency_key_reused"
        # A repeat has the first response, with the status that its order has by now.
        [order] = placed.get("orders", [placed])
        order["status"] = "pending"
        assert await post(api, first, bodies[first], headers) == (202, placed, True)
        assert await count_orders(api) == 1
        await api.post(second, bodies[second], headers={"Idempotency-Key": "another"})
        assert await count_orders(api) == 2


async def test_a_key_used_for_an_order_and_a_batch_at_once_runs_one_of_them(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(post(api, path, body, {"Idempotency-Key": str(n)}))
                for n in range(30)
                for path, body in ((EXECUTE, order_body()), (BATCH, {"orders": [order_body()]}))
            ]
        statuses = [task.result()[0] for task in tasks]
        assert [sorted(statuses[n : n + 2]) for n in range(0, 60, 2)] == [[202, 422]] * 30
        assert await count_orders(api) == 30


async def test_no_client_order_id_is_like_the_absence_of_one(
    database_url: str, redis_url: str
) -> None:
    headers = {"Idempotency-Key": "key"}
    names: list[Json] = [{}, {"clientOrderId": "None"}, {"clientOrderId": "=None"}]
    async with open_api(database_url, redis_url) as api:
        for number, name in enumerate(names):
            headers = {"Idempotency-Key": str(number)}
            await api.post(EXECUTE, order_body(**name), headers=headers)
            for other in names:
                if other != name:
                    await api.post(EXECUTE, order_body(**other), 422, headers)
        assert await count_orders(api) == len(names)

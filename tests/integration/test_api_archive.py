"""Clients whose orders were archived: they hear where each is, and repeats place nothing again."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from backend.store.archive.key_expiry import forget_keys
from backend.store.database import open_pool
from tests.integration.apis import Json, RunningApi, open_api, open_driver
from tests.integration.archives import AGE, age_orders, archive_orders, list_ids
from tests.integration.keyed_requests import BATCH, EXECUTE, order_body, post

ANNA, BERT = "anna", "bert"
KEYS = f"{ANNA}:{'a' * 16},{BERT}:{'b' * 16}"


async def ask(api: RunningApi, method: str, path: str, owner: str = ANNA) -> tuple[int, Json]:
    headers = {"X-API-Key": owner[0] * 16}
    body = {"limitPrice": "1"} if method == "PATCH" else None
    if method == "PATCH":
        headers["If-Match"] = '"1"'
    async with api.session.request(method, path, json=body, headers=headers) as response:
        return response.status, await response.json(content_type=None)


async def test_an_archived_order_is_gone_and_named_to_its_owner_only(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with (
        open_pool(database_url, connections_max=3) as pool,
        open_api(database_url, redis_url, api_keys=KEYS) as api,
    ):
        headers = {"X-API-Key": "a" * 16}
        placed = await api.post(EXECUTE, order_body(clientOrderId="name"), headers=headers)
        order_id = placed["orderId"]
        assert (await ask(api, "DELETE", f"/api/orders/{order_id}"))[0] == 200
        await age_orders(pool, 100)
        assert await archive_orders(pool, tmp_path) == 1
        for method, path in (
            ("GET", f"/api/orders/{order_id}"),
            ("GET", f"/api/orders/{order_id}/events"),
            ("GET", "/api/orders/by-client-id/name"),
            ("DELETE", f"/api/orders/{order_id}"),
            ("PATCH", f"/api/orders/{order_id}"),
        ):
            status, problem = await ask(api, method, path)
            assert (status, problem["code"]) == (410, "order_archived"), (method, path)
            archived = problem["archived"]
            assert (archived["id"], archived["status"]) == (order_id, "cancelled")
            assert (archived["archive"], archived["file"][:7]) == (tmp_path.name, "orders-")
            status, problem = await ask(api, method, path, BERT)
            assert (status, problem["code"]) == (404, "order_not_found")
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await api.session.ws_connect(f"/api/orders/upgrade/{order_id}", headers=headers)
        assert refused.value.status == 410


_REQUESTS = [
    (EXECUTE, order_body(), {"Idempotency-Key": "single"}),
    (EXECUTE, order_body(clientOrderId="name"), {}),
    (
        BATCH,
        {"orders": [order_body(), order_body(clientOrderId="b")]},
        {"Idempotency-Key": "b"},
    ),
    (BATCH, {"orders": [order_body(clientOrderId="c")]}, {}),
]
_OTHER_REQUESTS = [
    (EXECUTE, order_body(amount="2"), {"Idempotency-Key": "single"}),
    (EXECUTE, order_body(), {"Idempotency-Key": "b"}),
    (EXECUTE, order_body(amount="2", clientOrderId="b"), {}),
    (BATCH, {"orders": [order_body()]}, {"Idempotency-Key": "single"}),
    (BATCH, {"orders": [order_body(amount="2")]}, {"Idempotency-Key": "b"}),
]


async def test_a_repeat_of_an_archived_request_places_nothing_again(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with (
        open_pool(database_url, connections_max=3) as pool,
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        first = [await post(api, *request) for request in _REQUESTS]
        for order_id in await list_ids(pool):
            await driver.fail(await driver.claim(order_id))
        await age_orders(pool, 100)
        assert await archive_orders(pool, tmp_path) == 5
        for request, (_, placed, _) in zip(_REQUESTS, first, strict=True):
            status, answer, is_repeat = await post(api, *request)
            assert (status, is_repeat) in {(202, True), (202, False)}, request
            ids = [each["orderId"] for each in answer.get("orders", [answer])]
            assert ids == [each["orderId"] for each in placed.get("orders", [placed])]
        for request in _OTHER_REQUESTS:
            status, problem, _ = await post(api, *request)
            assert status == 422, request
            assert "reused" in str(problem), problem
        assert await list_ids(pool) == set()
        stats = await api.get("/api/stats")
        assert "failed" in str(stats)


async def test_the_answer_to_a_batch_is_kept_for_as_long_as_its_key(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with (
        open_pool(database_url, connections_max=3) as pool,
        open_api(database_url, redis_url) as api,
    ):
        request = (BATCH, {"orders": [order_body()]}, {"Idempotency-Key": "b"})
        _, placed, _ = await post(api, *request)
        await ask(api, "DELETE", f"/api/orders/{placed['orders'][0]['orderId']}")
        await age_orders(pool, 500)
        await pool.execute("UPDATE batches SET created_at = created_at - interval '500 d'")
        assert await archive_orders(pool, tmp_path) == 1
        assert await forget_keys(pool, AGE, timedelta(days=365)) == 0
        status, answer, _ = await post(api, *request)
        assert (status, answer["orders"]) == (202, placed["orders"])
        assert await forget_keys(pool, AGE, timedelta(0)) == 2
        status, answer, _ = await post(api, *request)
        assert (status, answer["orders"] == placed["orders"]) == (202, False)


async def test_a_stream_that_resumes_behind_the_archive_begins_anew(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with (
        open_pool(database_url, connections_max=3) as pool,
        open_api(database_url, redis_url) as api,
    ):
        async with api.open_stream() as stream:
            before = (await stream.receive_json())["hello"]["cursor"]
        order_id = await api.place_order()
        async with api.session.delete(f"/api/orders/{order_id}") as response:
            assert response.status == 200
        async with api.open_stream(after=before) as stream:
            assert (await stream.receive_json())["hello"]["reset"] is False
        await age_orders(pool, 100)
        assert await archive_orders(pool, tmp_path) == 1
        async with asyncio.timeout(30), api.open_stream(after=before) as stream:
            hello = (await stream.receive_json())["hello"]
        assert hello["reset"] is True
        async with api.open_stream(after=hello["cursor"]) as stream:
            assert (await stream.receive_json())["hello"]["reset"] is False

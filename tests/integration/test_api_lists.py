"""Lists of orders over HTTP: by time, type, batch and client id, in pages either way."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import quote
from uuid import UUID

import asyncpg
import pytest
from yarl import URL

from backend.domain.quotes import Dex
from backend.store.reads.order_lists import ListPosition, OrderFilter
from tests.integration.apis import ORDER, Json, RunningApi, open_api, open_driver
from tests.integration.stores import open_store

BATCH = "/api/orders/batch"
_NO_FILTER = OrderFilter()


async def list_ids(api: RunningApi, query: str) -> list[UUID]:
    """The ids of all pages of a list, in pages of two."""
    ids: list[UUID] = []
    path: str | None = f"/api/orders?limit=2&{query}"
    while path is not None:
        async with api.session.get(path) as response:
            assert response.status == 200, await response.text()
            page = await response.json()
            link = response.links.get("next")
        assert len(page["orders"]) <= 2
        ids += [UUID(order["orderId"]) for order in page["orders"]]
        path = None if link is None else str(link["url"])
    return ids


async def test_orders_are_listed_by_the_time_of_their_creation_either_way(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        ids = [await api.place_order() for _ in range(5)]
        times = [(await api.get(f"/api/orders/{order_id}"))["createdAt"] for order_id in ids]
        assert await list_ids(api, "order=asc") == ids
        assert await list_ids(api, "order=DESC") == ids[::-1]
        assert await list_ids(api, f"from={times[1]}&to={times[4]}") == ids[3:0:-1]
        assert await list_ids(api, f"from={times[1]}&to={times[1]}") == []
        moved = datetime.fromisoformat(times[3]) + timedelta(hours=2)
        zoned = moved.isoformat().replace("+00:00", "+02:00")  # the "+" is sent as it is
        assert await list_ids(api, f"order=asc&from={zoned}") == ids[3:]
        assert await list_ids(api, "to=2020-01-01") == []


async def test_orders_are_listed_by_the_time_of_their_last_change(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        first, second, third, fourth = [await api.place_order() for _ in range(4)]
        start = (await api.get(f"/api/orders/{fourth}"))["createdAt"]
        await driver.confirm(third)
        await driver.route(await driver.claim(second))
        await driver.fail(await driver.claim(first))
        query = f"updatedSince={start}"
        assert await list_ids(api, f"{query}&order=asc") == [fourth, third, second, first]
        assert await list_ids(api, query) == [first, second, third, fourth]
        assert await list_ids(api, f"{query}&status=confirmed,building") == [second, third]
        since = (await api.get(f"/api/orders/{second}"))["updatedAt"]
        assert await list_ids(api, f"updatedSince={since}") == [first, second]


async def test_filters_compose_over_open_and_closed_orders(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        batch = await api.post(BATCH, {"orders": [ORDER, {**ORDER, "clientOrderId": "a-1"}]})
        done, named = [UUID(order["orderId"]) for order in batch["orders"]]
        other = await api.place_order(tokenIn="USDC", tokenOut="SOL", clientOrderId="b/2 ?")
        routed = await driver.route(await driver.claim(other), Dex.METEORA)
        await driver.confirm(done)
        assert await list_ids(api, f"batchId={batch['batchId']}&order=asc") == [done, named]
        assert await list_ids(api, f"batchId={batch['batchId']}&status=confirmed") == [done]
        assert await list_ids(api, "clientOrderId=a-1") == [named]
        assert await list_ids(api, "clientOrderId=a-1&status=confirmed") == []
        assert await list_ids(api, "clientOrderId=none") == []
        assert await list_ids(api, "type=market&order=asc") == [done, named, other]
        assert await list_ids(api, "type=Limit") == []
        assert await list_ids(api, "type=market&dex=meteora&tokenIn=USDC") == [other]
        signed = await driver.sign(routed)
        await driver.land(signed)
        assert await list_ids(api, "type=market&dex=meteora&tokenIn=USDC") == [other]
        assert await list_ids(api, "dex=raydium&tokenOut=usdc&status=confirmed") == [done]
        assert await list_ids(api, "dex=raydium&tokenOut=SOL") == []


async def test_orders_of_an_older_version_that_are_not_marked_are_listed_too(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        unmarked, done, waiting = [await api.place_order() for _ in range(3)]
        await driver.confirm(unmarked)
        await driver.confirm(done)
        connection = await asyncpg.connect(database_url)
        await connection.execute(
            "UPDATE orders SET closed_as = NULL, closed_at = NULL WHERE id = $1", unmarked
        )
        await connection.close()
        assert await list_ids(api, "status=confirmed") == [done, unmarked]
        assert await list_ids(api, "dex=raydium&order=asc") == [unmarked, done]
        assert await list_ids(api, "status=pending,failed") == [waiting]
        assert await list_ids(api, "updatedSince=2020-01-01&order=asc") == [waiting, unmarked, done]


async def test_a_page_may_have_a_thousand_orders(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        for _ in range(2):
            await api.post(BATCH, {"orders": [ORDER] * 550})
        first = await api.get("/api/orders?limit=1000")
        rest = await api.get(f"/api/orders?limit=1000&cursor={first['next']}")
        assert (len(first["orders"]), len(rest["orders"]), rest["next"]) == (1_000, 100, None)
        ids = [order["orderId"] for order in first["orders"] + rest["orders"]]
        assert len(set(ids)) == 1_100


@pytest.mark.parametrize(
    "name",
    ["a-1", "b/2 ?", "events", "x/events", "%41", "/", "//a", "/a/b/", "a//b", "%2Fa", "a;b#c"],
)
async def test_an_order_is_shown_by_its_client_order_id(
    database_url: str, redis_url: str, name: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        order_id = await api.place_order(clientOrderId=name)
        await api.place_order(clientOrderId="other")
        path = URL(f"/api/orders/by-client-id/{quote(name, safe='')}", encoded=True)
        async with api.session.get(path) as response:
            order = await response.json()
        assert (order["orderId"], order["clientOrderId"]) == (str(order_id), name)
        plain = URL(f"/api/orders/by-client-id/{quote(name, safe='/')}", encoded=True)
        async with api.session.get(plain) as response:
            assert (await response.json())["orderId"] == str(order_id)
        [listed] = (await api.get(f"/api/orders?clientOrderId={quote(name, safe='')}"))["orders"]
        assert listed["orderId"] == str(order_id)


@pytest.mark.parametrize("name", ["none", "x" * 65, "%00", "%C3%A9"])
async def test_a_client_order_id_that_no_order_has_is_not_found(
    database_url: str, redis_url: str, name: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        problem = await api.get(f"/api/orders/by-client-id/{name}", 404)
        assert problem["code"] == "order_not_found"
        assert "clientOrderId" in problem["detail"]


async def test_an_order_of_another_owner_is_not_found_by_its_client_order_id(
    database_url: str, redis_url: str
) -> None:
    keys = "one:key-of-the-first-owner,two:key-of-the-second-owner"
    async with open_api(database_url, redis_url, api_keys=keys) as api:
        one, two = [{"X-API-Key": key.split(":")[1]} for key in keys.split(",")]
        body: Json = {**ORDER, "clientOrderId": "mine"}
        await api.post("/api/orders/execute", body, headers=one)
        for headers, status in ((one, 200), (two, 404)):
            path = "/api/orders/by-client-id/mine"
            async with api.session.get(path, headers=headers) as response:
                assert response.status == status
            async with api.session.get("/api/orders?clientOrderId=mine", headers=headers) as found:
                assert len((await found.json())["orders"]) == (1 if status == 200 else 0)


async def test_a_page_of_a_list_begins_behind_its_position_among_orders_of_one_time(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, open_store(database_url) as store:
        batch = await api.post(BATCH, {"orders": [ORDER] * 5})
        ids = [UUID(order["orderId"]) for order in batch["orders"]]
        assert await list_ids(api, "order=asc") == ids
        [first, *_] = await store.orders.list_page("local", _NO_FILTER, limit=1, is_ascending=True)
        position = ListPosition(first.created_at, first.id)
        rest = await store.orders.list_page(
            "local", _NO_FILTER, after=position, limit=9, is_ascending=True
        )
        assert [record.id for record in rest] == ids[1:]

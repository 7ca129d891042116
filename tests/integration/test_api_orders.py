"""Orders over HTTP: accepted once, listed, shown, and queued for the workers."""

from __future__ import annotations

import asyncio
import json
import re
from uuid import UUID

from redis.asyncio import Redis

from backend.queue.broker import STREAM
from tests.integration.apis import ORDER, Json, RunningApi, open_api, open_driver, wait_until

EXECUTE = "/api/orders/execute"
BATCH = "/api/orders/batch"


def order_body(**fields: object) -> Json:
    return {**ORDER, **fields}


async def test_an_accepted_order_is_stored_published_and_queued(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, Redis.from_url(redis_url) as redis:
        async with api.session.post(EXECUTE, json=order_body(clientOrderId="mine")) as response:
            assert response.status == 202
            accepted = await response.json()
            location = response.headers["Location"]
        assert accepted["status"] == "queued"
        assert accepted["clientOrderId"] == "mine"
        host = api.url.removeprefix("http://")
        order_id = accepted["orderId"]
        assert accepted["ws_url"] == f"ws://{host}/api/orders/execute?orderId={order_id}"
        assert location == accepted["statusUrl"] == f"/api/orders/{order_id}"
        order = await api.get(location)
        assert order["createdAt"] == accepted["createdAt"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", order["createdAt"])
        assert (order["status"], order["amountIn"], order["slippageBps"]) == ("pending", "1.5", 50)
        event_list = await api.get(f"{location}/events")
        assert [event["seq"] for event in event_list["events"]] == [1]

        async def is_queued() -> bool:
            return bool(await redis.xlen(STREAM) == 1)

        await wait_until(is_queued)
        assert order_id in repr(await redis.xrange(STREAM))


async def test_the_socket_address_is_secure_where_the_client_came_securely(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url, allowed_hosts="orders.example") as api:
        headers = {"X-Forwarded-Proto": "https", "Host": "orders.example"}
        accepted = await api.post(EXECUTE, order_body(), headers=headers)
        assert accepted["ws_url"].startswith("wss://orders.example/api/orders/execute?orderId=")


async def test_the_pages_of_the_list_have_every_order_once_and_the_newest_first(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        ids = [str(await api.place_order()) for _ in range(11)]
        listed: list[str] = []
        path = "/api/orders?limit=4&tokenIn=sol"
        while path:
            async with api.session.get(path) as response:
                page = await response.json()
                link = response.links.get("next")
            listed += [order["orderId"] for order in page["orders"]]
            await api.place_order()  # a concurrent order does not shift the pages
            assert (link is None) == (page["next"] is None)
            path = "" if link is None else str(link["url"])
        assert listed == ids[::-1]


async def test_the_list_is_narrowed_by_each_of_its_filters(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        done, failed, waiting = [await api.place_order() for _ in range(3)]
        back = await api.place_order(tokenIn="USDC", tokenOut="SOL")
        await driver.confirm(done)
        await driver.fail(await driver.claim(failed))

        async def listed(query: str) -> set[UUID]:
            page = await api.get(f"/api/orders?{query}")
            return {UUID(order["orderId"]) for order in page["orders"]}

        assert await listed("status=confirmed") == {done}
        assert await listed("status=confirmed,failed") == {done, failed}
        assert await listed("status=pending&status=failed") == {waiting, back, failed}
        assert await listed("dex=raydium") == {done}
        assert await listed("dex=meteora") == set()
        assert await listed("tokenIn=usdc") == {back}
        assert await listed("tokenOut=SOL&status=pending") == {back}


async def test_an_order_tells_what_became_of_it(database_url: str, redis_url: str) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        order_id = await api.place_order(minAmountOut="140.5")
        await driver.confirm(order_id)
        order = await api.get(f"/api/orders/{order_id}")
        expected = {
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
        assert expected.items() <= order.items()
        assert order["route"]["quotes"][0]["price"] == "100"
        events = await api.get(f"/api/orders/{order_id}/events?after=3")
        assert [event["seq"] for event in events["events"]] == [4, 5]


async def test_the_counts_stay_true_while_orders_move(database_url: str, redis_url: str) -> None:
    async def load_counts(client: RunningApi) -> dict[str, int]:
        stats = await client.get("/api/stats")
        assert stats["total"] == sum(stats["byStatus"].values())
        return {status: count for status, count in stats["byStatus"].items() if count}

    async def has_counts(expected: dict[str, int]) -> bool:
        # Counts are true at their place in the feed, which other transactions may hold up.
        return await load_counts(api) == expected

    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        orders = [await api.place_order() for _ in range(12)]
        await wait_until(lambda: has_counts({"pending": 12}))
        async with asyncio.TaskGroup() as group:
            for order_id in orders[:6]:
                group.create_task(driver.confirm(order_id))
        leased = await driver.claim(orders[6])
        await driver.retry(await driver.route(leased))
        await driver.fail(await driver.claim(orders[7]))
        expected = {"confirmed": 6, "routing": 1, "failed": 1, "pending": 4}
        await wait_until(lambda: has_counts(expected))
        async with open_api(database_url, redis_url) as fresh:
            assert await load_counts(fresh) == expected
            assert (await fresh.get("/api/stats"))["open"] == 5


async def test_a_quote_needs_venues(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        problem = await api.post("/api/quotes", order_body(), 503)
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

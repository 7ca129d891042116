"""Orders over HTTP: accepted once, listed, looked at, and handed to the workers."""

from __future__ import annotations

import asyncio
import json
import re
from uuid import UUID

from redis.asyncio import Redis

from backend.queue.broker import STREAM
from tests.integration.apis import ORDER, Api, Json, open_api, open_driver, until

EXECUTE = "/api/orders/execute"
BATCH = "/api/orders/batch"


def order(**fields: object) -> Json:
    return {**ORDER, **fields}


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

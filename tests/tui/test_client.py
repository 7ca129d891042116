"""The dashboard's client against the real API, which is killed and restarted under it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import aiohttp
import pytest

from tests.integration.apis import OrderDriver, RunningApi, open_driver, wait_until
from tests.tui.dumps import dump_model
from tests.tui.servers import (
    TERMS,
    ApiProcess,
    FeedFollower,
    drive_orders,
    follow_server,
)
from tui.connection.client import ApiClient, RequestRefused
from tui.connection.order_sender import assign_client_order_ids, send_orders
from tui.model.connection_state import ConnectionStatus
from tui.model.model import Model
from tui.model.wire import WireOrderTerms


@pytest.fixture
async def driver(database_url: str, redis_url: str) -> AsyncIterator[OrderDriver]:
    async with open_driver(database_url, redis_url) as order_driver:
        yield order_driver


async def place_batch(client: ApiClient, count: int, key: str) -> list[str]:
    result = await client.place_batch([TERMS] * count, key=key)
    return [entry["orderId"] for entry in result.entries]


async def list_orders(url: str) -> dict[str, dict[str, Any]]:
    """Fetch every order of the API."""
    orders: dict[str, dict[str, Any]] = {}
    cursor: str | None = None
    async with aiohttp.ClientSession(url) as session:
        while True:
            query = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
            async with session.get("/api/orders", params=query) as response:
                page = await response.json()
            orders |= {order["orderId"]: order for order in page["orders"]}
            cursor = page["next"]
            if cursor is None:
                return orders


async def assert_same_as_api(follower: FeedFollower, url: str) -> None:
    """The model has every order as the API lists it, and its counters match."""
    stored = await list_orders(url)
    model = follower.model
    assert {order.id: (order.status, order.seq) for order in model.sorted_orders} == {
        key: (order["status"], order["seq"]) for key, order in stored.items()
    }
    for order in model.sorted_orders:
        shown = stored[order.id]
        assert (order.amount_in, order.amount_out) == (shown["amountIn"], shown["amountOut"])
        assert (order.tx_hash, order.dex) == (shown["txHash"], shown["dex"])
    counts = Counter(order["status"] for order in stored.values())
    assert +Counter(model.counters.by_status) == counts

    async def is_counted() -> bool:
        stats = await follower.client.fetch_stats()
        return +Counter(stats["byStatus"]) == counts

    await wait_until(is_counted)


async def test_stored_orders_and_live_events_are_followed(
    api: RunningApi, driver: OrderDriver
) -> None:
    async with ApiClient(api.url) as client:
        before = await place_batch(client, 7, "before")
        await drive_orders(driver, before[:5])
        async with follow_server(api.url) as follower:
            await follower.wait_until(
                lambda model: model.connection.status is ConnectionStatus.LIVE
            )
            assert len(follower.model.orders) == 7
            after = await place_batch(client, 5, "after")
            await drive_orders(driver, before[5:] + after)
            await follower.wait_until(
                lambda model: model.counters.in_flight == 0 and len(model.orders) == 12
            )
            await assert_same_as_api(follower, api.url)
            assert all(follower.model.orders[key].has_full_history for key in after)


async def test_an_api_that_is_killed_and_restarted_leaves_no_gap(
    api_process: ApiProcess, driver: OrderDriver
) -> None:
    async with follow_server(api_process.url) as follower:
        await follower.wait_until(lambda model: model.connection.status is ConnectionStatus.LIVE)
        first = await place_batch(follower.client, 10, "first")
        await drive_orders(driver, first[:4])
        await follower.wait_until(lambda model: model.counters.by_status["confirmed"] == 4)
        await api_process.kill()
        await follower.wait_until(lambda model: model.connection.status is ConnectionStatus.OFFLINE)
        assert len(follower.model.orders) == 10
        await drive_orders(driver, first[4:])
        await api_process.start()
        await follower.wait_until(lambda model: model.connection.status is ConnectionStatus.LIVE)
        await follower.wait_until(lambda model: model.counters.in_flight == 0)
        second = await place_batch(follower.client, 5, "second")
        await drive_orders(driver, second)
        await follower.wait_until(
            lambda model: len(model.orders) == 15 and model.counters.in_flight == 0
        )
        await assert_same_as_api(follower, api_process.url)
        assert all(order.has_full_history for order in follower.model.sorted_orders)
        resumed = [entry.text for entry in follower.model.log.entries if "resumed" in entry.text]
        assert resumed[0].endswith("22 events replayed")
        replayed = Model()
        for recorded in follower.messages:
            replayed.apply(recorded.message, recorded.at_ms)
        assert dump_model(replayed) == dump_model(follower.model)


async def test_an_api_that_is_killed_again_and_again_leaves_no_gap(
    api_process: ApiProcess, driver: OrderDriver
) -> None:
    async with follow_server(api_process.url) as follower:
        for number in range(3):
            follower.feed.retry_now()
            await follower.wait_until(
                lambda model: model.connection.status is ConnectionStatus.LIVE
            )
            orders = await place_batch(follower.client, 6, f"batch {number}")
            await drive_orders(driver, orders[:3])
            await api_process.kill()
            await drive_orders(driver, orders[3:])
            await api_process.start()
        await follower.wait_until(
            lambda model: len(model.orders) == 18 and model.counters.in_flight == 0
        )
        await assert_same_as_api(follower, api_process.url)


async def test_an_api_over_another_database_is_loaded_again(
    api_process: ApiProcess, driver: OrderDriver, other_database_url: str
) -> None:
    async with follow_server(api_process.url) as follower:
        await follower.wait_until(lambda model: model.connection.status is ConnectionStatus.LIVE)
        await drive_orders(driver, await place_batch(follower.client, 3, "here"))
        await follower.wait_until(
            lambda model: len(model.orders) == 3 and model.counters.in_flight == 0
        )
        await api_process.kill()
        await follower.wait_until(lambda model: model.connection.status is ConnectionStatus.OFFLINE)
        api_process.environ["DATABASE_URL"] = other_database_url
        await api_process.start()
        await follower.wait_until(lambda model: model.connection.status is ConnectionStatus.LIVE)
        assert follower.model.orders == {}
        await place_batch(follower.client, 2, "there")
        await follower.wait_until(lambda model: len(model.orders) == 2)
        await assert_same_as_api(follower, api_process.url)
        assert any("another journal" in entry.text for entry in follower.model.log.entries)


async def test_many_pages_are_loaded_while_orders_arrive(
    api: RunningApi, driver: OrderDriver
) -> None:
    async with ApiClient(api.url) as client:
        orders = await place_batch(client, 1_000, "many")
        async with follow_server(api.url) as follower:
            await drive_orders(driver, orders[::250])
            extra = await place_batch(client, 200, "more")
            await follower.wait_until(
                lambda model: (
                    model.connection.status is ConnectionStatus.LIVE and len(model.orders) == 1_200
                )
            )
            await drive_orders(driver, extra[:3])
            await follower.wait_until(lambda model: model.counters.by_status["confirmed"] == 7)
            await assert_same_as_api(follower, api.url)


async def test_what_is_too_old_to_be_loaded_is_still_counted(api: RunningApi) -> None:
    async with ApiClient(api.url) as client:
        await place_batch(client, 700, "many")
        async with follow_server(api.url) as earlier:
            await earlier.wait_until(lambda model: model.counters.by_status["pending"] == 700)
            # A stream that connects after an event was delivered live does not deliver it again.
            await earlier.wait_until(lambda model: model.connection.status is ConnectionStatus.LIVE)
            await place_batch(client, 1, "one")
            await earlier.wait_until(lambda model: model.counters.by_status["pending"] == 701)
        async with follow_server(api.url, orders_max=500) as follower:
            await follower.wait_until(lambda model: model.counters.by_status["pending"] == 701)
            assert len(follower.model.orders) == 500


async def test_a_retried_batch_is_placed_once(api: RunningApi) -> None:
    async with ApiClient(api.url) as client:
        first = await client.place_batch([TERMS] * 3, key="the same")
        again = await client.place_batch([TERMS] * 3, key="the same")
        assert [entry["orderId"] for entry in again.entries] == [
            entry["orderId"] for entry in first.entries
        ]
        assert len(await list_orders(api.url)) == 3


async def test_orders_that_are_sent_again_in_another_batch_are_still_the_same(
    api: RunningApi,
) -> None:
    ids = count(1)
    orders = assign_client_order_ids([TERMS] * 30, lambda: f"mine-{next(ids)}")
    async with ApiClient(api.url) as client:
        for sent in (orders[:20], orders):
            outcome = await send_orders(
                client,
                sent,
                pace=0,
                new_id=lambda: f"batch-{next(ids)}",
                progress=lambda outcome: None,
            )
            assert (outcome.accepted, outcome.refused) == (len(sent), [])
        assert len(await list_orders(api.url)) == 30


async def test_refused_orders_have_a_problem_in_their_entry(api: RunningApi) -> None:
    bad: WireOrderTerms = {**TERMS, "amount": "-1"}
    async with ApiClient(api.url) as client:
        result = await client.place_batch([TERMS, bad], key="mixed")
        assert "orderId" in result.entries[0]
        assert result.entries[1]["problem"]["detail"].startswith("amount: ")
        refused = await client.place_batch([bad, bad], key="all bad")
        assert refused.batch_id is None
        assert all("problem" in entry for entry in refused.entries)
        with pytest.raises(RequestRefused, match="amount: "):
            await client.place_order(bad, key="one bad")
        order_id = await client.place_order(TERMS, key="one good")
        assert [event["seq"] for event in await client.fetch_events(order_id)] == [1]

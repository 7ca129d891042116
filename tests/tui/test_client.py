"""The dashboard's client against the real API, which is killed and restarted under it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from itertools import count
from typing import Any

import aiohttp
import pytest

from tests.integration.apis import Driver, open_driver, until
from tests.tui.dumps import dump
from tests.tui.servers import TERMS, ApiProcess, Follower, drive, following, running
from tui.connection.client import Client, Refused, Unreachable
from tui.connection.order_sender import named, send
from tui.model.connection_state import State
from tui.model.messages import WireTerms
from tui.model.model import Model

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
async def api(database_url: str, redis_url: str) -> AsyncIterator[ApiProcess]:
    async with running(database_url, redis_url) as process:
        yield process


@pytest.fixture
async def driver(database_url: str, redis_url: str) -> AsyncIterator[Driver]:
    async with open_driver(database_url, redis_url) as hands:
        yield hands


async def post(client: Client, count: int, key: str) -> list[str]:
    posted = await client.post([TERMS] * count, key=key)
    return [place["orderId"] for place in posted.places]


async def listed(url: str) -> dict[str, dict[str, Any]]:
    """Every order as the API lists it."""
    found: dict[str, dict[str, Any]] = {}
    cursor: str | None = None
    async with aiohttp.ClientSession(url) as session:
        while True:
            query = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
            async with session.get("/api/orders", params=query) as response:
                page = await response.json()
            found |= {order["orderId"]: order for order in page["orders"]}
            cursor = page["next"]
            if cursor is None:
                return found


async def same_as_listed(follower: Follower, url: str) -> None:
    """The model has every order just as the API lists it, and counts them right."""
    stored = await listed(url)
    model = follower.model
    assert {order.id: (order.status, order.seq) for order in model.ordered} == {
        key: (order["status"], order["seq"]) for key, order in stored.items()
    }
    for order in model.ordered:
        shown = stored[order.id]
        assert (order.amount_in, order.amount_out) == (shown["amountIn"], shown["amountOut"])
        assert (order.tx_hash, order.dex) == (shown["txHash"], shown["dex"])
    counts = Counter(order["status"] for order in stored.values())
    assert +Counter(model.tally.counts) == counts

    async def is_counted() -> bool:
        stats = await follower.client.stats()
        return +Counter(stats["byStatus"]) == counts

    await until(is_counted)


async def test_everything_that_is_stored_and_that_happens_is_seen(
    api: ApiProcess, driver: Driver
) -> None:
    async with Client(api.url) as client:
        before = await post(client, 7, "before")
        await drive(driver, before[:5])
        async with following(api.url) as follower:
            await follower.sees(lambda model: model.link.state is State.LIVE)
            assert len(follower.model.orders) == 7
            after = await post(client, 5, "after")
            await drive(driver, before[5:] + after)
            await follower.sees(
                lambda model: model.tally.in_flight == 0 and len(model.orders) == 12
            )
            await same_as_listed(follower, api.url)
            assert all(follower.model.orders[key].is_told for key in after)


async def test_an_api_that_is_killed_and_restarted_leaves_no_gap(
    api: ApiProcess, driver: Driver
) -> None:
    async with following(api.url) as follower:
        await follower.sees(lambda model: model.link.state is State.LIVE)
        first = await post(follower.client, 10, "first")
        await drive(driver, first[:4])
        await follower.sees(lambda model: model.tally.counts["confirmed"] == 4)
        await api.kill()
        await follower.sees(lambda model: model.link.state is State.OFFLINE)
        assert len(follower.model.orders) == 10
        await drive(driver, first[4:])
        await api.start()
        await follower.sees(lambda model: model.link.state is State.LIVE)
        await follower.sees(lambda model: model.tally.in_flight == 0)
        second = await post(follower.client, 5, "second")
        await drive(driver, second)
        await follower.sees(lambda model: len(model.orders) == 15 and model.tally.in_flight == 0)
        await same_as_listed(follower, api.url)
        assert all(order.is_told for order in follower.model.ordered)
        said = [entry.text for entry in follower.model.log.entries if "resumed" in entry.text]
        assert said[0].endswith("22 events replayed")
        replayed = Model()
        for recorded in follower.messages:
            replayed.apply(recorded.message, recorded.at_ms)
        assert dump(replayed) == dump(follower.model)


async def test_an_api_that_is_killed_again_and_again_leaves_no_gap(
    api: ApiProcess, driver: Driver
) -> None:
    async with following(api.url) as follower:
        for number in range(3):
            follower.feed.retry_now()
            await follower.sees(lambda model: model.link.state is State.LIVE)
            orders = await post(follower.client, 6, f"batch {number}")
            await drive(driver, orders[:3])
            await api.kill()
            await drive(driver, orders[3:])
            await api.start()
        await follower.sees(lambda model: len(model.orders) == 18 and model.tally.in_flight == 0)
        await same_as_listed(follower, api.url)


async def test_an_api_over_another_database_is_loaded_anew(
    api: ApiProcess, driver: Driver, other_database_url: str
) -> None:
    async with following(api.url) as follower:
        await follower.sees(lambda model: model.link.state is State.LIVE)
        await drive(driver, await post(follower.client, 3, "here"))
        await follower.sees(lambda model: len(model.orders) == 3 and model.tally.in_flight == 0)
        await api.kill()
        await follower.sees(lambda model: model.link.state is State.OFFLINE)
        api.environ["DATABASE_URL"] = other_database_url
        await api.start()
        await follower.sees(lambda model: model.link.state is State.LIVE)
        assert follower.model.orders == {}
        await post(follower.client, 2, "there")
        await follower.sees(lambda model: len(model.orders) == 2)
        await same_as_listed(follower, api.url)
        assert any("another journal" in entry.text for entry in follower.model.log.entries)


async def test_many_pages_are_loaded_while_orders_come(api: ApiProcess, driver: Driver) -> None:
    async with Client(api.url) as client:
        orders = await post(client, 1_000, "many")
        async with following(api.url) as follower:
            await drive(driver, orders[::250])
            extra = await post(client, 200, "more")
            await follower.sees(
                lambda model: model.link.state is State.LIVE and len(model.orders) == 1_200
            )
            await drive(driver, extra[:3])
            await follower.sees(lambda model: model.tally.counts["confirmed"] == 7)
            await same_as_listed(follower, api.url)


async def test_what_is_too_old_to_be_loaded_is_still_counted(api: ApiProcess) -> None:
    async with Client(api.url) as client:
        await post(client, 700, "many")
        async with following(api.url) as earlier:
            await earlier.sees(lambda model: model.tally.counts["pending"] == 700)
            # Whoever comes after an event that was told live is not told of these any more.
            await earlier.sees(lambda model: model.link.state is State.LIVE)
            await post(client, 1, "one")
            await earlier.sees(lambda model: model.tally.counts["pending"] == 701)
        async with following(api.url, orders_max=500) as follower:
            await follower.sees(lambda model: model.tally.counts["pending"] == 701)
            assert len(follower.model.orders) == 500


async def test_a_batch_is_posted_once_however_often_it_is_asked_for(api: ApiProcess) -> None:
    async with Client(api.url) as client:
        first = await client.post([TERMS] * 3, key="the same")
        again = await client.post([TERMS] * 3, key="the same")
        assert [place["orderId"] for place in again.places] == [
            place["orderId"] for place in first.places
        ]
        assert len(await listed(api.url)) == 3


async def test_orders_that_are_sent_again_in_another_batch_are_still_the_same(
    api: ApiProcess,
) -> None:
    ids = count(1)
    orders = named([TERMS] * 30, lambda: f"mine-{next(ids)}")
    async with Client(api.url) as client:
        for sent in (orders[:20], orders):
            outcome = await send(
                client,
                sent,
                pace=0,
                new_id=lambda: f"batch-{next(ids)}",
                progress=lambda outcome: None,
            )
            assert (outcome.accepted, outcome.left) == (len(sent), [])
        assert len(await listed(api.url)) == 30


async def test_what_is_refused_is_told_in_its_place(api: ApiProcess) -> None:
    bad: WireTerms = {**TERMS, "amount": "-1"}
    async with Client(api.url) as client:
        posted = await client.post([TERMS, bad], key="mixed")
        assert "orderId" in posted.places[0]
        assert posted.places[1]["problem"]["detail"].startswith("amount: ")
        refused = await client.post([bad, bad], key="all bad")
        assert refused.batch_id is None
        assert all("problem" in place for place in refused.places)
        with pytest.raises(Refused, match="amount: "):
            await client.place(bad, key="one bad")
        order_id = await client.place(TERMS, key="one good")
        assert [event["seq"] for event in await client.history(order_id)] == [1]


async def test_quotes_without_a_node_are_refused(api: ApiProcess) -> None:
    async with Client(api.url) as client:
        with pytest.raises(Refused) as refused:
            await client.quote(TERMS)
        assert refused.value.status == 503
        assert refused.value.retry_after_s is not None


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    async with Client(NOWHERE) as client:
        with pytest.raises(Unreachable, match="nothing answers"):
            await client.stats()
    async with following(NOWHERE) as follower:
        await follower.sees(lambda model: model.link.state is State.OFFLINE)
        assert "nothing answers" in follower.model.link.reason
        await follower.sees(lambda model: model.link.tries > 1)


async def test_a_key_is_sent_where_one_is_asked_for(database_url: str, redis_url: str) -> None:
    key = "a-key-of-some-length"
    async with running(database_url, redis_url, ORDER_ENGINE_API_KEYS=f"me:{key}") as api:
        async with following(api.url) as follower:
            await follower.sees(lambda model: model.link.state is State.OFFLINE)
            assert "refuses" in follower.model.link.reason
        async with following(api.url, key=key) as follower:
            await follower.sees(lambda model: model.link.state is State.LIVE)
            await follower.client.place(TERMS, key="one")
            await follower.sees(lambda model: len(model.orders) == 1)
            order = follower.model.ordered[0]
            assert Decimal(order.amount_in) == Decimal("1.5")

"""Owners apart: nothing that one owner receives tells of another one's orders."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from tests.integration.apis import (
    ORDER,
    WAIT_S,
    Json,
    RunningApi,
    has_at_least,
    open_api,
    open_driver,
    receive_hello,
    receive_stream,
    wait_until,
)
from tests.integration.stores import read_positions

KEYS = "anna:anna-key-0123456789,bert:bert-key-0123456789"
ANNA = {"Authorization": "Bearer anna-key-0123456789"}
BERT = {"X-API-Key": "bert-key-0123456789"}


def open_stream(api: RunningApi, headers: dict[str, str], **parameters: str) -> Any:
    return api.session.ws_connect("/api/orders/stream", headers=headers, params=parameters)


async def load_stats(api: RunningApi, headers: dict[str, str]) -> Json:
    async with api.session.get("/api/stats", headers=headers) as response:
        assert response.status == 200
        return dict(await response.json())


async def test_a_request_with_two_different_keys_is_nobodys(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url, api_keys=KEYS) as api:
        async with api.session.get("/api/stats", headers=ANNA | BERT) as response:
            problem = await response.json()
            assert (response.status, problem["code"]) == (401, "unauthorized")
            assert "different keys" in problem["detail"]
        await load_stats(api, ANNA | {"X-API-Key": "anna-key-0123456789"})


async def test_cursors_and_heartbeats_have_nothing_of_other_owners_orders(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.api.sockets.stream_socket.HEARTBEAT_S", 0.05)
    position_of = await read_positions(database_url)
    async with open_api(database_url, redis_url, api_keys=KEYS) as api:
        async with open_stream(api, BERT) as all_of_bert, open_stream(api, ANNA) as of_anna:
            cursors = [(await receive_hello(all_of_bert))["cursor"]]
            await receive_hello(of_anna)
            anna = await api.post("/api/orders/execute", dict(ORDER), headers=ANNA)
            [placed] = await receive_stream(of_anna, has_at_least(1))
            placed_at = position_of(placed["cursor"])
            async with asyncio.timeout(WAIT_S):
                while position_of(cursors[-1]) < placed_at:
                    cursors.append((await all_of_bert.receive_json())["heartbeat"]["cursor"])
            # Bert's own frame is in a page that has an event of Anna at its end, or goes past it.
            await api.post("/api/orders/execute", dict(ORDER), headers=BERT)
            cursors.append((await receive_stream(all_of_bert, has_at_least(1)))[-1]["cursor"])
        cursors.append((await load_stats(api, BERT))["cursor"])
        batch = await api.post("/api/orders/batch", {"orders": [dict(ORDER)]}, headers=BERT)
        cursors.append(batch["ws_url"].rpartition("after=")[2])
        assert len(set(cursors)) == len(cursors)
        assert {len(cursor) for cursor in cursors} == {len(placed["cursor"])}
        plain = {anna["orderId"].replace("-", ""), f".{placed_at.txid}"}
        assert [each for each in cursors for part in plain if part in each] == []


async def test_a_cursor_resumes_on_every_process_and_after_a_restart(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url, api_keys=KEYS) as one:
        async with open_stream(one, BERT) as socket:
            start = (await receive_hello(socket))["cursor"]
        order = await one.post("/api/orders/execute", dict(ORDER), headers=BERT)
        async with (
            open_api(database_url, redis_url, api_keys=KEYS) as two,
            open_stream(two, BERT, after=start) as socket,
        ):
            hello = await receive_hello(socket)
            assert (hello["reset"], hello["cursor"]) == (False, start)
            [event] = await receive_stream(socket, has_at_least(1))
            assert event["orderId"] == order["orderId"]
    later = event["cursor"]
    async with open_api(database_url, redis_url, api_keys=KEYS) as three:
        newest = await three.post("/api/orders/execute", dict(ORDER), headers=BERT)
        async with open_stream(three, BERT, after=later) as socket:
            assert (await receive_hello(socket))["reset"] is False
            [event] = await receive_stream(socket, has_at_least(1))
            assert event["orderId"] == newest["orderId"]


async def test_a_position_that_is_written_by_hand_is_not_taken(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        await api.place_order()
        async with api.open_stream() as socket:
            epoch = (await receive_hello(socket))["epoch"]
        async with api.open_stream(after=f"{epoch[:8]}.1") as socket:
            assert (await receive_hello(socket))["reset"] is True


async def test_statistics_count_the_orders_of_their_caller(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url, api_keys=KEYS) as api,
        open_driver(database_url, redis_url) as driver,
    ):

        async def has_counts(client: RunningApi, expected: dict[str, Json]) -> bool:
            received = {
                "anna": await load_stats(client, ANNA),
                "bert": await load_stats(client, BERT),
            }
            return all(
                (stats["total"], {k: n for k, n in stats["byStatus"].items() if n})
                == (sum(expected[owner].values()), expected[owner])
                for owner, stats in received.items()
            )

        await wait_until(lambda: has_counts(api, {"anna": {}, "bert": {}}))
        orders = {"orders": [dict(ORDER)] * 3}
        batch = await api.post("/api/orders/batch", orders, headers=ANNA)
        await wait_until(lambda: has_counts(api, {"anna": {"pending": 3}, "bert": {}}))
        await api.post("/api/orders/execute", dict(ORDER), headers=BERT)
        await driver.confirm(UUID(batch["orders"][0]["orderId"]))
        expected = {"anna": {"pending": 2, "confirmed": 1}, "bert": {"pending": 1}}
        await wait_until(lambda: has_counts(api, expected))
        async with open_api(database_url, redis_url, api_keys=KEYS) as fresh:
            await wait_until(lambda: has_counts(fresh, expected))

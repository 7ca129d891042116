"""The stream: many orders on one socket, without a gap, without a double, without a limit to time.

What it is held against is what the journal has.
"""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from backend.store.feed import Position
from tests.integration.apis import (
    ORDER,
    WAIT_S,
    Json,
    at_least,
    hello,
    open_api,
    open_driver,
    streamed,
)
from tests.integration.stores import new_order, open_store

LIFE = ["pending", "routing", "building", "submitted", "confirmed"]


def keys(found: list[Json]) -> list[tuple[str, int]]:
    return [(event["orderId"], event["seq"]) for event in found]


def whole_lives(orders: list[UUID]) -> set[tuple[str, int]]:
    return {(str(order_id), seq) for order_id in orders for seq in range(1, 6)}


def cursor_of(found: list[Json]) -> str:
    cursor: str = found[-1]["cursor"]
    return cursor


def place(cursor: str) -> Position:
    return Position.parse(cursor.partition(".")[2])


async def test_the_stream_begins_with_hello_and_tells_everything_from_then_on(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as do:
        async with api.stream() as socket:
            first = await hello(socket)
            assert first["reset"] is False
            assert str(UUID(first["epoch"])) == first["epoch"]
            orders = [await api.order() for _ in range(5)]
            for order_id in orders:
                await do.confirm(order_id)
            found = await streamed(socket, at_least(25))
        assert set(keys(found)) == whole_lives(orders)
        assert len(found) == 25
        for order_id in orders:
            life = [event["status"] for event in found if event["orderId"] == str(order_id)]
            assert life == LIFE


async def test_only_the_last_event_of_a_frame_has_a_cursor(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, api.stream() as socket:
        await hello(socket)
        await api.post("/api/orders/batch", {"orders": [dict(ORDER)] * 50})
        frame = await socket.receive_json()
        assert len(frame) == 50
        assert ["cursor" in event for event in frame] == [False] * 49 + [True]


async def test_the_past_is_read_from_a_cursor_and_the_present_follows(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as do:
        async with api.stream() as socket:
            start = (await hello(socket))["cursor"]
        orders = [await api.order() for _ in range(3)]
        for order_id in orders[:2]:
            await do.confirm(order_id)
        async with api.stream(after=start) as socket:
            assert (await hello(socket))["cursor"] == start
            past = await streamed(socket, at_least(11))
            await do.confirm(orders[2])
            present = await streamed(socket, at_least(4))
        assert sorted(keys(past + present)) == sorted(whole_lives(orders))
        async with api.stream(after=cursor_of(past)) as socket:
            await hello(socket)
            assert keys(await streamed(socket, at_least(4))) == keys(present)


async def test_a_reader_who_keeps_coming_back_misses_nothing_and_sees_nothing_twice(
    database_url: str, redis_url: str
) -> None:
    count = 120

    async def write() -> list[UUID]:
        orders = []
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                orders.append(await api.order())
                group.create_task(do.confirm(orders[-1]))
        return orders

    async def read(after: str) -> list[Json]:
        found: list[Json] = []
        visits = 0
        while len(found) < 5 * count:
            async with api.stream(after=after) as socket:
                await hello(socket)
                wanted = min(1 + visits % 40, 5 * count - len(found))
                found += await streamed(socket, at_least(wanted))
            after = cursor_of(found)
            visits += 1
        assert visits > 5
        return found

    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as do:
        async with api.stream() as socket:
            start = (await hello(socket))["cursor"]
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(write())
            reading = [group.create_task(read(start)) for _ in range(3)]
        for task in reading:
            seen = keys(task.result())
            assert len(seen) == len(set(seen))
            assert set(seen) == whole_lives(writing.result())
            for order_id in writing.result():
                life = [seq for name, seq in seen if name == str(order_id)]
                assert life == [1, 2, 3, 4, 5]


async def test_a_batch_is_streamed_from_its_own_address(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as do:
        answer = await api.post("/api/orders/batch", {"orders": [dict(ORDER)] * 4})
        other = await api.order()
        orders = [UUID(place["orderId"]) for place in answer["orders"]]
        for order_id in [*orders[:2], other]:
            await do.confirm(order_id)
        async with api.session.ws_connect(answer["ws_url"]) as socket:
            await hello(socket)
            found = await streamed(socket, at_least(12))
            for order_id in orders[2:]:
                await do.confirm(order_id)
            found += await streamed(socket, at_least(8))
        assert sorted(keys(found)) == sorted(whole_lives(orders))


@pytest.mark.parametrize("is_past", [False, True], ids=["live", "past"])
async def test_each_filter_narrows_the_stream(
    database_url: str, redis_url: str, is_past: bool
) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as do:
        async with api.stream() as socket:
            start = (await hello(socket))["cursor"]
        one, two = await api.order(), await api.order()

        async def drive() -> None:
            await do.confirm(one)
            await do.fail(await do.claim(two))

        async def seen(count: int, **filters: str) -> set[tuple[str, int]]:
            async with api.stream(after=start, **filters) as socket:
                await hello(socket)
                ready.set()
                return set(keys(await streamed(socket, at_least(count))))

        if is_past:
            await drive()
        async with asyncio.TaskGroup() as group:
            ready = asyncio.Event()
            asked = {
                "order": group.create_task(seen(3, orderId=str(two))),
                "status": group.create_task(seen(2, status="confirmed,failed")),
                "dex": group.create_task(seen(3, dex="raydium")),
            }
            await ready.wait()
            if not is_past:
                await drive()
        assert asked["order"].result() == {(str(two), seq) for seq in (1, 2, 3)}
        assert asked["status"].result() == {(str(one), 5), (str(two), 3)}
        assert asked["dex"].result() == {(str(one), seq) for seq in (3, 4, 5)}


async def test_a_quiet_stream_beats_with_a_cursor_that_is_good(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.api.sockets.views.HEARTBEAT_S", 0.05)
    async with open_api(database_url, redis_url) as api:
        async with api.stream() as all_of_them, api.stream(status="failed") as socket:
            await hello(all_of_them)
            cursor = (await hello(socket))["cursor"]
            order_id = await api.order()
            [placed] = await streamed(all_of_them, at_least(1))
            assert keys([placed]) == [(str(order_id), 1)]
            async with asyncio.timeout(WAIT_S):
                while place(cursor) < place(placed["cursor"]):
                    cursor = (await socket.receive_json())["heartbeat"]["cursor"]
        async with api.stream(after=cursor) as socket:
            await hello(socket)
            later = await api.order()
            found = await streamed(socket, at_least(1))
            assert keys(found) == [(str(later), 1)]


@pytest.mark.parametrize("cursor", ["00000000.17", "{}.9000000000000000000"])
async def test_a_cursor_of_another_journal_starts_anew(
    database_url: str, redis_url: str, cursor: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        async with api.stream() as socket:
            epoch = (await hello(socket))["epoch"]
        async with api.stream(after=cursor.format(epoch[:8])) as socket:
            first = await hello(socket)
            assert first["reset"] is True
            order_id = await api.order()
            assert keys(await streamed(socket, at_least(1))) == [(str(order_id), 1)]


async def test_cursors_outlive_the_server(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api, api.stream() as socket:
        start = (await hello(socket))["cursor"]
        order_id = await api.order()
        await streamed(socket, at_least(1))
    async with open_api(database_url, redis_url) as api, api.stream(after=start) as socket:
        first = await hello(socket)
        assert first["reset"] is False
        assert keys(await streamed(socket, at_least(1))) == [(str(order_id), 1)]


async def test_a_stopping_server_says_goodbye(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        async with api.stream() as socket:
            await hello(socket)
            order_id = await api.order()
            found = await streamed(socket, at_least(1))
            api.stop.set()
            async with asyncio.timeout(WAIT_S):
                bye = await socket.receive_json()
                closing = await socket.receive()
        assert keys(found) == [(str(order_id), 1)]
        assert bye == {"bye": {"reason": "shutting_down"}}
        assert closing.data == 1001


async def test_an_order_is_told_though_nobody_rings(database_url: str, redis_url: str) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_store(database_url) as silent,
        api.stream() as socket,
    ):
        await hello(socket)
        accepted = await silent.intake.accept(new_order())
        assert keys(await streamed(socket, at_least(1))) == [(str(accepted.id), 1)]

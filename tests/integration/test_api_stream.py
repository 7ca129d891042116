"""The stream: the events of many orders on one socket, without a gap and without a duplicate."""

from __future__ import annotations

import asyncio
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
)
from tests.integration.stores import new_order, open_store, read_positions

ALL_STATUSES = ["pending", "routing", "building", "submitted", "confirmed"]


def event_keys(events: list[Json]) -> list[tuple[str, int]]:
    return [(event["orderId"], event["seq"]) for event in events]


def all_event_keys(orders: list[UUID]) -> set[tuple[str, int]]:
    return {(str(order_id), seq) for order_id in orders for seq in range(1, 6)}


def last_cursor(events: list[Json]) -> str:
    cursor: str = events[-1]["cursor"]
    return cursor


async def test_the_stream_begins_with_hello_and_sends_every_later_event(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        async with api.open_stream() as socket:
            first = await receive_hello(socket)
            assert first["reset"] is False
            assert str(UUID(first["epoch"])) == first["epoch"]
            orders = [await api.place_order() for _ in range(5)]
            for order_id in orders:
                await driver.confirm(order_id)
            events = await receive_stream(socket, has_at_least(25))
        assert set(event_keys(events)) == all_event_keys(orders)
        assert len(events) == 25
        for order_id in orders:
            received = [event["status"] for event in events if event["orderId"] == str(order_id)]
            assert received == ALL_STATUSES


async def test_only_the_last_event_of_a_frame_has_a_cursor(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, api.open_stream() as socket:
        await receive_hello(socket)
        await api.post("/api/orders/batch", {"orders": [dict(ORDER)] * 50})
        frame = await socket.receive_json()
        assert len(frame) == 50
        assert ["cursor" in event for event in frame] == [False] * 49 + [True]


async def test_past_events_are_read_from_a_cursor_and_new_ones_follow(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        async with api.open_stream() as socket:
            start = (await receive_hello(socket))["cursor"]
        orders = [await api.place_order() for _ in range(3)]
        for order_id in orders[:2]:
            await driver.confirm(order_id)
        async with api.open_stream(after=start) as socket:
            assert (await receive_hello(socket))["cursor"] == start
            past_events = await receive_stream(socket, has_at_least(11))
            await driver.confirm(orders[2])
            new_events = await receive_stream(socket, has_at_least(4))
        assert sorted(event_keys(past_events + new_events)) == sorted(all_event_keys(orders))
        async with api.open_stream(after=last_cursor(past_events)) as socket:
            await receive_hello(socket)
            assert event_keys(await receive_stream(socket, has_at_least(4))) == event_keys(
                new_events
            )


async def read_with_reconnects(api: RunningApi, after: str, count: int) -> list[Json]:
    """Read ``count`` events of the stream, a few per connection."""
    events: list[Json] = []
    connections = 0
    while len(events) < count:
        async with api.open_stream(after=after) as socket:
            await receive_hello(socket)
            batch_size = min(1 + connections % 40, count - len(events))
            events += await receive_stream(socket, has_at_least(batch_size))
        after = last_cursor(events)
        connections += 1
    assert connections > 5
    return events


async def test_a_reader_who_keeps_reconnecting_misses_nothing_and_sees_nothing_twice(
    database_url: str, redis_url: str
) -> None:
    count = 120

    async def write() -> list[UUID]:
        orders = []
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                orders.append(await api.place_order())
                group.create_task(driver.confirm(orders[-1]))
        return orders

    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        async with api.open_stream() as socket:
            start = (await receive_hello(socket))["cursor"]
        async with asyncio.TaskGroup() as group:
            writer = group.create_task(write())
            readers = [
                group.create_task(read_with_reconnects(api, start, 5 * count)) for _ in range(3)
            ]
        for task in readers:
            received_keys = event_keys(task.result())
            assert len(received_keys) == len(set(received_keys))
            assert set(received_keys) == all_event_keys(writer.result())
            for order_id in writer.result():
                received = [seq for name, seq in received_keys if name == str(order_id)]
                assert received == [1, 2, 3, 4, 5]


async def test_a_batch_is_streamed_from_its_own_address(database_url: str, redis_url: str) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        batch = await api.post("/api/orders/batch", {"orders": [dict(ORDER)] * 4})
        other = await api.place_order()
        orders = [UUID(entry["orderId"]) for entry in batch["orders"]]
        for order_id in [*orders[:2], other]:
            await driver.confirm(order_id)
        async with api.session.ws_connect(batch["ws_url"]) as socket:
            await receive_hello(socket)
            events = await receive_stream(socket, has_at_least(12))
            for order_id in orders[2:]:
                await driver.confirm(order_id)
            events += await receive_stream(socket, has_at_least(8))
        assert sorted(event_keys(events)) == sorted(all_event_keys(orders))


@pytest.mark.parametrize("is_past", [False, True], ids=["live", "past"])
async def test_each_filter_narrows_the_stream(
    database_url: str, redis_url: str, is_past: bool
) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        async with api.open_stream() as socket:
            start = (await receive_hello(socket))["cursor"]
        one, two = await api.place_order(), await api.place_order()

        async def drive_orders() -> None:
            await driver.confirm(one)
            await driver.fail(await driver.claim(two))

        async def receive_keys(count: int, **filters: str) -> set[tuple[str, int]]:
            async with api.open_stream(after=start, **filters) as socket:
                await receive_hello(socket)
                ready.set()
                return set(event_keys(await receive_stream(socket, has_at_least(count))))

        if is_past:
            await drive_orders()
        async with asyncio.TaskGroup() as group:
            ready = asyncio.Event()
            streams = {
                "order": group.create_task(receive_keys(3, orderId=str(two))),
                "status": group.create_task(receive_keys(2, status="confirmed,failed")),
                "dex": group.create_task(receive_keys(3, dex="raydium")),
            }
            await ready.wait()
            if not is_past:
                await drive_orders()
        assert streams["order"].result() == {(str(two), seq) for seq in (1, 2, 3)}
        assert streams["status"].result() == {(str(one), 5), (str(two), 3)}
        assert streams["dex"].result() == {(str(one), seq) for seq in (3, 4, 5)}


async def test_the_heartbeat_of_a_quiet_stream_has_a_valid_cursor(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.api.sockets.stream_socket.HEARTBEAT_S", 0.05)
    position_of = await read_positions(database_url)
    async with open_api(database_url, redis_url) as api:
        async with api.open_stream() as all_of_them, api.open_stream(status="failed") as socket:
            await receive_hello(all_of_them)
            cursor = (await receive_hello(socket))["cursor"]
            order_id = await api.place_order()
            [placed] = await receive_stream(all_of_them, has_at_least(1))
            assert event_keys([placed]) == [(str(order_id), 1)]
            placed_at = position_of(placed["cursor"])
            async with asyncio.timeout(WAIT_S):
                while position_of(cursor) < placed_at:
                    cursor = (await socket.receive_json())["heartbeat"]["cursor"]
        async with api.open_stream(after=cursor) as socket:
            await receive_hello(socket)
            later = await api.place_order()
            events = await receive_stream(socket, has_at_least(1))
            assert event_keys(events) == [(str(later), 1)]


@pytest.mark.parametrize("cursor", ["00000000.17", "{}.9000000000000000000"])
async def test_a_cursor_of_another_journal_starts_anew(
    database_url: str, redis_url: str, cursor: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        async with api.open_stream() as socket:
            epoch = (await receive_hello(socket))["epoch"]
        async with api.open_stream(after=cursor.format(epoch[:8])) as socket:
            first = await receive_hello(socket)
            assert first["reset"] is True
            order_id = await api.place_order()
            assert event_keys(await receive_stream(socket, has_at_least(1))) == [(str(order_id), 1)]


async def test_cursors_outlive_the_server(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api, api.open_stream() as socket:
        start = (await receive_hello(socket))["cursor"]
        order_id = await api.place_order()
        await receive_stream(socket, has_at_least(1))
    async with open_api(database_url, redis_url) as api, api.open_stream(after=start) as socket:
        first = await receive_hello(socket)
        assert first["reset"] is False
        assert event_keys(await receive_stream(socket, has_at_least(1))) == [(str(order_id), 1)]


async def test_a_stopping_server_sends_bye_and_closes(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        async with api.open_stream() as socket:
            await receive_hello(socket)
            order_id = await api.place_order()
            events = await receive_stream(socket, has_at_least(1))
            api.stop.set()
            async with asyncio.timeout(WAIT_S):
                bye = await socket.receive_json()
                closing = await socket.receive()
        assert event_keys(events) == [(str(order_id), 1)]
        assert bye == {"bye": {"reason": "shutting_down"}}
        assert closing.data == 1001


async def test_an_event_is_delivered_without_a_commit_notification(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_store(database_url) as store,
        api.open_stream() as socket,
    ):
        await receive_hello(socket)
        accepted = await store.intake.accept(new_order())
        assert event_keys(await receive_stream(socket, has_at_least(1))) == [(str(accepted.id), 1)]

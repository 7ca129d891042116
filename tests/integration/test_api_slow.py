"""A reader that is too slow is closed with a reason and can resume; others are not affected."""

from __future__ import annotations

import asyncio
import socket as sockets
from typing import Any

import aiohttp
from uuid_utils.compat import uuid7

from backend.store.intake import NewBatch
from tests.integration.apis import (
    WAIT_S,
    Json,
    RunningApi,
    has_at_least,
    open_api,
    receive_hello,
    receive_stream,
)
from tests.integration.stores import Store, new_order, open_store


def event_keys(events: list[Json]) -> list[tuple[str, int]]:
    return [(event["orderId"], event["seq"]) for event in events]


async def store_orders(store: Store, count: int) -> None:
    """Store this many orders in one transaction."""
    batch = NewBatch(uuid7(), "local", None, b"", "{}")
    orders = [new_order() for _ in range(count)]
    assert await store.intake.accept_batch(batch, orders) is None


async def test_a_reader_that_is_too_slow_is_closed_with_a_reason_while_others_go_on(
    database_url: str, redis_url: str
) -> None:
    count = 40_000
    async with open_api(database_url, redis_url) as api, open_store(database_url) as store:
        async with (
            open_narrow_session(api) as narrow,
            narrow.ws_connect("/api/orders/stream", autoclose=False) as slow,
            api.open_stream() as socket,
        ):
            await receive_hello(socket)
            await receive_hello(slow)
            async with asyncio.TaskGroup() as group:
                reader = group.create_task(receive_stream(socket, has_at_least(count)))
                for _ in range(count // 5_000):
                    await store_orders(store, 5_000)
            assert len(set(event_keys(reader.result()))) == count
            async with asyncio.timeout(WAIT_S):
                frames: list[Any] = [message.json() async for message in slow]
            assert slow.close_code == 1013
        assert frames[-1]["bye"]["reason"] == "too_slow"
        received = [event for frame in frames if isinstance(frame, list) for event in frame]
        assert len(received) < count
        async with api.open_stream(after=received[-1]["cursor"]) as socket:
            await receive_hello(socket)
            missed_events = await receive_stream(socket, has_at_least(count - len(received)))
        all_keys = event_keys(received + missed_events)
        assert len(all_keys) == len(set(all_keys)) == count


def open_narrow_session(api: RunningApi) -> aiohttp.ClientSession:
    """A client with a small receive buffer, so that the server soon cannot send."""

    def make(address: Any) -> sockets.socket:
        family, kind, protocol, *_ = address
        made = sockets.socket(family, kind, protocol)
        made.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4_096)
        return made

    return aiohttp.ClientSession(api.url, connector=aiohttp.TCPConnector(socket_factory=make))

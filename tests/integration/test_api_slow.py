"""A reader that is too slow: told, closed, and able to come back, while others do not notice."""

from __future__ import annotations

import asyncio
import socket as sockets
from typing import Any

import aiohttp
from uuid_utils.compat import uuid7

from backend.store.intake import NewBatch
from tests.integration.apis import (
    WAIT_S,
    Api,
    Json,
    at_least,
    hello,
    open_api,
    streamed,
)
from tests.integration.stores import Store, new_order, open_store


def keys(found: list[Json]) -> list[tuple[str, int]]:
    return [(event["orderId"], event["seq"]) for event in found]


async def fill(store: Store, count: int) -> None:
    """Store so many orders at once."""
    batch = NewBatch(uuid7(), "local", None, b"", "{}")
    orders = [new_order() for _ in range(count)]
    assert await store.intake.accept_batch(batch, orders) is None


async def test_a_reader_that_is_too_slow_is_told_and_closed_while_others_go_on(
    database_url: str, redis_url: str
) -> None:
    count = 40_000
    async with open_api(database_url, redis_url) as api, open_store(database_url) as store:
        async with (
            narrow_session(api) as narrow,
            narrow.ws_connect("/api/orders/stream", autoclose=False) as slow,
            api.stream() as socket,
        ):
            await hello(socket)
            await hello(slow)
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(streamed(socket, at_least(count)))
                for _ in range(count // 5_000):
                    await fill(store, 5_000)
            assert len(set(keys(reading.result()))) == count
            async with asyncio.timeout(WAIT_S):
                got: list[Any] = [message.json() async for message in slow]
            assert slow.close_code == 1013
        assert got[-1]["bye"]["reason"] == "too_slow"
        seen = [event for frame in got if isinstance(frame, list) for event in frame]
        assert len(seen) < count
        async with api.stream(after=seen[-1]["cursor"]) as socket:
            await hello(socket)
            rest = await streamed(socket, at_least(count - len(seen)))
        everything = keys(seen + rest)
        assert len(everything) == len(set(everything)) == count


def narrow_session(api: Api) -> aiohttp.ClientSession:
    """A client that takes only a little before it has to read."""

    def make(address: Any) -> sockets.socket:
        family, kind, protocol, *_ = address
        made = sockets.socket(family, kind, protocol)
        made.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4_096)
        return made

    return aiohttp.ClientSession(api.url, connector=aiohttp.TCPConnector(socket_factory=make))

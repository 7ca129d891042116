"""Streams of all orders, as subscribers read them: on and on, from cursor to cursor."""

from __future__ import annotations

import asyncio

import aiohttp

from backend.trials.audit.clients import (
    CONNECTION_ERRORS,
    HEARTBEAT_S,
    RETRY_S,
    Json,
    parse_event,
    read_messages,
)
from backend.trials.audit.history.operations import History
from backend.trials.audit.records import OrderTransition


async def follow_stream(
    session: aiohttp.ClientSession,
    url: str,
    cursor: str | None,
    received: list[OrderTransition],
    history: History | None = None,
) -> None:
    """Follow the stream of all orders from a cursor on, until cancelled."""
    while True:
        try:
            params = {} if cursor is None else {"after": cursor}
            async with session.ws_connect(
                f"{url}/api/orders/stream", params=params, heartbeat=HEARTBEAT_S
            ) as socket:
                async for frame in read_messages(socket):
                    events = [parse_event(each) for each in _list_events(frame)]
                    received += events
                    if history is not None:
                        for each in events:
                            history.record_event(url, each, is_of_feed=True)
                    cursor = _find_cursor(frame) or cursor
        except CONNECTION_ERRORS:
            pass
        await asyncio.sleep(RETRY_S)


async def fetch_cursor(session: aiohttp.ClientSession, url: str) -> str:
    """Fetch the current end of the feed as a cursor."""
    async with session.get(f"{url}/api/stats") as response:
        cursor: str = (await response.json())["cursor"]
        return cursor


def _list_events(frame: Json | list[Json]) -> list[Json]:
    return frame if isinstance(frame, list) else []


def _find_cursor(frame: Json | list[Json]) -> str | None:
    """The cursor behind a frame, if it has one."""
    if isinstance(frame, list):
        return str(frame[-1]["cursor"])
    cursor = next(iter(frame.values())).get("cursor")
    return None if cursor is None else str(cursor)

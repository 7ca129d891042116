"""Subscribers that measure how long events take from the database to a client's socket.

The time of an event is the database's time when it wrote the event's row. The commit follows, so
the measured delay includes the whole commit and the delivery after it. For the first event of an
order (``pending``) it is the time at which the transaction began.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import aiohttp

from backend.domain.errors import Rejected
from backend.domain.lifecycle import Status
from backend.runtime.background import run_in_background
from backend.trials.bench.load_client import PostResults
from backend.trials.bench.order_bodies import EXECUTE_PATH, Json

STREAM_PATH: Final = "/api/orders/stream"
RECEIVE_TIMEOUT_S: Final = 30.0


class ReceivedEvent(NamedTuple):
    """An event received on a socket; ``at_s`` is the event's own time."""

    order_id: str
    status: str
    at_s: float


@dataclass(slots=True)
class ReceivedEvents:
    """Delays and confirmations of all sockets. Arrival times are event loop time."""

    clock_offset_s: float
    delays_s: list[float] = field(default_factory=list)
    confirmed_at_s: dict[str, float] = field(default_factory=dict)

    def record(self, events: Sequence[ReceivedEvent]) -> None:
        """Record events that have just arrived."""
        now_s = asyncio.get_running_loop().time()
        for event in events:
            self.delays_s.append(now_s + self.clock_offset_s - event.at_s)
            if event.status == Status.CONFIRMED:
                self.confirmed_at_s.setdefault(event.order_id, now_s)

    def compute_end_to_end_s(self, results: PostResults) -> list[float]:
        """Return each order's time from its due time to the receipt of its confirmation."""
        return [
            self.confirmed_at_s[order_id] - due_at_s
            for order_id, due_at_s in results.due_at_s.items()
            if order_id in self.confirmed_at_s
        ]


@lru_cache(maxsize=64)
def parse_events(text: str) -> tuple[ReceivedEvent, ...]:
    """Parse the events of a stream frame; a control message has none."""
    frame = json.loads(text)
    return tuple(_parse_event(event) for event in frame) if isinstance(frame, list) else ()


def _parse_event(event: Json) -> ReceivedEvent:
    at_s = datetime.fromisoformat(event["at"]).timestamp()
    return ReceivedEvent(event["orderId"], event["status"], at_s)


@asynccontextmanager
async def open_unlimited_session(
    headers: Mapping[str, str],
) -> AsyncIterator[aiohttp.ClientSession]:
    """Open an HTTP session with these headers, without a limit on its connections."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        yield session


@asynccontextmanager
async def open_streams(
    session: aiohttp.ClientSession, url: str, count: int, received: ReceivedEvents
) -> AsyncIterator[None]:
    """Open ``count`` sockets on the stream of all orders and record what they receive."""
    async with AsyncExitStack() as stack:
        sockets = []
        for _ in range(count):
            socket = await stack.enter_async_context(session.ws_connect(url + STREAM_PATH))
            await socket.receive_json(timeout=RECEIVE_TIMEOUT_S)  # the hello message
            sockets.append(socket)

        async def listen(socket: aiohttp.ClientWebSocketResponse) -> None:
            async for message in socket:
                received.record(parse_events(message.data))
            raise Rejected("stream_ended", f"a stream was closed with {socket.close_code}")

        async with run_in_background(*(lambda socket=socket: listen(socket) for socket in sockets)):
            yield


async def wait_for_confirmations(received: ReceivedEvents, results: PostResults) -> None:
    """Wait until the confirmation of every posted order was received, or the timeout is over."""
    deadline = asyncio.get_running_loop().time() + RECEIVE_TIMEOUT_S
    while results.due_at_s.keys() - received.confirmed_at_s.keys():
        if asyncio.get_running_loop().time() > deadline:
            return
        await asyncio.sleep(0.05)


async def place_on_order_sockets(
    session: aiohttp.ClientSession,
    url: str,
    orders: Sequence[Json],
    *,
    count: int,
    rate: float,
    received: ReceivedEvents,
) -> PostResults:
    """Open ``count`` sockets, place one order on each at ``rate`` per second, follow all to their
    final events, and repeat with new sockets.

    Starts no further round once the time in which all ``orders`` could have been placed is over.
    Raises ``Rejected`` if an order is refused.
    """
    loop = asyncio.get_running_loop()
    results = PostResults(loop.time())
    for at in range(0, len(orders), count):
        if loop.time() > results.started_s + len(orders) / rate:
            break
        round_orders = orders[at : at + count]
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            sockets = [
                await stack.enter_async_context(session.ws_connect(url + EXECUTE_PATH))
                for _ in round_orders
            ]
            start = loop.time()
            for number, (socket, order) in enumerate(zip(sockets, round_orders, strict=True)):
                await asyncio.sleep(max(0.0, start + number / rate - loop.time()))
                group.create_task(_follow_order(socket, order, results, received))
    return results


async def _follow_order(
    socket: aiohttp.ClientWebSocketResponse,
    order: Json,
    results: PostResults,
    received: ReceivedEvents,
) -> None:
    loop = asyncio.get_running_loop()
    due_at_s = loop.time()
    await socket.send_json(order)
    queued: Any = await socket.receive_json(timeout=RECEIVE_TIMEOUT_S)
    if "orderId" not in queued:
        raise Rejected("order_refused", f"an order was refused: {queued}")
    results.delays_s.append(loop.time() - due_at_s)
    results.due_at_s[queued["orderId"]] = due_at_s
    async with asyncio.timeout(RECEIVE_TIMEOUT_S):
        async for message in socket:
            received.record([_parse_event(message.json())])

"""Listening to the engine: how long events take from the database to a client's socket.

The time of an event is that of the database when it wrote the event's row. The commit comes
after it, so what is measured holds the whole commit, and the way of the event after it. Of the
first event of an order (``pending``) it is the time at which the transaction began.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import aiohttp

from backend.domain.errors import Rejected
from backend.domain.lifecycle import Status
from backend.runtime.background import running
from backend.trials.bench.load_client import Answers
from backend.trials.bench.order_bodies import EXECUTE, Json

STREAM: Final = "/api/orders/stream"
HEARD_S_MAX: Final = 30.0


class Told(NamedTuple):
    """An event as a socket told it; ``at_s`` is its time."""

    order_id: str
    status: str
    at_s: float


@dataclass(slots=True)
class Heard:
    """What all sockets heard. Arrivals are in the event loop's time."""

    offset_s: float
    delays_s: list[float] = field(default_factory=list)
    confirmed_s: dict[str, float] = field(default_factory=dict)

    def take(self, events: Sequence[Told]) -> None:
        """Events that have just arrived."""
        now_s = asyncio.get_running_loop().time()
        for event in events:
            self.delays_s.append(now_s + self.offset_s - event.at_s)
            if event.status == Status.CONFIRMED:
                self.confirmed_s.setdefault(event.order_id, now_s)

    def end_to_end_s(self, answers: Answers) -> list[float]:
        """From when each order was posted, or should have been, to its confirmation here."""
        return [
            self.confirmed_s[order_id] - since
            for order_id, since in answers.since.items()
            if order_id in self.confirmed_s
        ]


@lru_cache(maxsize=64)
def events_of(text: str) -> tuple[Told, ...]:
    """The events of a frame of a stream; none of a control message."""
    frame = json.loads(text)
    return tuple(_told(event) for event in frame) if isinstance(frame, list) else ()


def _told(event: Json) -> Told:
    at_s = datetime.fromisoformat(event["at"]).timestamp()
    return Told(event["orderId"], event["status"], at_s)


@asynccontextmanager
async def streams(
    session: aiohttp.ClientSession, url: str, count: int, heard: Heard
) -> AsyncIterator[None]:
    """So many sockets on the stream of everything, from now on."""
    async with AsyncExitStack() as stack:
        sockets = []
        for _ in range(count):
            socket = await stack.enter_async_context(session.ws_connect(url + STREAM))
            await socket.receive_json(timeout=HEARD_S_MAX)  # the hello
            sockets.append(socket)

        async def listen(socket: aiohttp.ClientWebSocketResponse) -> None:
            async for message in socket:
                heard.take(events_of(message.data))
            raise Rejected("stream_ended", f"a stream was closed with {socket.close_code}")

        async with running(*(lambda socket=socket: listen(socket) for socket in sockets)):
            yield


async def heard_all(heard: Heard, answers: Answers) -> None:
    """Return when every order of these was heard to be confirmed, or too long has passed."""
    deadline = asyncio.get_running_loop().time() + HEARD_S_MAX
    while answers.since.keys() - heard.confirmed_s.keys():
        if asyncio.get_running_loop().time() > deadline:
            return
        await asyncio.sleep(0.05)


async def on_order_sockets(
    session: aiohttp.ClientSession,
    url: str,
    orders: Sequence[Json],
    *,
    count: int,
    rate: float,
    heard: Heard,
) -> Answers:
    """Open ``count`` sockets, place an order on each at ``rate`` a second, follow all to their
    ends, and begin again with new sockets.

    It begins no more when the time is over in which all ``orders`` could have been placed. Raises
    ``Rejected`` if one is refused.
    """
    loop = asyncio.get_running_loop()
    answers = Answers(loop.time())
    for at in range(0, len(orders), count):
        if loop.time() > answers.first_s + len(orders) / rate:
            break
        chosen = orders[at : at + count]
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            sockets = [
                await stack.enter_async_context(session.ws_connect(url + EXECUTE)) for _ in chosen
            ]
            start = loop.time()
            for number, (socket, order) in enumerate(zip(sockets, chosen, strict=True)):
                await asyncio.sleep(max(0.0, start + number / rate - loop.time()))
                group.create_task(_place(socket, order, answers, heard))
    return answers


async def _place(
    socket: aiohttp.ClientWebSocketResponse, order: Json, answers: Answers, heard: Heard
) -> None:
    loop = asyncio.get_running_loop()
    since = loop.time()
    await socket.send_json(order)
    queued: Any = await socket.receive_json(timeout=HEARD_S_MAX)
    if "orderId" not in queued:
        raise Rejected("order_refused", f"an order was refused: {queued}")
    answers.delays_s.append(loop.time() - since)
    answers.since[queued["orderId"]] = since
    async with asyncio.timeout(HEARD_S_MAX):
        async for message in socket:
            heard.take([_told(message.json())])

"""The WebSockets: one order's life, an order and its life, and the stream of many.

An order's socket reads what has happened after it has subscribed to what will, and goes by
``seq``: so there is no gap between the two, and nothing comes twice. The stream does the same by
its place in the feed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

from quart.wrappers import Websocket

from backend.api.context import Api
from backend.api.delivery.feed_tail import PAGE_EVENTS, Filter, Page, Told
from backend.api.delivery.send_buffer import FAILED, LATER, REFUSED, Exit, Leaving, Outbox
from backend.api.routes.parameters import after_query, stream_query
from backend.api.routes.place_orders import take
from backend.api.routes.read_orders import found
from backend.api.sockets.session import First, converse
from backend.api.wire.cursors import stream_cursor
from backend.api.wire.http import Call
from backend.api.wire.json import decode, encode, event_text, instant
from backend.api.wire.problems import Problem, problem_of
from backend.domain.orders import Event
from backend.runtime import observe
from backend.store.feed import Position

ORDER_EVENTS_MAX = 200
STREAM_EVENTS_MAX = 20_000
"""Events that may wait for one stream; beyond that its reader is too slow."""
HEARTBEAT_S = 5.0
FIRST_MESSAGE_S = 30.0

EXECUTE = "/api/orders/execute"
UPGRADE = "/api/orders/upgrade/<name>"
STREAM = "/api/orders/stream"


async def execute(api: Api, call: Call, socket: Websocket) -> None:
    """``WS /api/orders/execute``: one order's life; without ``orderId`` its order comes first."""
    order = call.arg("orderId")
    if order is not None:
        await _follow(api, call, socket, order)
        return
    with api.sockets.opened(EXECUTE) as way_out:
        await socket.accept()
        ordering = _Ordering(api, call, socket, way_out)
        await converse(socket, way_out, ordering.talk)


async def upgrade(api: Api, call: Call, socket: Websocket) -> None:
    """``WS /api/orders/upgrade/<id>``: one order's life."""
    await _follow(api, call, socket, call.name)


async def stream(api: Api, call: Call, socket: Websocket) -> None:
    """``WS /api/orders/stream``: the events of many orders."""
    which, after = stream_query(call, api.front.journal_id)
    with api.sockets.opened(STREAM) as way_out:
        head = await api.front.feed.head()
        wanted = head if after is None else after.position
        is_reset = wanted is None or wanted > head
        place = head if wanted is None or is_reset else wanted
        await socket.accept()
        streaming = _Streaming(api, socket, way_out, which, place, is_reset=is_reset)
        await converse(socket, way_out, streaming.talk, streaming.bye)


async def _follow(api: Api, call: Call, socket: Websocket, name: str) -> None:
    after = after_query(call)
    record = await found(api, call, name)
    is_over = record.status.is_end and record.seq <= after
    with api.sockets.opened(UPGRADE) as way_out:
        outbox: Outbox[Told] = Outbox(way_out, weight_max=ORDER_EVENTS_MAX)
        async with api.tail.order(record.id, outbox):
            past = await api.front.feed.of_order(record.id, after)
            await socket.accept()

            async def talk(_: First) -> None:
                if not is_over:
                    await _tell_life(socket, past, outbox, after)

            await converse(socket, way_out, talk)


async def _tell_life(
    socket: Websocket, past: Sequence[Event], outbox: Outbox[Told], after: int
) -> None:
    """Send an order's events, those of the past first, until its last one."""
    seq = after
    for event in past:
        await socket.send(event_text(event))
        seq = event.seq
    is_over = bool(past) and past[-1].status.is_end
    while not is_over:
        told = await outbox.get()
        is_over = told.event.status.is_end
        if told.event.seq > seq:
            await socket.send(told.text)
            seq = told.event.seq


class _Ordering:
    """A socket on which the order itself comes first."""

    def __init__(self, api: Api, call: Call, socket: Websocket, way_out: Exit) -> None:
        self._api = api
        self._call = call
        self._socket = socket
        self._way_out = way_out

    async def talk(self, first: First) -> None:
        try:
            order_id = await self._take(first)
        except Exception as error:  # noqa: BLE001 - the edge: told as over HTTP
            await self._refuse(error)
            return
        outbox: Outbox[Told] = Outbox(self._way_out, weight_max=ORDER_EVENTS_MAX)
        async with self._api.tail.order(order_id, outbox):
            past = await self._api.front.feed.of_order(order_id, 0)
            await _tell_life(self._socket, past, outbox, 0)

    async def _take(self, first: First) -> UUID:
        try:
            async with asyncio.timeout(FIRST_MESSAGE_S):
                message = await first
        except TimeoutError:
            raise Problem(408, "request_timeout", "no order came") from None
        await self._api.gate.admit(self._call.owner)
        taken = await take(self._api, self._call, decode(message))
        await self._socket.send(taken.answer.body)
        return taken.order_id

    async def _refuse(self, error: Exception) -> None:
        problem = problem_of(error)
        if problem.status == 500:
            observe.request_failed(EXECUTE, error)
        await self._socket.send(encode(problem.to_json()))
        if problem.is_temporary:
            self._way_out.leave(LATER)
        else:
            self._way_out.leave(FAILED if problem.status == 500 else REFUSED)


class _Streaming:
    """One stream, and how far in the feed it is."""

    def __init__(
        self,
        api: Api,
        socket: Websocket,
        way_out: Exit,
        which: Filter,
        place: Position,
        *,
        is_reset: bool,
    ) -> None:
        self._api = api
        self._socket = socket
        self._which = which
        self._place = place
        self._is_reset = is_reset
        self._outbox: Outbox[Page] = Outbox(way_out, weight_max=STREAM_EVENTS_MAX)
        self._beat_at = 0.0

    async def talk(self, _: First) -> None:
        await self._send(
            encode(
                {
                    "hello": {
                        "epoch": str(self._api.front.journal_id),
                        **self._here(),
                        "reset": self._is_reset,
                        "heartbeatS": HEARTBEAT_S,
                    }
                }
            )
        )
        await self._catch_up()
        async with self._api.tail.stream(self._outbox):
            # What was committed before the tail began to tell us is read; the rest it tells.
            await self._catch_up()
            while True:
                await self._live()

    def bye(self, why: Leaving) -> str:
        """Why the stream ends.

        It names no place: whether the last frame is on its way only its reader will know.
        """
        return encode({"bye": {"reason": why.reason}})

    async def _catch_up(self) -> None:
        """Send all that can be read now, a page at a time, as fast as the client reads."""
        is_more = True
        while is_more:
            events, behind = await self._api.front.feed.read(self._place, PAGE_EVENTS)
            if events:
                await self._tell(self._api.tail.page(events))
                self._place = behind
            is_more = len(events) == PAGE_EVENTS

    async def _live(self) -> None:
        try:
            async with asyncio.timeout_at(self._beat_at):
                page = await self._outbox.get()
        except TimeoutError:
            if not self._outbox:
                self._place = max(self._place, self._api.tail.position)
            await self._send(encode({"heartbeat": self._here()}))
            return
        rest = page.after(self._place)
        if rest is not None:
            await self._tell(rest)
            self._place = rest.last

    async def _tell(self, page: Page) -> None:
        frame = page.frame(self._which)
        if frame is not None:
            await self._send(frame)

    async def _send(self, text: str) -> None:
        await self._socket.send(text)
        self._beat_at = asyncio.get_running_loop().time() + HEARTBEAT_S

    def _here(self) -> dict[str, object]:
        return {"at": instant(self._api.front.now()), "cursor": self._cursor()}

    def _cursor(self) -> str:
        return stream_cursor(self._api.front.journal_id, self._place)

"""The WebSocket view of the stream: the events of many orders, resumable by cursor.

It catches up from the feed, subscribes to the feed tail, catches up once more, and goes on with
the pages of the tail; it skips by feed position what it has sent already: no gap, no duplicate.
"""

from __future__ import annotations

import asyncio

from backend.accounting.pairs import PairName
from backend.api.context import ApiContext
from backend.api.delivery.client_socket import ClientSocket
from backend.api.delivery.event_page import PAGE_EVENTS_MAX, EventFilter, EventPage
from backend.api.delivery.open_sockets import CloseReason, CloseRequest
from backend.api.delivery.outgoing_queue import OutgoingQueue
from backend.api.delivery.price_tail import PriceFrame, StreamQueue
from backend.api.routes.accounting.prices import read_price_pairs
from backend.api.routes.parameters import read_stream_query
from backend.api.sockets.session import FirstMessage, find_socket_caller, run_session
from backend.api.wire.http import Request
from backend.api.wire.json import encode
from backend.domain.access.scopes import Scope
from backend.domain.times import format_time
from backend.store.feed import FeedPosition

BUFFERED_EVENTS_MAX = 20_000
"""Most events that may wait for one stream; beyond that its reader is too slow."""
HEARTBEAT_S = 5.0

STREAM_PATH = "/api/orders/stream"


async def serve_stream_socket(api: ApiContext, request: Request, socket: ClientSocket) -> None:
    """``WS /api/orders/stream``: the events of many orders."""
    event_filter, after = read_stream_query(request, api.stream_cursors)
    pairs = read_price_pairs(request, api.services.tokens)
    caller = find_socket_caller(api, request, Scope.READ)
    with api.open_sockets.register(STREAM_PATH, caller) as close_request:
        head = await api.services.feed.read_head()
        requested = head if after is None else after.position
        is_reset = requested is None or requested > head
        if after is not None and requested is not None:
            is_reset = is_reset or await api.services.orders.archived.has_after(requested.txid)
        start = head if requested is None or is_reset else requested
        await socket.accept()
        session = _StreamSession(
            api,
            socket,
            close_request,
            event_filter,
            pairs,
            start,
            resumed=None if after is None or is_reset else after.text,
            is_reset=is_reset,
        )
        await run_session(socket, close_request, session.run, session.build_bye)


class _StreamSession:
    """One subscriber of the stream with its feed position."""

    def __init__(
        self,
        api: ApiContext,
        socket: ClientSocket,
        close_request: CloseRequest,
        event_filter: EventFilter,
        pairs: frozenset[PairName],
        position: FeedPosition,
        *,
        resumed: str | None,
        is_reset: bool,
    ) -> None:
        self._api = api
        self._socket = socket
        self._event_filter = event_filter
        self._pairs = pairs
        self._position = position
        self._resumed = resumed
        self._is_reset = is_reset
        self._queue: StreamQueue = OutgoingQueue(close_request, weight_max=BUFFERED_EVENTS_MAX)
        self._heartbeat_at = 0.0

    async def run(self, _: FirstMessage) -> None:
        await self._send_frame(
            encode(
                {
                    "hello": {
                        "epoch": str(self._api.services.journal_id),
                        **self._describe_position(self._resumed),
                        "reset": self._is_reset,
                        "heartbeatS": HEARTBEAT_S,
                    }
                }
            )
        )
        await self._catch_up()
        async with (
            self._api.price_tail.subscribe(self._pairs, self._queue),
            self._api.feed_tail.subscribe(self._queue),
        ):
            # Events committed before the subscription took effect are read here; the tail
            # publishes the rest.
            await self._catch_up()
            while True:
                await self._send_next()

    def build_bye(self, reason: CloseReason) -> str:
        """The bye message: why the stream ends.

        It has no cursor: only the reader knows whether the last frame reached it.
        """
        return encode({"bye": {"reason": reason.reason}})

    async def _catch_up(self) -> None:
        """Send everything that can be read now, page by page, as fast as the client reads."""
        past_events = self._api.services.past_events
        has_more = True
        while has_more:
            events, end = await past_events.read_events(self._position, PAGE_EVENTS_MAX)
            if events:
                await self._send_page(self._api.feed_tail.make_page(events))
                self._position = end
            has_more = len(events) == PAGE_EVENTS_MAX

    async def _send_next(self) -> None:
        """Send the next page of the feed tail, or a heartbeat when there is none in time."""
        try:
            async with asyncio.timeout_at(self._heartbeat_at):
                item = await self._queue.get()
        except TimeoutError:
            if not self._queue:
                self._position = max(self._position, self._api.feed_tail.position)
            await self._send_frame(encode({"heartbeat": self._describe_position()}))
            return
        if isinstance(item, PriceFrame):
            await self._socket.send(item.text)  # heartbeats come all the same: they have a cursor
            return
        unsent = item.slice_after(self._position)
        if unsent is not None:
            await self._send_page(unsent)
            self._position = unsent.last_position

    async def _send_page(self, page: EventPage) -> None:
        frame = page.get_frame(self._event_filter)
        if frame is not None:
            await self._send_frame(frame)

    async def _send_frame(self, text: str) -> None:
        await self._socket.send(text)
        self._heartbeat_at = asyncio.get_running_loop().time() + HEARTBEAT_S

    def _describe_position(self, cursor: str | None = None) -> dict[str, object]:
        """The time, and the cursor of the position: a new one, unless it is known."""
        cursor = cursor or self._api.stream_cursors.format(self._position)
        return {"at": format_time(self._api.services.now()), "cursor": cursor}

"""The load client: posts orders over keep-alive connections without an HTTP library.

It shares the cores with the engine that it measures, so it does the minimum: requests are prebuilt
bytes, and only the status, the length and the order ids of a response are parsed.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from backend.domain.errors import Rejected

POST_TIMEOUT_S: Final = 300.0
"""Timeout of all responses of one ``post`` together, in addition to the time of a fixed rate."""
ACCEPTED_STATUS: Final = 202

_CONTENT_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ORDER_ID: Final = re.compile(rb'"orderId":"([^"]+)"')


@dataclass(slots=True)
class PostResults:
    """Response delays and accepted orders of one ``post``. Times are event loop time.

    ``due_at_s`` holds for each order the time at which it was posted, or, with a fixed rate, the
    time at which it should have been.
    """

    started_s: float
    delays_s: list[float] = field(default_factory=list)
    due_at_s: dict[str, float] = field(default_factory=dict)


class HttpConnection(asyncio.Protocol):
    """One keep-alive connection with at most one request in flight."""

    def __init__(
        self,
        on_response: Callable[[HttpConnection, int, bytes], None],
        on_close: Callable[[], None],
    ) -> None:
        self.due_at_s = 0.0
        self._on_response = on_response
        self._on_close = on_close
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def send(self, request: bytes, due_at_s: float) -> None:
        """Send a request; ``due_at_s`` is kept for the response handler."""
        assert self._transport is not None
        self.due_at_s = due_at_s
        self._transport.write(request)

    def close(self) -> None:
        """Close the connection."""
        self._on_close = _ignore_close
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Implements ``asyncio.Protocol``."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Implements ``asyncio.Protocol``; a response is handed on once it is complete."""
        data = self._buffer + data if self._buffer else data
        head = data.find(b"\r\n\r\n")
        length = None if head < 0 else _CONTENT_LENGTH.search(data, 0, head)
        end = len(data) + 1 if length is None else head + 4 + int(length[1])
        if len(data) < end:
            self._buffer = data
            return
        self._buffer = b""
        self._on_response(self, int(data[9:12]), data[head + 4 : end])

    def connection_lost(self, exc: Exception | None) -> None:
        """Implements ``asyncio.Protocol``."""
        self._on_close()


class LoadClient:
    """A pool of keep-alive connections, and a queue of POSTs that wait for an idle one."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._connections: list[HttpConnection] = []
        self._idle_connections: list[HttpConnection] = []
        self._queue: deque[tuple[float | None, bytes]] = deque()
        self._results = PostResults(0.0)
        self._unanswered = 0
        self._done: asyncio.Future[None] = self._loop.create_future()

    async def connect(self, url: str, connections: int) -> None:
        """Open the connections. Raises ``OSError``."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
        for _ in range(connections):
            _, connection = await self._loop.create_connection(
                lambda: HttpConnection(self._handle_response, self._handle_close), host, port
            )
            self._connections.append(connection)
        self._idle_connections = list(self._connections)

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            connection.close()

    async def post(self, requests: Sequence[bytes], rate: float | None = None) -> PostResults:
        """Post all requests and return once each has its response.

        With ``rate`` (per second) the send times are fixed beforehand and delays count from them,
        however late a request was sent; without it, each connection sends its next request as soon
        as it has its response. Raises ``Rejected`` if a response is not 202, ``TimeoutError`` if
        responses do not arrive.
        """
        self._done = self._loop.create_future()
        self._unanswered = len(requests)
        self._results = results = PostResults(self._loop.time())
        async with asyncio.timeout(POST_TIMEOUT_S + len(requests) / (rate or 100.0)):
            if rate is None:
                self._queue.extend((None, request) for request in requests)
                self._send_queued()
            else:
                await self._enqueue_at_rate(requests, rate)
            await self._done
        return results

    async def _enqueue_at_rate(self, requests: Sequence[bytes], rate: float) -> None:
        started_s = self._loop.time()
        for number, request in enumerate(requests):
            scheduled_s = started_s + number / rate
            if (wait_s := scheduled_s - self._loop.time()) > 0:
                await asyncio.sleep(wait_s)
            self._queue.append((scheduled_s, request))
            self._send_queued()

    def _send_queued(self) -> None:
        while self._queue and self._idle_connections:
            scheduled_s, request = self._queue.popleft()
            due_at_s = self._loop.time() if scheduled_s is None else scheduled_s
            self._idle_connections.pop().send(request, due_at_s)

    def _handle_response(self, connection: HttpConnection, status: int, body: bytes) -> None:
        if status != ACCEPTED_STATUS:
            self._fail(f"the API responded {status}: {body[:300].decode(errors='replace')}")
            return
        results = self._results
        results.delays_s.append(self._loop.time() - connection.due_at_s)
        for order_id in _ORDER_ID.findall(body):
            results.due_at_s[order_id.decode()] = connection.due_at_s
        self._idle_connections.append(connection)
        self._send_queued()
        self._unanswered -= 1
        if not self._unanswered and not self._done.done():
            self._done.set_result(None)

    def _handle_close(self) -> None:
        self._fail("the API closed a connection")

    def _fail(self, reason: str) -> None:
        self._queue.clear()
        if not self._done.done():
            self._done.set_exception(Rejected("post_failed", reason))


@asynccontextmanager
async def open_load_client(url: str, connections: int) -> AsyncIterator[LoadClient]:
    """Connect a load client to the API at ``url``."""
    client = LoadClient()
    try:
        await client.connect(url, connections)
        yield client
    finally:
        client.close()


def _ignore_close() -> None:
    pass

"""The client that loads the engine: keep-alive connections without an HTTP library.

It runs on the cores that it measures, so it does only what is needed: requests are bytes that
were made before, and of an answer the status, the length and the order ids are looked at.
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

POST_S_MAX: Final = 300.0
"""How long all answers to one ``post`` may take together, apart from a fixed rate's own time."""
ACCEPTED: Final = 202

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ORDER_ID: Final = re.compile(rb'"orderId":"([^"]+)"')


@dataclass(slots=True)
class Answers:
    """What became of some POSTs. Times are those of the event loop.

    ``since`` is when each order was posted, or should have been where a rate was given.
    """

    first_s: float
    delays_s: list[float] = field(default_factory=list)
    since: dict[str, float] = field(default_factory=dict)


class Wire(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(
        self, answered: Callable[[Wire, int, bytes], None], lost: Callable[[], None]
    ) -> None:
        self.since = 0.0
        self._answered = answered
        self._lost = lost
        self._read = b""
        self._transport: asyncio.Transport | None = None

    def send(self, request: bytes, since: float) -> None:
        """Send a request; ``since`` is kept for whoever takes the answer."""
        assert self._transport is not None
        self.since = since
        self._transport.write(request)

    def close(self) -> None:
        """End the connection."""
        self._lost = _nothing
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio has it."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """As asyncio has it; an answer is passed on once it is whole."""
        data = self._read + data if self._read else data
        head = data.find(b"\r\n\r\n")
        length = None if head < 0 else _LENGTH.search(data, 0, head)
        end = len(data) + 1 if length is None else head + 4 + int(length[1])
        if len(data) < end:
            self._read = data
            return
        self._read = b""
        self._answered(self, int(data[9:12]), data[head + 4 : end])

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio has it."""
        self._lost()


class Client:
    """Some connections that are kept, and the POSTs that wait for one of them."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._wires: list[Wire] = []
        self._idle: list[Wire] = []
        self._waiting: deque[tuple[float | None, bytes]] = deque()
        self._answers = Answers(0.0)
        self._left = 0
        self._done: asyncio.Future[None] = self._loop.create_future()

    async def connect(self, url: str, connections: int) -> None:
        """Open the connections. Raises ``OSError``."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
        for _ in range(connections):
            _, wire = await self._loop.create_connection(
                lambda: Wire(self._answered, self._lost), host, port
            )
            self._wires.append(wire)
        self._idle = list(self._wires)

    def close(self) -> None:
        """End the connections."""
        for wire in self._wires:
            wire.close()

    async def post(self, requests: Sequence[bytes], rate: float | None = None) -> Answers:
        """Post all of these and return when each is answered.

        At ``rate`` a second their times are fixed before, and delays count from there, however
        late they were sent; without it each connection posts as soon as it was answered. Raises
        ``Rejected`` if one is not answered 202, ``TimeoutError`` if answers stay away.
        """
        self._done = self._loop.create_future()
        self._left = len(requests)
        self._answers = answers = Answers(self._loop.time())
        async with asyncio.timeout(POST_S_MAX + len(requests) / (rate or 100.0)):
            if rate is None:
                self._waiting.extend((None, request) for request in requests)
                self._send_waiting()
            else:
                await self._offer(requests, rate)
            await self._done
        return answers

    async def _offer(self, requests: Sequence[bytes], rate: float) -> None:
        start = self._loop.time()
        for number, request in enumerate(requests):
            scheduled = start + number / rate
            if (early_s := scheduled - self._loop.time()) > 0:
                await asyncio.sleep(early_s)
            self._waiting.append((scheduled, request))
            self._send_waiting()

    def _send_waiting(self) -> None:
        while self._waiting and self._idle:
            scheduled, request = self._waiting.popleft()
            self._idle.pop().send(request, self._loop.time() if scheduled is None else scheduled)

    def _answered(self, wire: Wire, status: int, body: bytes) -> None:
        if status != ACCEPTED:
            self._fail(f"the API answered {status}: {body[:300].decode(errors='replace')}")
            return
        answers = self._answers
        answers.delays_s.append(self._loop.time() - wire.since)
        for order_id in _ORDER_ID.findall(body):
            answers.since[order_id.decode()] = wire.since
        self._idle.append(wire)
        self._send_waiting()
        self._left -= 1
        if not self._left and not self._done.done():
            self._done.set_result(None)

    def _lost(self) -> None:
        self._fail("the API closed a connection")

    def _fail(self, reason: str) -> None:
        self._waiting.clear()
        if not self._done.done():
            self._done.set_exception(Rejected("post_failed", reason))


@asynccontextmanager
async def connected(url: str, connections: int) -> AsyncIterator[Client]:
    """A client of the API at ``url``."""
    client = Client()
    try:
        await client.connect(url, connections)
        yield client
    finally:
        client.close()


def _nothing() -> None:
    pass

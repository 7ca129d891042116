"""The API as a client sees it: a real server on a free port, and orders that are really driven.

``Driver`` stands where a worker would: it takes leases and records transitions through the same
store, so that nothing of what the API tells is made up.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit
from uuid import UUID

import aiohttp
from redis.asyncio import Redis

from backend.api.server.process import serve
from backend.config import Settings
from backend.domain.lifecycle import Happening, advance
from backend.domain.orders import Held, Signed
from backend.domain.quotes import Dex
from backend.domain.tokens import Tokens
from backend.runtime.notifier import Bell, channel
from backend.store.database import connect
from backend.store.feed import Feed
from backend.store.journal import Journal, Transition
from backend.store.leases import Leases
from tests.integration.stores import LONG

NO_NODE = "http://127.0.0.1:9"
"""A port that nobody listens on."""
ORDER: Mapping[str, Any] = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1.5"}
WAIT_S = 30

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Api:
    """A running API, and a client of it."""

    session: aiohttp.ClientSession
    url: str
    stop: asyncio.Event

    async def get(self, path: str, status: int = 200) -> Json:
        async with self.session.get(path) as response:
            assert response.status == status, await response.text()
            return dict(await response.json(content_type=None))

    async def post(
        self, path: str, body: object, status: int = 202, headers: Mapping[str, str] | None = None
    ) -> Json:
        async with self.session.post(path, json=body, headers=headers) as response:
            assert response.status == status, await response.text()
            return dict(await response.json(content_type=None))

    async def order(self, **fields: object) -> UUID:
        """The id of a new order."""
        answer = await self.post("/api/orders/execute", {**ORDER, **fields})
        return UUID(answer["orderId"])

    def follow(self, order_id: UUID, after: int = 0) -> Any:
        """The socket of one order, as a context manager."""
        return self.session.ws_connect(f"/api/orders/upgrade/{order_id}?after={after}")

    def stream(self, **parameters: str) -> Any:
        """The stream, as a context manager."""
        return self.session.ws_connect("/api/orders/stream", params=parameters)


@asynccontextmanager
async def open_api(database_url: str, redis_url: str, **given: object) -> AsyncIterator[Api]:
    """A running API on a free port; everything it opened is closed in the end."""
    settings = Settings.load(
        **{
            "database_url": database_url,
            "redis_url": redis_url,
            "solana_rpc_url": NO_NODE,
            "port": 0,
            **given,
        }
    )
    async with served(settings) as api:
        yield api


@asynccontextmanager
async def served(settings: Settings, listening: socket.socket | None = None) -> AsyncIterator[Api]:
    """A running API with these settings, on a socket that is open already if one is given."""
    stop = asyncio.Event()
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(settings, ready=url.set_result, stop=stop, listening=listening))
        try:
            async with asyncio.timeout(WAIT_S):
                address = await url
            async with aiohttp.ClientSession(address) as session:
                yield Api(session, address, stop)
        finally:
            stop.set()


class Driver:
    """Moves orders as a worker does, and rings as a worker does."""

    def __init__(self, leases: Leases, journal: Journal) -> None:
        self._leases = leases
        self._journal = journal

    async def claim(self, order_id: UUID) -> Held:
        held = await self._leases.claim(order_id)
        assert held is not None
        return held

    async def route(self, held: Held, dex: Dex = Dex.RAYDIUM) -> Held:
        quote = {
            "dex": dex.value,
            "price": "100",
            "fee": "0.003",
            "amountOut": "150",
            "priceImpact": "0",
        }
        data = (
            f'{{"dex":"{dex}","quotes":[{str(quote).replace(chr(39), chr(34))}],'
            '"minAmountOut":"149"}'
        )
        return await self._record(held, Happening.ROUTED, data, dex=dex, route=data)

    async def sign(self, held: Held) -> Held:
        signed = Signed(f"signature-{held.attempt}", b"bytes", 1234)
        return await self._record(
            held, Happening.SIGNED, f'{{"txHash":"{signed.signature}"}}', signed=signed
        )

    async def land(self, held: Held) -> Held:
        data = (
            '{"dex":"raydium","executedPrice":"100","amountOut":"150","slot":7,'
            f'"txHash":"signature-{held.attempt}"}}'
        )
        return await self._record(
            held, Happening.LANDED, data, amount_out=150_000_000, executed_price="100.50"
        )

    async def fail(self, held: Held) -> Held:
        data = '{"code":"no_pool","reason":"raydium has no pool of these tokens"}'
        return await self._record(
            held, Happening.REJECTED, data, last_error="no_pool: raydium has no pool"
        )

    async def retry(self, held: Held) -> Held:
        data = '{"code":"venue_timeout","reason":"nobody answered","waitMs":0}'
        await self._record(held, Happening.TRANSIENT, data, last_error="x: y", wait_ms=0)
        return await self.claim(held.id)

    async def confirm(self, order_id: UUID) -> None:
        """The whole life of an order that nobody disturbs: five events with the first."""
        held = await self.claim(order_id)
        for step in (self.route, self.sign, self.land):
            held = await step(held)

    async def _record(self, held: Held, what: Happening, data: str, **facts: Any) -> Held:
        step = advance(held.status, held.attempt, what)
        await self._journal.record(Transition(held, step, data, **facts))
        return replace(
            held,
            status=step.status,
            seq=held.seq + 1,
            attempt=step.attempt,
            dex=facts.get("dex", held.dex),
            signed=facts.get("signed"),
        )


@asynccontextmanager
async def open_driver(database_url: str, redis_url: str) -> AsyncIterator[Driver]:
    """A worker's hands over the same database and Redis."""
    async with connect(database_url, connections_max=3) as pool, Redis.from_url(redis_url) as redis:
        bell = Bell(redis, channel(await Feed(pool).journal_id()))
        leases = Leases(pool, terms=LONG, tokens=Tokens(), committed=bell.ring)
        journal = Journal(pool, terms=LONG, committed=bell.ring)
        async with asyncio.TaskGroup() as tasks:
            runs = [tasks.create_task(run()) for run in (bell.run, leases.run, journal.run)]
            try:
                yield Driver(leases, journal)
            finally:
                for run in runs:
                    run.cancel()


async def events(
    web_socket: aiohttp.ClientWebSocketResponse, count: int | None = None, *, code: int = 1000
) -> list[Json]:
    """The next events of one order's socket: so many, or all until it is closed with ``code``."""
    found: list[Json] = []
    async with asyncio.timeout(WAIT_S):
        while count is None or len(found) < count:
            message = await web_socket.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                # Not the socket's own code: that tells whether our answer still reached the server.
                assert (count, message.data) == (None, code), f"{message} after {found}"
                break
            found.append(message.json())
    return found


async def hello(web_socket: aiohttp.ClientWebSocketResponse) -> Json:
    """The first frame of a stream."""
    async with asyncio.timeout(WAIT_S):
        return dict((await web_socket.receive_json())["hello"])


async def streamed(
    web_socket: aiohttp.ClientWebSocketResponse, is_enough: Callable[[list[Json]], bool]
) -> list[Json]:
    """The events of a stream's next frames, until there are enough."""
    found: list[Json] = []
    async with asyncio.timeout(WAIT_S):
        while not is_enough(found):
            frame = await web_socket.receive_json()
            if isinstance(frame, list):
                found += frame
    return found


def at_least(count: int) -> Callable[[list[Json]], bool]:
    return lambda found: len(found) >= count


class Wire:
    """The way to a database, which can be cut and mended."""

    def __init__(self, url: str, folder: Path) -> None:
        parts = urlsplit(url)
        [host] = parse_qs(parts.query)["host"]
        self._target = next(Path(host).glob(".s.PGSQL.*[0-9]"))
        self._path = folder / self._target.name
        query = f"host={quote(str(folder))}"
        self.url = urlunsplit(parts._replace(query=query))
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def mend(self) -> None:
        self._server = await asyncio.start_unix_server(self._relay, self._path)

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        self._path.unlink(missing_ok=True)
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self._target)
        both = {writer, back}
        self._writers |= both
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_copy(reader, back))
            tasks.create_task(_copy(there, writer))
        self._writers -= both


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def cuttable(database_url: str, folder: Path) -> AsyncIterator[Wire]:
    wire = Wire(database_url, folder)
    await wire.mend()
    try:
        yield wire
    finally:
        await wire.cut()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Waits until ``condition`` holds, where nothing tells of it."""
    async with asyncio.timeout(WAIT_S):
        while not await condition():
            await asyncio.sleep(0.01)

"""A real API server with a client, and a driver that moves orders as a worker does.

``OrderDriver`` takes leases and records transitions through the same store as a worker, so that
the API serves real events.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import aiohttp
from redis.asyncio import Redis

from backend.api.server.process import serve_api
from backend.config import Settings
from backend.domain.groups.children import build_children
from backend.domain.lifecycle import Cause, advance
from backend.domain.orders import LeasedOrder, SignedTransaction
from backend.domain.quotes import Dex
from backend.domain.tokens import TokenRegistry
from backend.runtime.commit_notifications import CommitNotifier, channel_name
from backend.store.database import open_pool
from backend.store.feed import Feed
from backend.store.journal import Journal
from backend.store.leases import LeaseStore
from backend.store.transitions import LeaseLost, Transition
from tests.integration.stores import LONG_LEASES

UNREACHABLE_NODE = "http://127.0.0.1:9"
"""The URL of a port that nothing listens on."""
ORDER: Mapping[str, Any] = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1.5"}
WAIT_S = 30

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunningApi:
    """A running API, and a client of it."""

    session: aiohttp.ClientSession
    url: str
    stop: asyncio.Event
    force_stop: asyncio.Event
    """Ends the time in which a stopping API still takes orders."""

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

    async def place_order(self, **fields: object) -> UUID:
        """Place an order; return its id."""
        response = await self.post("/api/orders/execute", {**ORDER, **fields})
        return UUID(response["orderId"])

    async def count_stored(self) -> int:
        """How many orders are stored, 1,000 at most: at this moment, which statistics are not."""
        return len((await self.get("/api/orders?limit=1000"))["orders"])

    def open_order_socket(self, order_id: UUID, after: int = 0) -> Any:
        """The socket of one order, as a context manager."""
        return self.session.ws_connect(f"/api/orders/upgrade/{order_id}?after={after}")

    def open_stream(self, **parameters: str) -> Any:
        """The stream, as a context manager."""
        return self.session.ws_connect("/api/orders/stream", params=parameters)


@asynccontextmanager
async def open_api(
    database_url: str, redis_url: str, **overrides: object
) -> AsyncIterator[RunningApi]:
    """A running API on a free port; everything it opened is closed in the end."""
    settings = Settings.load(
        **{
            "database_url": database_url,
            "redis_url": redis_url,
            "solana_rpc_url": UNREACHABLE_NODE,
            "port": 0,
            **overrides,
        }
    )
    async with run_api(settings) as api:
        yield api


@asynccontextmanager
async def run_api(
    settings: Settings, listener: socket.socket | None = None
) -> AsyncIterator[RunningApi]:
    """A running API with these settings, on a free port or on an open listening socket."""
    stop, force_stop = asyncio.Event(), asyncio.Event()
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(
            serve_api(
                settings,
                on_ready=url.set_result,
                stop=stop,
                force_stop=force_stop,
                listeners=() if listener is None else (listener,),
            )
        )
        try:
            async with asyncio.timeout(WAIT_S):
                address = await url
            async with aiohttp.ClientSession(address) as session:
                yield RunningApi(session, address, stop, force_stop)
        finally:
            stop.set()
            force_stop.set()


class OrderDriver:
    """Moves orders and sends commit notifications as a worker does."""

    def __init__(self, leases: LeaseStore, journal: Journal) -> None:
        self._leases = leases
        self._journal = journal

    async def claim(self, order_id: UUID) -> LeasedOrder:
        leased = await self._leases.claim(order_id)
        assert leased is not None
        return leased

    async def route(self, leased: LeasedOrder, dex: Dex = Dex.RAYDIUM) -> LeasedOrder:
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
        return await self._record(leased, Cause.ROUTED, data, dex=dex, route=data)

    async def sign(self, leased: LeasedOrder) -> LeasedOrder:
        signed = SignedTransaction(f"signature-{leased.attempt}", b"bytes", 1234)
        return await self._record(
            leased, Cause.SIGNED, f'{{"txHash":"{signed.signature}"}}', signed=signed
        )

    async def land(self, leased: LeasedOrder) -> LeasedOrder:
        data = (
            '{"dex":"raydium","executedPrice":"100","amountOut":"150","slot":7,'
            f'"txHash":"signature-{leased.attempt}"}}'
        )
        received = 150_000_000
        return await self._record(
            leased,
            Cause.LANDED,
            data,
            amount_out=received,
            executed_price="100.50",
            children=build_children(leased.id, leased.terms, leased.bracket, received),
        )

    async def fail(self, leased: LeasedOrder) -> LeasedOrder:
        data = '{"code":"no_pool","reason":"raydium has no pool of these tokens"}'
        return await self._record(
            leased, Cause.REJECTED, data, last_error="no_pool: raydium has no pool"
        )

    async def lose(self, leased: LeasedOrder) -> bool:
        """Try the next step of a routed order; returns whether the lease was lost."""
        try:
            await self.sign(leased)
        except LeaseLost:
            return True
        return False

    async def retry(self, leased: LeasedOrder) -> LeasedOrder:
        data = '{"code":"venue_timeout","reason":"nobody answered","waitMs":0}'
        await self._record(leased, Cause.TRANSIENT, data, last_error="x: y", wait_ms=0)
        return await self.claim(leased.id)

    async def confirm(self, order_id: UUID) -> None:
        """Execute an order without a failure: five events, with the one of its placement."""
        leased = await self.claim(order_id)
        for step in (self.route, self.sign, self.land):
            leased = await step(leased)

    async def _record(
        self, leased: LeasedOrder, cause: Cause, data: str, **changes: Any
    ) -> LeasedOrder:
        step = advance(leased.status, leased.attempt, cause)
        await self._journal.record(Transition(leased, step, data, **changes))
        return replace(
            leased,
            status=step.status,
            seq=leased.seq + 1,
            attempt=step.attempt,
            dex=changes.get("dex", leased.dex),
            signed=changes.get("signed"),
        )


@asynccontextmanager
async def open_driver(database_url: str, redis_url: str) -> AsyncIterator[OrderDriver]:
    """An order driver on the same database and Redis as the API."""
    async with (
        open_pool(database_url, connections_max=3) as pool,
        Redis.from_url(redis_url) as redis,
    ):
        notifier = CommitNotifier(redis, channel_name(await Feed(pool).read_journal_id()))
        leases = LeaseStore(
            pool, policy=LONG_LEASES, tokens=TokenRegistry(), on_commit=notifier.notify
        )
        journal = Journal(pool, policy=LONG_LEASES, on_commit=notifier.notify)
        async with asyncio.TaskGroup() as tasks:
            runs = [tasks.create_task(run()) for run in (notifier.run, leases.run, journal.run)]
            try:
                yield OrderDriver(leases, journal)
            finally:
                for run in runs:
                    run.cancel()


async def receive_events(
    web_socket: aiohttp.ClientWebSocketResponse, count: int | None = None, *, code: int = 1000
) -> list[Json]:
    """The next events of an order's socket: ``count``, or all until it is closed with ``code``."""
    events: list[Json] = []
    async with asyncio.timeout(WAIT_S):
        while count is None or len(events) < count:
            message = await web_socket.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                # Not ``close_code``: that depends on whether our close frame reached the server.
                assert (count, message.data) == (None, code), f"{message} after {events}"
                break
            events.append(message.json())
    return events


async def receive_hello(web_socket: aiohttp.ClientWebSocketResponse) -> Json:
    """The first frame of a stream."""
    async with asyncio.timeout(WAIT_S):
        return dict((await web_socket.receive_json())["hello"])


async def receive_stream(
    web_socket: aiohttp.ClientWebSocketResponse, is_enough: Callable[[list[Json]], bool]
) -> list[Json]:
    """The events of the stream's next frames, until there are enough."""
    events: list[Json] = []
    async with asyncio.timeout(WAIT_S):
        while not is_enough(events):
            frame = await web_socket.receive_json()
            if isinstance(frame, list):
                events += frame
    return events


def has_at_least(count: int) -> Callable[[list[Json]], bool]:
    return lambda events: len(events) >= count


async def wait_until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Poll until ``condition`` holds."""
    async with asyncio.timeout(WAIT_S):
        while not await condition():
            await asyncio.sleep(0.01)

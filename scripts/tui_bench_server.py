"""A server that speaks the part of the API that a dashboard reads, under a chosen load."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, cycle
from time import monotonic, time_ns

from aiohttp import ClientConnectionResetError, web

FRAME_S = 0.05
_LAG = 200
"""Orders that come between two transitions of one."""
_SIGNATURE = "5VxT9kQe" * 11

Event = dict[str, object]


def now() -> str:
    """The time as it is on the wire."""
    at = datetime.fromtimestamp(time_ns() / 1e9, tz=UTC)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def quotes(n: int) -> dict[str, object]:
    """What `building` knows: two quotes and the one that is chosen."""
    offers = {"raydium": f"142.{n % 9973:04d}", "meteora": f"142.{n * 7 % 9973:04d}"}
    return {
        "dex": max(offers, key=lambda dex: offers[dex]),
        "quotes": [
            {
                "dex": dex,
                "price": price,
                "fee": "0.003",
                "amountOut": price,
                "priceImpact": "0.0006",
            }
            for dex, price in offers.items()
        ],
        "minAmountOut": "141.5",
    }


@dataclass(slots=True)
class Order:
    """An order of the server's."""

    number: int
    seq: int = 1
    status: str = "pending"

    @property
    def id(self) -> str:
        """Ids rise with time, as real ones do."""
        return f"01a1ff18-0000-7000-8000-{self.number:012x}"

    def event(self, status: str) -> Event:
        """Go on to a status."""
        self.seq, self.status = self.seq + 1, status
        facts: dict[str, object] = {}
        if status == "building":
            facts = quotes(self.number + self.seq)
        elif status in {"submitted", "confirmed"}:
            facts = {"txHash": _SIGNATURE}
        if status == "confirmed":
            facts |= {"dex": "raydium", "executedPrice": "142.1", "amountOut": "142.1", "slot": 7}
        return {
            "orderId": self.id,
            "seq": self.seq,
            "status": status,
            "at": now(),
            "attempt": 1,
            **facts,
        }

    def created(self) -> Event:
        """The first transition."""
        return {
            "orderId": self.id,
            "seq": 1,
            "status": "pending",
            "at": now(),
            "attempt": 1,
            **_TERMS,
        }

    def stored(self) -> dict[str, object]:
        """As a list shows it."""
        route = quotes(self.number)
        is_done = self.status == "confirmed"
        return {
            "orderId": self.id,
            "clientOrderId": None,
            "batchId": None,
            "minAmountOut": None,
            **_TERMS,
            "status": self.status,
            "seq": self.seq,
            "attempts": 1,
            "dex": route["dex"],
            "route": route,
            "txHash": _SIGNATURE if is_done else None,
            "amountOut": "142.1001" if is_done else None,
            "executedPrice": "142.1001" if is_done else None,
            "lastError": None,
            "nextAttemptAt": None,
            "createdAt": now(),
            "updatedAt": now(),
        }


_TERMS = {
    "type": "market",
    "tokenIn": "SOL",
    "tokenOut": "USDC",
    "amountIn": "1.25",
    "slippageBps": 50,
}


@dataclass(slots=True)
class Load:
    """What the server does: how many rows there are, and how many transitions a second."""

    name: str
    rows: int
    rate: int
    sent: int = 0

    def batches(self) -> Iterator[list[Event]]:
        """The transitions of a twentieth of a second, again and again."""
        size = max(round(self.rate * FRAME_S), 1)
        events = self._updates() if self.name == "updates" else self._arrivals()
        while True:
            yield [next(events) for _ in range(size)]

    def orders(self) -> list[Order]:
        """What is stored at the start."""
        status, seq = ("routing", 2) if self.name == "updates" else ("confirmed", 5)
        return [Order(number, seq, status) for number in range(1, self.rows + 1)]

    def _updates(self) -> Iterator[Event]:
        orders = self.orders()
        steps = {"routing": "building", "building": "submitted", "submitted": "routing"}
        for at in cycle(range(len(orders))):
            order = orders[at * 7919 % len(orders)]
            yield order.event(steps[order.status])

    def _arrivals(self) -> Iterator[Event]:
        going: deque[Order] = deque()
        for number in count(self.rows + 1):
            going.append(Order(number))
            yield going[-1].created()
            for lag, status in enumerate(("routing", "building", "submitted", "confirmed"), 1):
                if len(going) > lag * _LAG:
                    yield going[-1 - lag * _LAG].event(status)
            if len(going) > 4 * _LAG:
                going.popleft()


def server(load: Load) -> web.Application:
    """The part of the API that a dashboard reads."""
    stored = load.orders()

    async def orders(request: web.Request) -> web.Response:
        end = int(request.query.get("cursor", len(stored)))
        start = max(end - int(request.query["limit"]), 0)
        page = [order.stored() for order in reversed(stored[start:end])]
        return web.json_response({"orders": page, "next": str(start) if start else None})

    async def stats(_: web.Request) -> web.Response:
        total = len(stored)
        body = {"at": now(), "cursor": "0", "total": total, "open": 0, "byStatus": {}}
        return web.json_response(body)

    async def stream(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        hello = {"epoch": "e", "cursor": "0", "at": now(), "reset": False, "heartbeatS": 5}
        await socket.send_json({"hello": hello})
        await _pump(socket, load)
        return socket

    app = web.Application()
    app.router.add_get("/api/orders", orders)
    app.router.add_get("/api/stats", stats)
    app.router.add_get("/api/orders/stream", stream)
    return app


async def _pump(socket: web.WebSocketResponse, load: Load) -> None:
    began, frames = monotonic(), load.batches()
    for number in count():
        if socket.closed:
            return
        events = next(frames) if load.rate else []
        try:
            if events:
                events[-1]["cursor"] = str(number)
                await socket.send_str(json.dumps(events, separators=(",", ":")))
                load.sent += len(events)
            elif number % 80 == 0:
                await socket.send_json({"heartbeat": {"at": now(), "cursor": str(number)}})
        except ClientConnectionResetError:
            return
        await asyncio.sleep(max(began + number * FRAME_S - monotonic(), 0))


@asynccontextmanager
async def serving(load: Load) -> AsyncIterator[str]:
    """A server on a free port."""
    runner = web.AppRunner(server(load), shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()

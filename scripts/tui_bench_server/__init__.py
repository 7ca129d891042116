"""A server that implements the part of the API that a dashboard reads, under a chosen load."""

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

from tui_bench_server.views import add_view_routes

FRAME_S = 0.05
_ORDERS_BETWEEN_TRANSITIONS = 200
"""How many newer orders are created between two transitions of one order."""
_SIGNATURE = "5VxT9kQe" * 11

Event = dict[str, object]


def format_now() -> str:
    """Format the present time as the API does."""
    now = datetime.fromtimestamp(time_ns() / 1e9, tz=UTC)
    return now.isoformat(timespec="microseconds").replace("+00:00", "Z")


def build_route(n: int, pools: int = 0) -> dict[str, object]:
    """Build the route that a `building` event has: two quotes and the chosen venue.

    With ``pools`` it has that many quotes of pools, and is split over the best two.
    """
    if pools:
        return _build_split(n, pools)
    offers = {"raydium": f"142.{n % 9973:04d}", "meteora": f"142.{n * 7 % 9973:04d}"}
    return {
        "dex": max(offers, key=lambda dex: offers[dex]),
        "quotes": [{"dex": dex, **_quote(price)} for dex, price in offers.items()],
        "minAmountOut": "141.5",
    }


def _quote(price: str) -> dict[str, object]:
    return {"price": price, "fee": "0.003", "amountOut": price, "priceImpact": "0.0006"}


def _build_split(n: int, pools: int) -> dict[str, object]:
    quotes = [
        {
            **dict(zip(("dex", "program"), _PROGRAMS[pool % len(_PROGRAMS)], strict=True)),
            "pool": f"{pool:02d}{_SIGNATURE}"[:44],
            **_quote(f"14{2 - pool % 3}.{n % 9973:04d}"),
        }
        for pool in range(pools)
    ]
    legs = [
        {
            **quote,
            "tokenIn": "SOL",
            "tokenOut": "USDC",
            "amountIn": amount_in,
            "amountOut": amount_out,
            "share": share,
            "minAmountOut": "70",
        }
        for quote, amount_in, amount_out, share in zip(
            quotes, ("0.775", "0.475"), ("88.11", "54.2"), ("0.62", "0.38"), strict=False
        )
    ]
    main = {name: quotes[0][name] for name in ("dex", "program", "pool")}
    gain = {"expectedAmountOut": "142.31", "priceImpact": "0.0004", "improvementBps": "3.1"}
    return {**main, **gain, "legs": legs, "quotes": quotes, "minAmountOut": "141.5"}


_PROGRAMS = (
    ("raydium", "clmm"),
    ("meteora", "dlmm"),
    ("raydium", "cpmm"),
    ("meteora", "damm_v2"),
    ("raydium", "amm_v4"),
)


@dataclass(slots=True)
class Order:
    """An order of the simulated server."""

    number: int
    seq: int = 1
    status: str = "pending"
    pools: int = 0

    @property
    def id(self) -> str:
        """The order's id; ids rise with time, as real ones do."""
        return f"01a1ff18-0000-7000-8000-{self.number:012x}"

    def advance(self, status: str) -> Event:
        """Move to a status and build the event."""
        self.seq, self.status = self.seq + 1, status
        facts: dict[str, object] = {}
        if status == "building":
            facts = build_route(self.number + self.seq, self.pools)
        elif status in {"submitted", "confirmed"}:
            facts = {"txHash": _SIGNATURE}
        if status == "confirmed":
            facts |= {"dex": "raydium", "executedPrice": "142.1", "amountOut": "142.1", "slot": 7}
        return {
            "orderId": self.id,
            "seq": self.seq,
            "status": status,
            "at": format_now(),
            "attempt": 1,
            **facts,
        }

    def first_event(self) -> Event:
        """Build the first event."""
        return {
            "orderId": self.id,
            "seq": 1,
            "status": "pending",
            "at": format_now(),
            "attempt": 1,
            **_TERMS,
        }

    def to_list_entry(self) -> dict[str, object]:
        """Build the order as the list endpoint returns it."""
        route = build_route(self.number, self.pools)
        is_confirmed = self.status == "confirmed"
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
            "txHash": _SIGNATURE if is_confirmed else None,
            "amountOut": "142.1001" if is_confirmed else None,
            "executedPrice": "142.1001" if is_confirmed else None,
            "lastError": None,
            "nextAttemptAt": None,
            "createdAt": format_now(),
            "updatedAt": format_now(),
        }


_TERMS = {
    "type": "market",
    "tokenIn": "SOL",
    "tokenOut": "USDC",
    "amountIn": "1.25",
    "slippageBps": 50,
}


@dataclass(slots=True)
class LoadProfile:
    """The load: how many orders are stored, and how many transitions there are a second.

    ``pools`` is the number of quotes of each route; 0 for two of exchanges.
    """

    name: str
    rows: int
    rate: int
    pools: int = 0
    sent: int = 0

    def generate_batches(self) -> Iterator[list[Event]]:
        """Generate the transitions of each twentieth of a second, without end."""
        size = max(round(self.rate * FRAME_S), 1)
        events = self._generate_updates() if self.name == "updates" else self._generate_arrivals()
        while True:
            yield [next(events) for _ in range(size)]

    def initial_orders(self) -> list[Order]:
        """Build the orders that are stored at the start."""
        status, seq = ("routing", 2) if self.name == "updates" else ("confirmed", 5)
        return [Order(number, seq, status, self.pools) for number in range(1, self.rows + 1)]

    def _generate_updates(self) -> Iterator[Event]:
        orders = self.initial_orders()
        steps = {"routing": "building", "building": "submitted", "submitted": "routing"}
        for number in cycle(range(len(orders))):
            order = orders[number * 7919 % len(orders)]
            yield order.advance(steps[order.status])

    def _generate_arrivals(self) -> Iterator[Event]:
        open_orders: deque[Order] = deque()
        for number in count(self.rows + 1):
            open_orders.append(Order(number, pools=self.pools))
            yield open_orders[-1].first_event()
            for lag, status in enumerate(("routing", "building", "submitted", "confirmed"), 1):
                if len(open_orders) > lag * _ORDERS_BETWEEN_TRANSITIONS:
                    yield open_orders[-1 - lag * _ORDERS_BETWEEN_TRANSITIONS].advance(status)
            if len(open_orders) > 4 * _ORDERS_BETWEEN_TRANSITIONS:
                open_orders.popleft()


def build_app(load: LoadProfile) -> web.Application:
    """Build the part of the API that a dashboard reads."""
    orders = load.initial_orders()

    async def list_orders(request: web.Request) -> web.Response:
        end = int(request.query.get("cursor", len(orders)))
        start = max(end - int(request.query["limit"]), 0)
        page = [order.to_list_entry() for order in reversed(orders[start:end])]
        return web.json_response({"orders": page, "next": str(start) if start else None})

    async def stats(_: web.Request) -> web.Response:
        total = len(orders)
        body = {"at": format_now(), "cursor": "0", "total": total, "open": 0, "byStatus": {}}
        return web.json_response(body)

    async def stream(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        hello = {"epoch": "e", "cursor": "0", "at": format_now(), "reset": False, "heartbeatS": 5}
        await socket.send_json({"hello": hello})
        await _stream_events(socket, load)
        return socket

    app = web.Application()
    app.router.add_get("/api/orders", list_orders)
    app.router.add_get("/api/stats", stats)
    app.router.add_get("/api/orders/stream", stream)
    add_view_routes(app)
    return app


async def _stream_events(socket: web.WebSocketResponse, load: LoadProfile) -> None:
    began_s, frames = monotonic(), load.generate_batches()
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
                await socket.send_json({"heartbeat": {"at": format_now(), "cursor": str(number)}})
        except ClientConnectionResetError:
            return
        await asyncio.sleep(max(began_s + number * FRAME_S - monotonic(), 0))


@asynccontextmanager
async def run_server(load: LoadProfile) -> AsyncIterator[str]:
    """Run the server on a free port; yields its URL."""
    runner = web.AppRunner(build_app(load), shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()

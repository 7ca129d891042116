"""Clients as they should be: they name each request, repeat what was not answered, wait when they
are told to, and follow their orders across broken connections."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import aiohttp

from backend.domain.lifecycle import Status
from backend.trials.chaos.audit import Step

POST_TIMEOUT_S: Final = 10.0
AGAIN_S: Final = 0.1
REPEATED: Final = 0.1
"""The share of requests that are sent again although they were answered."""
IMPOSSIBLE: Final = 0.05
"""The share of orders that no venue can fill."""
FOLLOWED_EVERY: Final = 20
"""Of the orders of a batch, one in so many is followed by itself."""
BROKEN: Final = (aiohttp.ClientError, OSError, TimeoutError)

_PAIRS: Final = (
    ("SOL", "USDC", 20),
    ("USDC", "SOL", 2_000),
    ("JUP", "USDC", 2_000),
    ("USDC", "JUP", 2_000),
    ("BONK", "SOL", 50_000_000),
    ("RAY", "USDC", 1_000),
    ("SOL", "RAY", 20),
)

Json = dict[str, Any]


@dataclass(slots=True)
class Seen:
    """What the clients of a turn were told. ``asked`` is how many orders they wanted."""

    told: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    followed: dict[str, list[Step]] = field(default_factory=dict)
    stream: list[Step] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    asked: int = 0
    errors: int = 0
    """Answers 500 and broken connections, after which the client tried again."""


def order(random: Random) -> Json:
    """The body of an order; a few cannot be filled by anybody."""
    token_in, token_out, amount_max = random.choice(_PAIRS)
    amount = f"{random.uniform(0.001, 1) * amount_max:.5f}"
    body: Json = {
        "tokenIn": token_in,
        "tokenOut": token_out,
        "amount": amount,
        "slippageBps": random.choice((50, 100, 300)),
    }
    if random.random() < IMPOSSIBLE:
        body["minAmountOut"] = "10000000000"
    return body


class Trader:
    """One client of the engine at ``url``."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, name: str, random: Random, seen: Seen
    ) -> None:
        self._session = session
        self._url = url
        self._name = name
        self._random = random
        self._seen = seen
        self._posted = 0

    async def trade(self, orders: int, over_s: float) -> None:
        """Post orders at a steady rate and follow each to its end."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        async with asyncio.TaskGroup() as group:
            for n in range(orders):
                await asyncio.sleep(max(0.0, start + n * over_s / orders - loop.time()))
                body = order(self._random)
                is_repeated = self._random.random() < REPEATED
                group.create_task(self._order(body, self._key(), is_repeated=is_repeated))

    async def trade_at_once(self, orders: int) -> None:
        """Post all orders in one batch, and follow some of them."""
        self._seen.asked += orders
        bodies = [order(self._random) for _ in range(orders)]
        key = self._key()
        answer = await self._post("/api/orders/batch", {"orders": bodies}, key)
        async with asyncio.TaskGroup() as group:
            for place, told in enumerate((answer or {}).get("orders", ())):
                if "orderId" not in told:
                    self._seen.refused.append(json.dumps(told))
                    continue
                order_id = told["orderId"]
                self._seen.told[f"{key}#{place}"].add(order_id)
                if place % FOLLOWED_EVERY == 0:
                    group.create_task(self._follow(order_id, self._socket_url(order_id)))

    def _key(self) -> str:
        self._posted += 1
        return f"{self._name}-{self._posted}"

    async def _order(self, body: Json, key: str, *, is_repeated: bool) -> None:
        self._seen.asked += 1
        answer = await self._execute(body, key)
        if answer is None:
            return
        if is_repeated:
            await self._execute(body, key)
        await self._follow(answer["orderId"], answer["ws_url"])

    async def _execute(self, body: Json, key: str) -> Json | None:
        answer = await self._post("/api/orders/execute", body, key)
        if answer is not None:
            self._seen.told[key].add(answer["orderId"])
        return answer

    async def _post(self, path: str, body: Json, key: str) -> Json | None:
        """The answer 202, however often it has to be asked for; ``None`` if it is refused."""
        while True:
            wait_s = AGAIN_S
            try:
                async with (
                    asyncio.timeout(POST_TIMEOUT_S),
                    self._session.post(
                        self._url + path, json=body, headers={"Idempotency-Key": key}
                    ) as response,
                ):
                    answer: Json = await response.json(content_type=None)
                    if response.status == 202:
                        return answer
                    if response.status in {429, 503}:
                        wait_s = float(response.headers["Retry-After"])
                    elif response.status < 500:
                        self._seen.refused.append(json.dumps(answer))
                        return None
                    else:
                        self._seen.errors += 1
            except BROKEN:
                self._seen.errors += 1
            await asyncio.sleep(wait_s)

    async def _follow(self, order_id: str, ws_url: str) -> None:
        """Watch an order to its end, going on behind the last event after each break."""
        steps = self._seen.followed.setdefault(order_id, [])
        while True:
            try:
                async with self._session.ws_connect(ws_url) as socket:
                    async for message in socket:
                        steps.append(step_of(message.json()))
                if socket.close_code == 1000:
                    return
            except BROKEN:
                pass
            after = steps[-1].seq if steps else 0
            if steps and Status(steps[-1].status).is_end:
                return
            ws_url = self._socket_url(order_id, after)
            await asyncio.sleep(AGAIN_S)

    def _socket_url(self, order_id: str, after: int = 0) -> str:
        return f"{self._url}/api/orders/upgrade/{order_id}?after={after}"


async def watch(
    session: aiohttp.ClientSession, url: str, cursor: str | None, told: list[Step]
) -> None:
    """Follow the stream of everything from a cursor on, until cancelled."""
    while True:
        try:
            params = {} if cursor is None else {"after": cursor}
            async with session.ws_connect(f"{url}/api/orders/stream", params=params) as socket:
                async for message in socket:
                    cursor = _take(message.json(), told) or cursor
        except BROKEN:
            pass
        await asyncio.sleep(AGAIN_S)


def _take(frame: Json | list[Json], told: list[Step]) -> str | None:
    """Note what a frame tells; the cursor behind it, if it names one."""
    if isinstance(frame, list):
        told.extend(step_of(event) for event in frame)
        return str(frame[-1]["cursor"])
    cursor = next(iter(frame.values())).get("cursor")
    return None if cursor is None else str(cursor)


async def cursor_now(session: aiohttp.ClientSession, url: str) -> str:
    """The cursor of everything that comes from now on."""
    async with session.get(f"{url}/api/stats") as response:
        cursor: str = (await response.json())["cursor"]
        return cursor


def step_of(event: Json) -> Step:
    """The transition that an event tells."""
    return Step(event["orderId"], event["seq"], event["status"])

"""Well-behaved clients: idempotency keys, retries, ``Retry-After``, and reconnecting sockets."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import aiohttp

from backend.domain.lifecycle import Status
from backend.trials.audit.history.operations import Action, History, Operation, Sighting
from backend.trials.audit.records import CancelObservations, OrderTransition

POST_TIMEOUT_S: Final = 10.0
RETRY_S: Final = 0.1
RETRY_MAX_S: Final = 2.0
"""A client waits ever longer: many of them would keep busy what has just started again."""
HEARTBEAT_S: Final = 10.0
"""How often a socket asks whether the server is still there: its host may be gone."""
REPEATED_SHARE: Final = 0.1
"""The share of requests that are sent again although they had a response."""
UNFILLABLE_SHARE: Final = 0.05
"""The share of orders that no venue can fill."""
UNFILLABLE_AMOUNT: Final = "10000000000"
"""The minimum amount out of those orders."""
FOLLOW_EVERY: Final = 20
"""Of the orders of a batch, one in so many is followed on a socket of its own."""
EXECUTE_PATH: Final = "/api/orders/execute"
CONNECTION_ERRORS: Final = (aiohttp.ClientError, OSError, TimeoutError)
PROXY_FAILURES: Final = frozenset({502, 504})
"""What a proxy answers, as a page, while the engine behind it does not."""

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
class ClientObservations:
    """What clients observed. ``requested`` counts the orders they tried to place.

    ``unfillable``: the ids of the orders that no venue can fill.
    """

    accepted: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    order_streams: dict[str, list[OrderTransition]] = field(default_factory=dict)
    stream: list[OrderTransition] = field(default_factory=list)
    rejections: list[str] = field(default_factory=list)
    unfillable: set[str] = field(default_factory=set)
    cancels: CancelObservations = field(default_factory=CancelObservations)
    requested: int = 0
    history: History = field(default_factory=History)
    errors: int = 0
    """Responses 500 and broken connections, after which the client retried."""

    def record_event(self, server: str, event: Json) -> OrderTransition:
        """Record an event of an order's stream in the history, and return its transition."""
        transition = parse_event(event)
        self.history.record_event(server, transition)
        return transition

    def record_acceptance(self, key: str, order_id: str, body: Json) -> None:
        """Record that the request with this idempotency key got an order."""
        self.accepted[key].add(order_id)
        if body.get("minAmountOut") == UNFILLABLE_AMOUNT:
            self.unfillable.add(order_id)


def build_order_body(
    random: Random,
    slippages_bps: Sequence[int] = (50, 100, 300),
    unfillable_share: float = UNFILLABLE_SHARE,
) -> Json:
    """Draw the body of an order; a few cannot be filled by any venue."""
    token_in, token_out, amount_max = random.choice(_PAIRS)
    amount = f"{random.uniform(0.001, 1) * amount_max:.5f}"
    body: Json = {
        "tokenIn": token_in,
        "tokenOut": token_out,
        "amount": amount,
        "slippageBps": random.choice(slippages_bps),
    }
    if random.random() < unfillable_share:
        body["minAmountOut"] = UNFILLABLE_AMOUNT
    return body


async def _ignore_order(order_id: str) -> None:
    """Do nothing."""


class TrialClient:
    """One client of the engine at ``url``, which notes what it is told in ``observed``.

    ``beside`` runs beside each order of ``post_steadily`` from its acceptance on.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        name: str,
        random: Random,
        observed: ClientObservations,
        *,
        build_body: Callable[[Random], Json] = build_order_body,
        beside: Callable[[str], Coroutine[Any, Any, None]] = _ignore_order,
    ) -> None:
        self._session = session
        self._url = url
        self._name = name
        self._random = random
        self._observed = observed
        self._build_body = build_body
        self._beside = beside
        self._requests = 0

    async def post_steadily(self, orders: int, duration_s: float) -> None:
        """Post orders at a steady rate and follow each to its end."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        async with asyncio.TaskGroup() as group:
            for n in range(orders):
                await asyncio.sleep(max(0.0, start + n * duration_s / orders - loop.time()))
                body = self._build_body(self._random)
                is_repeated = self._random.random() < REPEATED_SHARE
                group.create_task(
                    self._place_and_follow(body, self._next_key(), is_repeated=is_repeated)
                )

    async def post_batch(self, orders: int) -> None:
        """Post all orders in one batch, and follow some of them."""
        self._observed.requested += orders
        bodies = [self._build_body(self._random) for _ in range(orders)]
        key = self._next_key()
        reply = await self._post_until_accepted("/api/orders/batch", {"orders": bodies}, key)
        async with asyncio.TaskGroup() as group:
            for index, entry in enumerate((reply or {}).get("orders", ())):
                if "orderId" not in entry:
                    self._observed.rejections.append(json.dumps(entry))
                    continue
                order_id = entry["orderId"]
                self._observed.record_acceptance(f"{key}#{index}", order_id, bodies[index])
                if index % FOLLOW_EVERY == 0:
                    group.create_task(self._follow_order(order_id, self._socket_url(order_id)))

    async def place_by_sockets(self, orders: int) -> None:
        """Place each order as the first message of a socket, and follow it there to its end."""
        async with asyncio.TaskGroup() as group:
            for _ in range(orders):
                self._observed.requested += 1
                key = self._next_key()
                body = {**self._build_body(self._random), "clientOrderId": key}
                group.create_task(self._place_by_socket(body, key))

    async def _place_by_socket(self, body: Json, key: str) -> None:
        """Retry until the order is accepted or rejected; then follow it, if accepted."""
        while True:
            try:
                async with self._connect(f"{self._url}{EXECUTE_PATH}") as socket:
                    await socket.send_json(body)
                    reply = await socket.receive_json()
                    if "orderId" in reply:
                        await self._follow_placed(socket, body, key, reply["orderId"])
                        return
                    if reply["status"] < 500 and reply["status"] != 429:
                        self._observed.rejections.append(json.dumps(reply))
                        return
                    self._observed.errors += 1
            except (*CONNECTION_ERRORS, TypeError):  # TypeError: closed instead of a response
                self._observed.errors += 1
            await asyncio.sleep(RETRY_S)

    async def _follow_placed(
        self, socket: aiohttp.ClientWebSocketResponse, body: Json, key: str, order_id: str
    ) -> None:
        """Read an order's events from the socket that placed it; from another if that breaks."""
        self._observed.record_acceptance(key, order_id, body)
        transitions = self._observed.order_streams.setdefault(order_id, [])
        async for event in read_messages(socket):
            transitions.append(self._observed.record_event(self._url, event))
        if socket.close_code != 1000:
            after = transitions[-1].seq if transitions else 0
            await self._follow_order(order_id, self._socket_url(order_id, after))

    def _next_key(self) -> str:
        self._requests += 1
        return f"{self._name}-{self._requests}"

    async def _place_and_follow(self, body: Json, key: str, *, is_repeated: bool) -> None:
        self._observed.requested += 1
        reply = await self._execute(body, key)
        if reply is None:
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beside(reply["orderId"]))
            if is_repeated:
                await self._execute(body, key)
            await self._follow_order(reply["orderId"], reply["ws_url"])

    async def _execute(self, body: Json, key: str) -> Json | None:
        reply = await self._post_until_accepted(EXECUTE_PATH, body, key)
        if reply is not None:
            self._observed.record_acceptance(key, reply["orderId"], body)
        return reply

    async def _post_until_accepted(self, path: str, body: Json, key: str) -> Json | None:
        """Retry until the response is 202; returns its body, or ``None`` if it is a rejection."""
        pause_s = RETRY_S
        while True:
            wait_s, pause_s = pause_s, min(2 * pause_s, RETRY_MAX_S)
            operation = Operation(Action.PLACE, self._name, self._url)
            try:
                with self._observed.history.record(operation):
                    response, reply = await self._post(path, body, key)
                    if response.status == 202:
                        operation.complete(*_see_accepted(reply))
                        return reply
                if response.status in {429, 503}:
                    wait_s = float(response.headers["Retry-After"])
                elif response.status < 500:
                    self._observed.rejections.append(json.dumps(reply))
                    return None
                else:
                    self._observed.errors += 1
            except CONNECTION_ERRORS:
                self._observed.errors += 1
            await asyncio.sleep(wait_s)

    async def _post(self, path: str, body: Json, key: str) -> tuple[aiohttp.ClientResponse, Json]:
        """Send a request once; returns its response and what that says."""
        url, headers = self._url + path, {"Idempotency-Key": key}
        async with (
            asyncio.timeout(POST_TIMEOUT_S),
            self._session.post(url, json=body, headers=headers) as response,
        ):
            if response.status in PROXY_FAILURES:
                response.raise_for_status()
            return response, await response.json(content_type=None)

    async def _follow_order(self, order_id: str, ws_url: str) -> None:
        """Follow an order to its end, resuming behind the last event after each disconnect."""
        transitions = self._observed.order_streams.setdefault(order_id, [])
        pause_s = RETRY_S
        while True:
            try:
                async with self._connect(ws_url) as socket:
                    pause_s = RETRY_S
                    async for event in read_messages(socket):
                        transitions.append(self._observed.record_event(self._url, event))
                if socket.close_code == 1000:
                    return
            except CONNECTION_ERRORS:
                pass
            after = transitions[-1].seq if transitions else 0
            if transitions and Status(transitions[-1].status).is_final:
                return
            ws_url = self._socket_url(order_id, after)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RETRY_MAX_S)

    def _socket_url(self, order_id: str, after: int = 0) -> str:
        return f"{self._url}/api/orders/upgrade/{order_id}?after={after}"

    def _connect(self, url: str) -> AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]:
        return self._session.ws_connect(url, heartbeat=HEARTBEAT_S)


async def read_messages(socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[Any]:
    """Read the messages of a socket until it is closed, also for lack of an answer."""
    async for message in socket:
        if message.type is not aiohttp.WSMsgType.TEXT:
            return
        yield message.json()


def parse_event(event: Json) -> OrderTransition:
    """Parse an event into a transition."""
    return OrderTransition(event["orderId"], event["seq"], event["status"])


def _see_accepted(reply: Json) -> Iterator[Sighting]:
    """The orders that an answer to a placement accepts."""
    for entry in reply.get("orders", (reply,)):
        if "orderId" in entry:
            yield Sighting(entry["orderId"], 1, created_at=entry.get("createdAt"))

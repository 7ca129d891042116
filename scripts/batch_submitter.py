"""Places the orders of a batch and follows them: an example of the API's requests and stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import aiohttp
from batch_orders import InvalidInput, Order
from batch_report import BatchProgress, Json, OrderProgress

STREAM_TIMEOUT_S = 15
"""The stream has a message at least every five seconds; without one for this long it is dead."""
RETRY_DELAY_S = 1.0
FRAME_BYTES_MAX = 16 * 2**20
IDEMPOTENCY_KEY_MAX = 128
REFUSED_STATUSES = frozenset({401, 403})
RETRYABLE_STATUSES = frozenset({429, 503})


class ApiResponse(NamedTuple):
    """A response of the API; ``is_replayed``: it repeats the response to an earlier request."""

    status: int
    body: Json
    is_replayed: bool


class RetryableError(Exception):
    """The request or the stream failed temporarily: retry after ``wait_s``."""

    def __init__(self, wait_s: float = RETRY_DELAY_S) -> None:
        super().__init__()
        self.wait_s = wait_s


class BatchSubmitter:
    """Posts the orders of a batch, and follows all of them on one WebSocket."""

    def __init__(
        self, http: aiohttp.ClientSession, orders: Sequence[Order], batch_key: str
    ) -> None:
        self.progress = BatchProgress(len(orders))
        self._http = http
        self._orders = orders
        self._batch_key = batch_key
        self._client_order_ids = {str(order["clientOrderId"]) for order in orders}
        self._cursor: str | None = None
        self._stream_opened = asyncio.Event()
        self._changed = asyncio.Event()

    async def run(self, *, batch_size: int, concurrency: int) -> None:
        """Post every order, and wait until all that were accepted have ended.

        Raises ``InvalidInput`` if the stream is refused.
        """
        try:
            await self._run(batch_size, concurrency)
        except ExceptionGroup as group:
            refusals, rest = group.split(InvalidInput)
            if refusals is None or rest is not None:
                raise
            raise refusals.exceptions[0] from None

    async def _run(self, batch_size: int, concurrency: int) -> None:
        async with asyncio.TaskGroup() as tasks:
            stream_task = tasks.create_task(self._follow_stream())
            await self._stream_opened.wait()  # from here on no event is missed
            size = max(batch_size, 1)
            starts = range(0, len(self._orders), size)
            chunks = (self._orders[start : start + size] for start in starts)
            async with asyncio.TaskGroup() as senders:
                for _ in range(concurrency):
                    senders.create_task(self._send_chunks(chunks, is_batch=batch_size > 0))
            while self.progress.open_count:
                self._changed.clear()
                await self._changed.wait()
            stream_task.cancel()

    # Placing orders

    async def _send_chunks(self, chunks: Iterator[Sequence[Order]], *, is_batch: bool) -> None:
        for chunk in chunks:  # the senders share one iterator: each takes the next chunk
            await (self._place_batch(chunk) if is_batch else self._place_order(chunk[0]))

    async def _place_order(self, order: Order) -> None:
        """``POST /api/orders/execute``: 202 if the order is stored, 422 if it is invalid."""
        response = await self._post("/api/orders/execute", order, f"one-{order['clientOrderId']}")
        if response.status == 202:
            await self._add_accepted(response.body["orderId"], is_replayed=response.is_replayed)
        else:
            self._add_refused(response.body)

    async def _place_batch(self, chunk: Sequence[Order]) -> None:
        """``POST /api/orders/batch``: ``orders`` of the response has an entry for each order.

        An entry has an id or a problem. The status is 422 if no order was valid, else 202.
        """
        key = f"{self._batch_key}-{len(chunk)}-{chunk[0]['clientOrderId']}"
        response = await self._post("/api/orders/batch", {"orders": chunk}, key)
        entries = response.body.get("orders", [{"problem": response.body}] * len(chunk))
        async with asyncio.TaskGroup() as tasks:
            for entry in entries:
                if "problem" in entry:
                    self._add_refused(entry["problem"])
                else:
                    is_replayed = response.is_replayed or entry.get("replayed", False)
                    tasks.create_task(self._add_accepted(entry["orderId"], is_replayed=is_replayed))

    async def _post(self, path: str, body: Json, key: str) -> ApiResponse:
        """Post with retries on 429, 503, timeouts and connection errors.

        The idempotency key makes the retries safe: the server executes the request once.
        """
        headers = {"Idempotency-Key": key[:IDEMPOTENCY_KEY_MAX]}
        while True:
            try:
                async with self._http.post(path, json=body, headers=headers) as response:
                    return await _read_response(response)
            except RetryableError as error:
                wait_s = error.wait_s
            except (aiohttp.ClientError, TimeoutError, OSError):
                wait_s = RETRY_DELAY_S
            self.progress.retries += 1
            await asyncio.sleep(wait_s)

    async def _add_accepted(self, order_id: str, *, is_replayed: bool) -> None:
        self.progress.accepted += 1
        self.progress.orders.setdefault(order_id, OrderProgress(order_id))
        if is_replayed:  # its events may be older than our stream
            self.progress.replayed += 1
            await self._load_events(order_id)
        self._changed.set()

    def _add_refused(self, problem: Json) -> None:
        self.progress.refused[problem.get("code", "unknown")] += 1

    async def _load_events(self, order_id: str) -> None:
        """``GET /api/orders/<id>/events``: the events of an order so far."""
        while True:
            try:
                async with self._http.get(f"/api/orders/{order_id}/events") as response:
                    self._apply_events((await _read_response(response)).body.get("events", []))
                    return
            except (RetryableError, aiohttp.ClientError, TimeoutError, OSError):
                await asyncio.sleep(RETRY_DELAY_S)

    # Following orders

    async def _follow_stream(self) -> None:
        """``WS /api/orders/stream``: events of all orders; reconnects with the last cursor."""
        while True:
            try:
                await self._read_stream()
            except (RetryableError, aiohttp.ClientError, TimeoutError, OSError) as error:
                if getattr(error, "status", None) in REFUSED_STATUSES:
                    raise InvalidInput(f"the order engine refuses the stream: {error}") from None
                self.progress.reconnects += 1
                await asyncio.sleep(RETRY_DELAY_S)

    async def _read_stream(self) -> None:
        # With a cursor the stream replays the events since; without one it starts from now.
        after = {} if self._cursor is None else {"after": self._cursor}
        async with self._http.ws_connect(
            "/api/orders/stream", params=after, max_msg_size=FRAME_BYTES_MAX
        ) as socket:
            while True:
                async with asyncio.timeout(STREAM_TIMEOUT_S):
                    message = await socket.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    raise RetryableError
                await self._handle_frame(json.loads(message.data))

    async def _handle_frame(self, frame: Json | list[Json]) -> None:
        if isinstance(frame, list):  # events; the last one carries the cursor
            self._cursor = frame[-1]["cursor"]
            self._apply_events(frame)
            return
        [control] = frame.values()  # hello and heartbeat have a cursor, bye has none
        self._cursor = control.get("cursor", self._cursor)
        self._stream_opened.set()
        if control.get("reset"):  # the server has another journal: load each order's events instead
            for order in self.progress.orders.values():
                await self._load_events(order.order_id)

    def _apply_events(self, events: Sequence[Json]) -> None:
        for event in events:
            order_id = event["orderId"]
            if event.get("clientOrderId") in self._client_order_ids:  # only first events have it
                self.progress.orders.setdefault(order_id, OrderProgress(order_id))
            if (order := self.progress.orders.get(order_id)) is not None and order.apply(event):
                self._changed.set()


async def _read_response(response: aiohttp.ClientResponse) -> ApiResponse:
    if response.status in RETRYABLE_STATUSES:
        raise RetryableError(float(response.headers.get("Retry-After", RETRY_DELAY_S)))
    try:
        body = await response.json(content_type=None)
    except ValueError:  # the response of a proxy, not of the engine
        raise RetryableError from None
    return ApiResponse(response.status, body, response.headers.get("Idempotent-Replayed") == "true")


async def check_server(http: aiohttp.ClientSession) -> None:
    """``GET /api/stats``: raises ``InvalidInput`` if no engine responds or the key is wrong."""
    try:
        async with http.get("/api/stats") as raw_response:
            response = await _read_response(raw_response)
    except (RetryableError, aiohttp.ClientError, TimeoutError, OSError) as error:
        raise InvalidInput(f"no order engine answers there ({error})") from None
    if response.status != 200:
        advice = "; set ORDER_ENGINE_API_KEY or use --key-file" if response.status == 401 else ""
        raise InvalidInput(f"the order engine refuses: {response.body.get('detail')}{advice}")

"""Places the orders of a batch and follows them: an example of the API's requests and stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator

import aiohttp

from batch.groups import build_body, split_orders
from batch.orders import InvalidInput, OrderList
from batch.progress import BatchProgress, Json
from batch.server import RETRY_DELAY_S, ApiResponse, RetryableError, read_refusal, read_response

STREAM_TIMEOUT_S = 15
"""The stream has a message at least every five seconds; without one for this long it is dead."""
STREAM_CLOSE_TIMEOUT_S = 0.5
"""How long the server may take to close the stream; nothing depends on it."""
FRAME_BYTES_MAX = 16 * 2**20
IDEMPOTENCY_KEY_MAX = 128
REFUSED_STATUSES = frozenset({401, 403})


class BatchSubmitter:
    """Posts the orders of a batch, and follows all of them on one WebSocket.

    ``on_replay`` is called once, when the API says of the first order that it was placed before.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        orders: OrderList,
        batch_key: str,
        progress: BatchProgress,
        on_replay: Callable[[], None],
    ) -> None:
        self.progress = progress
        self._http = http
        self._orders = orders.orders
        self._batch_key = batch_key
        self._on_replay = on_replay
        self._index_by_name = {order["clientOrderId"]: n for n, order in enumerate(orders.orders)}
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
            chunks = split_orders(self._orders, max(batch_size, 1))
            is_batch = batch_size > 0
            # The first one alone: it says whether this command ran before.
            await self._send_chunk(next(chunks), is_batch=is_batch)
            async with asyncio.TaskGroup() as senders:
                for _ in range(concurrency):
                    senders.create_task(self._send_chunks(chunks, is_batch=is_batch))
            while self.progress.open_count:
                self._changed.clear()
                await self._changed.wait()
            stream_task.cancel()

    # Placing orders

    async def _send_chunks(self, chunks: Iterator[range], *, is_batch: bool) -> None:
        for chunk in chunks:  # the senders share one iterator: each takes the next chunk
            await self._send_chunk(chunk, is_batch=is_batch)

    async def _send_chunk(self, chunk: range, *, is_batch: bool) -> None:
        self.progress.requested += len(chunk)
        is_alone = not is_batch and len(chunk) == 1
        await (self._place_order(chunk[0]) if is_alone else self._place_batch(chunk))

    async def _place_order(self, index: int) -> None:
        """``POST /api/orders/execute``: 202 if the order is stored, 422 if it is invalid."""
        order = self._orders[index]
        body = build_body(order)
        response = await self._post("/api/orders/execute", body, f"one-{order['clientOrderId']}")
        if response.status == 202:
            order_id = response.body["orderId"]
            await self._add_accepted(index, order_id, is_replayed=response.is_replayed)
        else:
            self._add_refused(index, response.body)

    async def _place_batch(self, chunk: range) -> None:
        """``POST /api/orders/batch``: ``orders`` of the response has an entry for each order.

        An entry has an id or a problem. The status is 422 if no order was valid, else 202.
        """
        orders = [build_body(self._orders[index]) for index in chunk]
        key = f"{self._batch_key}-{len(chunk)}-{orders[0]['clientOrderId']}"
        response = await self._post("/api/orders/batch", {"orders": orders}, key)
        entries = response.body.get("orders", [{"problem": response.body}] * len(chunk))
        async with asyncio.TaskGroup() as tasks:
            for index, entry in zip(chunk, entries, strict=True):
                if "problem" in entry:
                    self._add_refused(index, entry["problem"])
                else:
                    is_replayed = response.is_replayed or entry.get("replayed", False)
                    accepted = self._add_accepted(index, entry["orderId"], is_replayed=is_replayed)
                    tasks.create_task(accepted)

    async def _post(self, path: str, body: Json, key: str) -> ApiResponse:
        """Post with retries on 429, 503, timeouts and connection errors.

        The idempotency key makes the retries safe: the server executes the request once.
        """
        headers = {"Idempotency-Key": key[:IDEMPOTENCY_KEY_MAX]}
        while True:
            try:
                async with self._http.post(path, json=body, headers=headers) as response:
                    return await read_response(response)
            except RetryableError as error:
                wait_s = error.wait_s
            except (aiohttp.ClientError, TimeoutError, OSError):
                wait_s = RETRY_DELAY_S
            self.progress.retries += 1
            await asyncio.sleep(wait_s)

    async def _add_accepted(self, index: int, order_id: str, *, is_replayed: bool) -> None:
        self.progress.add_accepted(index, order_id)
        if is_replayed:  # its events may be older than our stream
            self.progress.replayed += 1
            if self.progress.replayed == 1:
                self._on_replay()
            await self._load_events(order_id)
        self._changed.set()

    def _add_refused(self, index: int, problem: Json) -> None:
        self.progress.refusals[index] = read_refusal(problem)

    async def _load_events(self, order_id: str) -> None:
        """``GET /api/orders/<id>/events``: the events of an order so far."""
        while True:
            try:
                async with self._http.get(f"/api/orders/{order_id}/events") as response:
                    self._apply_events((await read_response(response)).body.get("events", []))
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
            "/api/orders/stream",
            params=after,
            max_msg_size=FRAME_BYTES_MAX,
            timeout=aiohttp.ClientWSTimeout(ws_close=STREAM_CLOSE_TIMEOUT_S),
        ) as socket:
            while True:
                async with asyncio.timeout(STREAM_TIMEOUT_S):
                    message = await socket.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    raise RetryableError("the stream has ended")
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
            for order in list(self.progress.orders.values()):
                await self._load_events(order.order_id)

    def _apply_events(self, events: list[Json]) -> None:
        for event in events:
            index = self._index_by_name.get(event.get("clientOrderId", ""))
            if index is not None:  # only first events have it
                self.progress.add_accepted(index, event["orderId"])
            if self.progress.apply(event):
                self._changed.set()

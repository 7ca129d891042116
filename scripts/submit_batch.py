#!/usr/bin/env python3
"""Submits many orders, follows each to its end, and sums up. Also a walk through the API.

    submit_batch.py --count 1000                             # drawn: same seed, same orders
    submit_batch.py --pair SOL/USDC:3 --pair JUP/USDC --amount 0.5..25 --seed 7
    submit_batch.py --file orders.csv --batch-size 500       # by the batch endpoint
    cat orders.jsonl | submit_batch.py --file - --json       # the summary as JSON

Ends with 0 if every order ended as asked (--expect), with 1 if one did not, and with 2 if it
could not be tried. To give the same command again is safe: nothing is placed twice.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import aiohttp
import click
from batch_orders import BadInput, Order, Recipe, amounts, choices, name_all, read
from batch_report import Json, Life, Tally, show, shown
from rich.console import Console

ANSWER_S = 60
SILENCE_S = 15
"""The stream says something at least every five seconds; longer than this, it is gone."""
RETRY_S = 1.0
FRAME_BYTES_MAX = 16 * 2**20
KEY_MAX = 128
TEMPORARY = frozenset({429, 503})


class Answer(NamedTuple):
    """What the API says to a request; a repeat of an earlier one is answered as that was."""

    status: int
    body: Json
    is_repeat: bool


class AgainError(Exception):
    """There is no answer yet: ask again after ``wait_s``."""

    def __init__(self, wait_s: float = RETRY_S) -> None:
        super().__init__()
        self.wait_s = wait_s


class Submission:
    """A batch on its way: it is posted, and followed on one socket."""

    def __init__(self, http: aiohttp.ClientSession, orders: Sequence[Order], run: str) -> None:
        self.tally = Tally(len(orders))
        self._http = http
        self._orders = orders
        self._run = run
        self._names = {str(order["clientOrderId"]) for order in orders}
        self._cursor: str | None = None
        self._listening = asyncio.Event()
        self._news = asyncio.Event()

    async def complete(self, *, batch_size: int, concurrency: int) -> None:
        """Post every order, and wait until all that were accepted have ended."""
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(self._follow())
            await self._listening.wait()  # from here on no event is missed
            size = max(batch_size, 1)
            starts = range(0, len(self._orders), size)
            parts = (self._orders[start : start + size] for start in starts)
            async with asyncio.TaskGroup() as senders:
                for _ in range(concurrency):
                    senders.create_task(self._send(parts, is_batch=batch_size > 0))
            while self.tally.open:
                self._news.clear()
                await self._news.wait()
            following.cancel()

    # Placing orders

    async def _send(self, parts: Iterator[Sequence[Order]], *, is_batch: bool) -> None:
        for part in parts:  # the senders share one iterator: each takes the next part
            await (self._place_batch(part) if is_batch else self._place(part[0]))

    async def _place(self, order: Order) -> None:
        """``POST /api/orders/execute``: 202 when the order is stored, 422 says what is wrong."""
        answer = await self._post("/api/orders/execute", order, f"one-{order['clientOrderId']}")
        if answer.status == 202:
            await self._accepted(answer.body["orderId"], is_repeat=answer.is_repeat)
        else:
            self._refused(answer.body)

    async def _place_batch(self, part: Sequence[Order]) -> None:
        """``POST /api/orders/batch``: each order has its place in ``orders`` of the answer.

        There it has an id or a problem. If none was valid the answer is 422, else 202.
        """
        key = f"{self._run}-{len(part)}-{part[0]['clientOrderId']}"
        answer = await self._post("/api/orders/batch", {"orders": part}, key)
        places = answer.body.get("orders", [{"problem": answer.body}] * len(part))
        async with asyncio.TaskGroup() as tasks:
            for place in places:
                if "problem" in place:
                    self._refused(place["problem"])
                else:
                    is_repeat = answer.is_repeat or place.get("replayed", False)
                    tasks.create_task(self._accepted(place["orderId"], is_repeat=is_repeat))

    async def _post(self, path: str, body: Json, key: str) -> Answer:
        """Post until there is an answer: 429, 503 and silence are none.

        The key names this request: however often it arrives, it is done once.
        """
        headers = {"Idempotency-Key": key[:KEY_MAX]}
        while True:
            try:
                async with self._http.post(path, json=body, headers=headers) as response:
                    return await _read_answer(response)
            except AgainError as again:
                wait_s = again.wait_s
            except (aiohttp.ClientError, TimeoutError, OSError):
                wait_s = RETRY_S
            self.tally.retries += 1
            await asyncio.sleep(wait_s)

    async def _accepted(self, order_id: str, *, is_repeat: bool) -> None:
        self.tally.accepted += 1
        self.tally.lives.setdefault(order_id, Life(order_id))
        if is_repeat:  # its events may be older than our stream
            self.tally.replayed += 1
            await self._catch_up(order_id)
        self._news.set()

    def _refused(self, problem: Json) -> None:
        self.tally.refused[problem.get("code", "unknown")] += 1

    async def _catch_up(self, order_id: str) -> None:
        """``GET /api/orders/<id>/events``: what has happened to an order so far."""
        while True:
            try:
                async with self._http.get(f"/api/orders/{order_id}/events") as response:
                    self._take((await _read_answer(response)).body.get("events", []))
                    return
            except (AgainError, aiohttp.ClientError, TimeoutError, OSError):
                await asyncio.sleep(RETRY_S)

    # Following them

    async def _follow(self) -> None:
        """``WS /api/orders/stream``: all orders on one socket, opened again where it broke."""
        while True:
            try:
                await self._read_stream()
            except (AgainError, aiohttp.ClientError, TimeoutError, OSError):
                self.tally.reconnects += 1
                await asyncio.sleep(RETRY_S)

    async def _read_stream(self) -> None:
        # Behind a cursor the stream tells what happened since; without one, what happens from now.
        after = {} if self._cursor is None else {"after": self._cursor}
        async with self._http.ws_connect(
            "/api/orders/stream", params=after, max_msg_size=FRAME_BYTES_MAX
        ) as socket:
            while True:
                async with asyncio.timeout(SILENCE_S):
                    message = await socket.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    raise AgainError
                await self._heed(json.loads(message.data))

    async def _heed(self, frame: Json | list[Json]) -> None:
        if isinstance(frame, list):  # events; the last one carries the cursor
            self._cursor = frame[-1]["cursor"]
            self._take(frame)
            return
        [control] = frame.values()  # hello and heartbeat have a cursor, bye has none
        self._cursor = control.get("cursor", self._cursor)
        self._listening.set()
        if control.get("reset"):  # it has another journal now: ask for each order instead
            for life in self.tally.lives.values():
                await self._catch_up(life.order_id)

    def _take(self, events: Sequence[Json]) -> None:
        for event in events:
            order_id = event["orderId"]
            if event.get("clientOrderId") in self._names:  # the first event tells its name
                self.tally.lives.setdefault(order_id, Life(order_id))
            if (life := self.tally.lives.get(order_id)) is not None and life.apply(event):
                self._news.set()


async def _read_answer(response: aiohttp.ClientResponse) -> Answer:
    if response.status in TEMPORARY:
        raise AgainError(float(response.headers.get("Retry-After", RETRY_S)))
    try:
        body = await response.json(content_type=None)
    except ValueError:  # some proxy speaks, not the engine
        raise AgainError from None
    return Answer(response.status, body, response.headers.get("Idempotent-Replayed") == "true")


async def check(http: aiohttp.ClientSession) -> None:
    """``GET /api/stats``: raises ``BadInput`` if no engine answers, or if it wants another key."""
    try:
        async with http.get("/api/stats") as response:
            answer = await _read_answer(response)
    except (AgainError, aiohttp.ClientError, TimeoutError, OSError) as error:
        raise BadInput(f"no order engine answers there ({error})") from None
    if answer.status != 200:
        raise BadInput(f"the order engine refuses: {answer.body.get('detail')}")


async def submit(
    url: str,
    key: str | None,
    orders: list[Order],
    run: str,
    *,
    batch_size: int,
    concurrency: int,
    timeout_s: int,
) -> Tally:
    """Place the orders and follow them; what became of them after at most ``timeout_s``."""
    async with aiohttp.ClientSession(
        url,
        headers={"Authorization": f"Bearer {key}"} if key else {},
        connector=aiohttp.TCPConnector(limit=concurrency + 1),  # one is the stream
        timeout=aiohttp.ClientTimeout(total=ANSWER_S),
    ) as http:
        submission = Submission(http, orders, run)
        await check(http)
        try:
            async with asyncio.timeout(timeout_s), shown(submission.tally):
                await submission.complete(batch_size=batch_size, concurrency=concurrency)
        except TimeoutError:
            click.echo(f"not all orders have ended after {timeout_s} s", err=True)
        return submission.tally


@click.command(context_settings={"show_default": True, "help_option_names": ["-h", "--help"]})
@click.option("--url", default="http://127.0.0.1:3000", help="The API.")
@click.option("--key", envvar="ORDER_ENGINE_KEY", help="The API key, if the server asks for one.")
@click.option("--file", help="Orders as CSV or JSON lines in the API's words; - is stdin.")
@click.option("--count", default=100, type=click.IntRange(1), help="How many orders to draw.")
@click.option("--pair", "pairs", multiple=True, default=["SOL/USDC"], help="BASE/QUOTE[:WEIGHT]")
@click.option("--type", "types", multiple=True, default=["market"], help="TYPE[:WEIGHT]")
@click.option("--side", default="mixed", type=click.Choice(["mixed", "buy", "sell"]))
@click.option("--amount", default="0.5..25", help="Of the token that is sold: one, or a range.")
@click.option("--slippage-bps", type=int, help="The server has a default.")
@click.option("--min-amount-out", help="For each order.")
@click.option("--seed", default=42, help="Same seed, same orders, placed once.")
@click.option("--concurrency", default=32, type=click.IntRange(1, 1_000), help="Requests at once.")
@click.option("--batch-size", default=0, type=click.IntRange(0, 1_000), help="0: single orders.")
@click.option("--timeout", default=300, type=click.IntRange(1), help="Give up after, in seconds.")
@click.option("--expect", default="confirmed", type=click.Choice(["confirmed", "ended"]))
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def main(
    *,
    url: str,
    key: str | None,
    file: str | None,
    count: int,
    pairs: tuple[str, ...],
    types: tuple[str, ...],
    side: str,
    amount: str,
    slippage_bps: int | None,
    min_amount_out: str | None,
    seed: int,
    concurrency: int,
    batch_size: int,
    timeout: int,
    expect: str,
    as_json: bool,
) -> None:
    """Submit many orders, follow each to its end, and sum up."""
    recipe = Recipe(
        count, choices(pairs), choices(types), side, *amounts(amount), slippage_bps, min_amount_out
    )
    orders = recipe.orders(seed) if file is None else read(file)

    if not url.startswith(("http://", "https://")):
        raise BadInput(f"{url}: write the API's address as http://HOST:PORT")
    started = time.monotonic()
    how = {"batch_size": batch_size, "concurrency": concurrency, "timeout_s": timeout}
    tally = asyncio.run(submit(url, key, orders, name_all(orders, seed), **how))
    summary = tally.summary(time.monotonic() - started)
    if as_json:
        click.echo(json.dumps(summary))
    else:
        show(summary, Console())
    sys.exit(0 if tally.is_as_asked(expect) else 1)


if __name__ == "__main__":
    main()

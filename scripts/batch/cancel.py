"""Cancels orders by their ids, or all open ones of a filter, and counts what became of each."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Coroutine,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product

import aiohttp
import click
from rich.console import Console

from batch.cancel_counts import CancelCounts
from batch.orders import InvalidInput
from batch.process import INVALID_EXIT, UNEXPECTED_EXIT, run_until_stopped
from batch.progress import FINAL_STATUSES, STATUSES, Json
from batch.results import Row, build_bare_row, build_order_row, open_result_file
from batch.server import (
    RETRY_DELAY_S,
    ApiResponse,
    RetryableError,
    check_server,
    connect,
    read_refusal,
    read_response,
)

PAGE_ORDERS_MAX = 1_000
OPEN_STATUSES = [status for status in STATUSES if status not in FINAL_STATUSES]
COUNTED_PAGES_MAX = 20
"""So many pages are read to say how many orders are meant; of more, that they are more."""

Query = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CancelOptions:
    """What to cancel: ``ids``, or all open orders of ``queries``, of which an order matches one.

    ``filter_text`` names the filter, and is empty if all are meant.
    """

    url: str
    key: str | None
    ids: Sequence[str]
    queries: Sequence[Query]
    filter_text: str
    is_confirmed: bool
    out: str | None
    concurrency: int
    timeout: int
    as_json: bool


def build_swaps(pair: str, side: str) -> list[Query]:
    """The swaps of a pair (``SOL/USDC``): a sale, a buy, or both; raises ``InvalidInput``."""
    base, _, quote = pair.partition("/")
    if not base or not quote or ":" in quote:
        raise InvalidInput(f"{pair}: write the pair as BASE/QUOTE")
    sale: Query = {"tokenIn": base, "tokenOut": quote}
    buy: Query = {"tokenIn": quote, "tokenOut": base}
    return {"sell": [sale], "buy": [buy]}.get(side, [sale, buy])


def build_queries(
    batches: Sequence[str], swaps: Sequence[Query], types: Sequence[str], statuses: Sequence[str]
) -> list[Query]:
    """The API's filters that together select what has one of each; none given select all."""
    parts: list[list[Query]] = [
        [{"batchId": batch} for batch in batches] or [{}],
        list(swaps) or [{}],
        [{"type": each} for each in types] or [{}],
        [{"status": ",".join(statuses)} if statuses else {}],
    ]
    merged = [dict(item for part in chosen for item in part.items()) for chosen in product(*parts)]
    return [query or {"all": "true"} for query in merged]


class CancelCommand:
    """One run that cancels orders."""

    def __init__(self, options: CancelOptions) -> None:
        self._options = options
        self._notices = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
        self._counts = CancelCounts()
        self._add: Callable[[Row], None] = lambda _row: None

    def run(self) -> int:
        """Ask if need be, cancel, and print the counts; returns the exit code."""
        if self._options.queries and not self._options.is_confirmed and not self._ask():
            self._say("nothing was cancelled")
            return INVALID_EXIT
        began_s = time.monotonic()
        try:
            code = asyncio.run(self._cancel())
        except InvalidInput:
            if self._counts.answered:
                self._say("; ".join(self._counts.describe()))
            raise
        summary = self._counts.build_summary(time.monotonic() - began_s)
        if self._options.as_json:
            click.echo(json.dumps(summary))
        else:
            click.echo("\n".join(self._counts.describe()))
        if code:
            self._say("stopped before every order had its answer: the same command goes on")
        if self._counts.lost_answers and self._options.queries:
            self._say("an answer was lost: what it cancelled is not counted")
        is_all = not self._counts.too_late and not self._counts.refused
        return code or (0 if is_all else UNEXPECTED_EXIT)

    # The question

    def _ask(self) -> bool:
        if not sys.stdin.isatty():
            raise InvalidInput("there is no terminal to ask on: --yes cancels without a question")
        count, is_more = asyncio.run(self._count_open())
        at_least = "more than " if is_more else ""
        orders = f"{at_least}{count:,} open order{'' if count == 1 else 's'}"
        which = self._options.filter_text or "no filter: all of yours"
        return click.confirm(f"Cancel {orders} ({which})?", err=True)

    async def _count_open(self) -> tuple[int, bool]:
        """How many open orders match by now, and whether they are more than that."""
        count = pages = 0
        async with self._connect() as http:
            await check_server(http, self._options.url)
            for query in self._options.queries:
                async for orders, is_last in self._list_open(http, query):
                    count += len(orders)
                    pages += 1
                    if pages == COUNTED_PAGES_MAX and not is_last:
                        return count, True
        return count, False

    async def _list_open(
        self, http: aiohttp.ClientSession, query: Query
    ) -> AsyncIterator[tuple[list[Json], bool]]:
        """The pages of open orders that match by now, and whether each is the last."""
        listed = {key: value for key, value in query.items() if key != "all"}
        page: Query | None = {"status": "open", "limit": str(PAGE_ORDERS_MAX)} | listed
        while page is not None:
            body = (await self._request(http, "GET", "/api/orders", page)).body
            page = None if body["next"] is None else {**page, "cursor": body["next"]}
            yield body["orders"], page is None

    # Cancelling

    async def _cancel(self) -> int:
        options = self._options
        async with self._connect() as http:
            with open_result_file(options.out, None) as file:
                if file is None:
                    return await run_until_stopped(self._work(http), options.timeout)
                with file.collect_rows() as self._add:
                    return await run_until_stopped(self._work(http), options.timeout)

    async def _work(self, http: aiohttp.ClientSession) -> None:
        await check_server(http, self._options.url)
        with _unwrap_invalid_input():
            await self._for_each(self._options.ids, lambda each: self._cancel_one(http, each))
            for query in self._options.queries:
                await self._cancel_matching(http, query)

    async def _cancel_matching(self, http: aiohttp.ClientSession, query: Query) -> None:
        """``DELETE /api/orders``: a bounded number in one call, which ``cursor`` goes on behind."""
        names = {} if self._options.out is None else await self._read_own_names(http, query)
        page: Query | None = {**query, "limit": str(PAGE_ORDERS_MAX)}
        while page is not None:
            body = (await self._request(http, "DELETE", "/api/orders", page)).body
            for order_id in body["cancelled"]:
                self._counts.cancelled += 1
                code = "cancelled_with_others"
                row = build_bare_row(self._counts.answered, order_id, "cancelled", code)
                self._add(row._replace(clientOrderId=names.get(order_id)))
            await self._for_each(body["tooLate"], lambda each: self._show_too_late(http, each))
            page = None if body["next"] is None else {**page, "cursor": body["next"]}

    async def _read_own_names(
        self, http: aiohttp.ClientSession, query: Query
    ) -> dict[str, str | None]:
        """The clientOrderIds of the orders that match by now: cancelling tells the ids alone."""
        return {
            order["orderId"]: order["clientOrderId"]
            async for orders, _ in self._list_open(http, query)
            for order in orders
        }

    async def _cancel_one(self, http: aiohttp.ClientSession, order_id: str) -> None:
        """``DELETE /api/orders/<id>``: 200, or 409 ``too_late`` with the order as it is."""
        path = f"/api/orders/{order_id}"
        response = await self._request(http, "DELETE", path, {}, refusals={404, 409})
        if response.status == 200:
            self._counts.cancelled += 1
            code = response.body["cancelReason"]
            self._add(build_order_row(self._counts.answered, response.body, code))
        elif "order" in response.body:
            self._add_too_late(response.body["order"])
        else:
            refusal = read_refusal(response.body)
            self._counts.refused[refusal.code] += 1
            self._add(build_bare_row(self._counts.answered, order_id, "refused", *refusal))

    async def _show_too_late(self, http: aiohttp.ClientSession, order_id: str) -> None:
        response = await self._request(http, "GET", f"/api/orders/{order_id}", {})
        self._add_too_late(response.body)

    def _add_too_late(self, order: Json) -> None:
        self._counts.too_late[order["status"]] += 1
        until = order.get("mayLandUntil") or 0
        self._counts.may_land_until = max(self._counts.may_land_until, until)
        reason = f"may land up to block height {until}" if until else None
        self._add(build_order_row(self._counts.answered, order, "too_late", reason))

    async def _for_each(
        self, order_ids: Sequence[str], work: Callable[[str], Coroutine[object, object, None]]
    ) -> None:
        queue = iter(order_ids)  # shared: each sender takes the next order

        async def send() -> None:
            for order_id in queue:
                await work(order_id)

        async with asyncio.TaskGroup() as senders:
            for _ in range(min(self._options.concurrency, len(order_ids))):
                senders.create_task(send())

    # Requests

    def _connect(self) -> aiohttp.ClientSession:
        return connect(self._options.url, self._options.key, self._options.concurrency)

    async def _request(
        self,
        http: aiohttp.ClientSession,
        method: str,
        path: str,
        query: Query,
        refusals: Collection[int] = (),
    ) -> ApiResponse:
        """Send a request until it is answered: to cancel again what is cancelled changes nothing.

        Raises ``InvalidInput`` for a problem that is not among ``refusals``.
        """
        while True:
            try:
                async with http.request(method, path, params=query) as raw_response:
                    response = await read_response(raw_response)
                    break
            except RetryableError as error:
                wait_s = error.wait_s
            except aiohttp.ClientConnectorError:  # nothing was sent
                await asyncio.sleep(RETRY_DELAY_S)
                continue
            except (aiohttp.ClientError, TimeoutError, OSError):
                wait_s = RETRY_DELAY_S
            self._counts.lost_answers += method == "DELETE"
            await asyncio.sleep(wait_s)
        if response.status < 400 or response.status in refusals:
            return response
        raise InvalidInput(f"the order engine refuses: {read_refusal(response.body).reason}")

    def _say(self, text: str) -> None:
        self._notices.print(text)


@contextmanager
def _unwrap_invalid_input() -> Iterator[None]:
    """Raise what a task group has collected as the error that it is."""
    try:
        yield
    except ExceptionGroup as group:
        refusals, rest = group.split(InvalidInput)
        if refusals is None or rest is not None:
            raise
        raise refusals.exceptions[0] from None

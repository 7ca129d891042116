"""The API client: one method for each endpoint that the dashboard uses.

Nothing is retried or cached here. A response is returned, a problem document raises
``RequestRefused``, and a missing response (connection error, timeout) raises ``ServerUnreachable``.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, cast

import aiohttp

from tui.model.desk.wire import (
    WireBalances,
    WireFill,
    WireLimits,
    WirePositions,
    WirePrices,
    WireReport,
)
from tui.model.wire import (
    WireBatchEntry,
    WireEvent,
    WireOrder,
    WireOrderTerms,
    WireProblem,
    WireRoute,
    WireStats,
)
from tui.text.format import format_timestamp

PAGE_ORDERS_MAX: Final = 500
BATCH_ORDERS_MAX: Final = 1_000
WAITING_ORDERS_MAX: Final = 200
_CONNECT_TIMEOUT_S: Final = 5
_RESPONSE_TIMEOUT_S: Final = 30
_FRAME_BYTES_MAX: Final = 16 * 2**20


class ServerUnreachable(Exception):
    """The server gave no usable response; the text says what was requested and how it failed."""


class RequestRefused(Exception):
    """The server responded with a problem (RFC 9457).

    ``code`` is machine-readable; ``retry_after_s`` is the wait that the server requires.
    """

    def __init__(self, status: int, problem: WireProblem, retry_after_s: float | None) -> None:
        self.status = status
        self.problem = problem
        self.code = problem.get("code") or str(status)
        self.detail = problem.get("detail") or problem.get("title") or f"HTTP {status}"
        self.retry_after_s = retry_after_s
        super().__init__(f"{self.detail} ({self.code})")


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The result of a batch: one entry for each order, in the order of the request."""

    batch_id: str | None
    entries: list[WireBatchEntry]


class ApiClient:
    """Client of one API server; an async context manager."""

    def __init__(self, url: str, *, key: str | None = None) -> None:
        self.url = url.rstrip("/")
        self.has_key = bool(key)
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=_RESPONSE_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._http is not None:
            await self._http.close()

    async def fetch_stats(self) -> WireStats:
        """Fetch the number of orders by status."""
        return cast(WireStats, await self._request("GET", "/api/stats"))

    async def fetch_orders(self, cursor: str | None) -> tuple[list[WireOrder], str | None]:
        """Fetch a page of orders, newest first, after a cursor; and the cursor of the next page."""
        query = {"limit": str(PAGE_ORDERS_MAX)} | ({"cursor": cursor} if cursor else {})
        response = await self._request("GET", "/api/orders", query=query)
        return response["orders"], response["next"]

    async def fetch_waiting(self) -> list[WireOrder]:
        """Fetch the newest orders that wait, with how far the market is from each."""
        query = {"status": "waiting", "limit": str(WAITING_ORDERS_MAX)}
        return cast(
            list[WireOrder], (await self._request("GET", "/api/orders", query=query))["orders"]
        )

    async def fetch_balances(self) -> WireBalances:
        """Fetch what each wallet holds, and the latest changes that no order explains."""
        return cast(WireBalances, await self._request("GET", "/api/balances"))

    async def fetch_positions(self) -> WirePositions:
        """Fetch what fills did to each token."""
        return cast(WirePositions, await self._request("GET", "/api/positions"))

    async def fetch_limits(self) -> WireLimits:
        """Fetch the limits of the owner, and what is left of them."""
        return cast(WireLimits, await self._request("GET", "/api/limits"))

    async def fetch_prices(
        self, pair: str, step_s: int, from_ms: int, to_ms: int | None = None
    ) -> WirePrices:
        """Fetch the bars of a pair since a time."""
        query = {"pair": pair, "step": str(step_s), "from": format_timestamp(from_ms)}
        if to_ms is not None:
            query["to"] = format_timestamp(to_ms)
        return cast(WirePrices, await self._request("GET", "/api/prices", query=query))

    async def fetch_fills(self, query: Mapping[str, str]) -> list[WireFill]:
        """Fetch the newest fills of a query."""
        response = await self._request("GET", "/api/fills", query=query)
        return cast(list[WireFill], response["fills"])

    async def fetch_report(self, query: Mapping[str, str]) -> WireReport:
        """Fetch a report."""
        return cast(WireReport, await self._request("GET", "/api/report", query=query))

    async def fetch_order(self, order_id: str) -> WireOrder:
        """Fetch an order as it is now."""
        return cast(WireOrder, await self._request("GET", f"/api/orders/{order_id}"))

    async def amend_order(self, order_id: str, seq: int, changes: Mapping[str, Any]) -> WireOrder:
        """Change an order that waits, and return it; only while ``seq`` is its last step.

        Otherwise raises ``RequestRefused``: 412 with the order as it is in the problem, 409
        ``too_late`` if it waits no more, 409 ``would_be_met`` if the market meets it already.
        """
        headers = {"If-Match": f'"{seq}"'}
        path = f"/api/orders/{order_id}"
        return cast(WireOrder, await self._request("PATCH", path, body=changes, headers=headers))

    async def fetch_events(self, order_id: str) -> list[WireEvent]:
        """Fetch all events of an order."""
        response = await self._request("GET", f"/api/orders/{order_id}/events")
        return cast(list[WireEvent], response["events"])

    async def fetch_route(self, terms: WireOrderTerms) -> WireRoute:
        """Fetch the route that an order would take at current quotes."""
        body = {key: value for key, value in terms.items() if key in _QUOTE_FIELDS}
        return cast(WireRoute, await self._request("POST", "/api/quotes", body=body))

    async def place_order(self, order: WireOrderTerms, *, key: str) -> str:
        """Place one order and return its id. ``key`` is the idempotency key of the request."""
        response = await self._request(
            "POST", "/api/orders/execute", body=dict(order), headers={"Idempotency-Key": key}
        )
        return str(response["orderId"])

    async def cancel_order(self, order_id: str) -> WireOrder:
        """Cancel an order that is not submitted; one that is cancelled already is returned again.

        Otherwise raises ``RequestRefused``: ``too_late``, with the order as it is in the problem.
        """
        return cast(WireOrder, await self._request("DELETE", f"/api/orders/{order_id}"))

    async def cancel_batch(self, batch_id: str, cursor: str | None) -> tuple[list[str], str | None]:
        """Cancel the open orders of a batch, a bounded number at a time.

        Returns the ids of those that were cancelled, and the cursor with which to go on.
        """
        query = {"batchId": batch_id} | ({"cursor": cursor} if cursor else {})
        response = await self._request("DELETE", "/api/orders", query=query)
        return response["cancelled"], response["next"]

    async def place_batch(self, orders: Sequence[WireOrderTerms], *, key: str) -> BatchResult:
        """Place a batch. ``key`` is its idempotency key: a retry returns the same result."""
        assert len(orders) <= BATCH_ORDERS_MAX
        headers = {"Idempotency-Key": key}
        try:
            response = await self._request(
                "POST", "/api/orders/batch", body={"orders": list(orders)}, headers=headers
            )
        except RequestRefused as refusal:
            if "orders" not in refusal.problem:
                raise
            return BatchResult(None, refusal.problem["orders"])
        return BatchResult(response["batchId"], response["orders"])

    @asynccontextmanager
    async def open_stream(
        self, after: str | None
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open the WebSocket stream of all events, after a cursor or from now on."""
        query = {"after": after} if after else {}
        with _translate_errors(self.url):
            socket = await self._http_session.ws_connect(
                f"{self.url}/api/orders/stream",
                params=query,
                max_msg_size=_FRAME_BYTES_MAX,
                timeout=aiohttp.ClientWSTimeout(ws_close=2),
            )
        try:
            yield socket
        finally:
            await socket.close()

    @property
    def _http_session(self) -> aiohttp.ClientSession:
        assert self._http is not None, "the client must be used inside its async context"
        return self._http

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        with _translate_errors(self.url):
            async with self._http_session.request(
                method, self.url + path, params=query, json=body, headers=headers
            ) as response:
                text = await response.text()
        content = _parse_object(text)
        if response.status >= 400:
            wait_s = _parse_seconds(response.headers.get("Retry-After"))
            raise RequestRefused(response.status, cast(WireProblem, content or {}), wait_s)
        if content is None:
            raise ServerUnreachable(f"{self.url}{path} does not answer as an order engine does")
        return content


_QUOTE_FIELDS: Final = (
    *("tokenIn", "tokenOut", "amount", "slippageBps", "maxPriceImpactBps", "minAmountOut"),
)


@contextmanager
def _translate_errors(url: str) -> Iterator[None]:
    try:
        yield
    except aiohttp.WSServerHandshakeError as error:
        if error.status < 500 and error.status != 404:
            title = f"the server refuses the stream: {error.message}"
            raise RequestRefused(error.status, {"detail": title}, None) from None
        raise ServerUnreachable(f"the stream of {url} answers {error.status}") from None
    except TimeoutError:
        raise ServerUnreachable(f"{url} does not answer in time") from None
    except aiohttp.ClientConnectorError:
        raise ServerUnreachable(f"nothing answers at {url}") from None
    except (aiohttp.ClientError, OSError) as error:
        raise ServerUnreachable(f"{url}: {str(error) or type(error).__name__}") from None


def _parse_object(text: str) -> dict[str, Any] | None:
    try:
        content = json.loads(text)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _parse_seconds(header: str | None) -> float | None:
    try:
        return None if header is None else float(header)
    except ValueError:
        return None

"""The API as calls: one method for each thing that the dashboard asks for.

Nothing here is retried or remembered: an answer is returned, a refusal raises ``Refused`` with
what the server says about it, and silence raises ``Unreachable``.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, cast

import aiohttp

from tui.model.messages import (
    WireEvent,
    WireOrder,
    WirePlace,
    WireProblem,
    WireRoute,
    WireStats,
    WireTerms,
)

PAGE_ORDERS: Final = 500
BATCH_ORDERS_MAX: Final = 1_000
_CONNECT_S: Final = 5
_ANSWER_S: Final = 30
_FRAME_BYTES_MAX: Final = 16 * 2**20


class Unreachable(Exception):
    """The server gives no answer; the text says what was tried and how it ended."""


class Refused(Exception):
    """The server answers with a problem.

    ``code`` is a word for programs; ``retry_after_s`` is how long it asks to be left alone.
    """

    def __init__(self, status: int, problem: WireProblem, retry_after_s: float | None) -> None:
        self.status = status
        self.problem = problem
        self.code = problem.get("code") or str(status)
        self.detail = problem.get("detail") or problem.get("title") or f"HTTP {status}"
        self.retry_after_s = retry_after_s
        super().__init__(f"{self.detail} ({self.code})")


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of a batch: for each order its place, in the order of the request."""

    batch_id: str | None
    places: list[WirePlace]


class Client:
    """Speaks to one API server; an async context manager."""

    def __init__(self, url: str, *, key: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=_ANSWER_S, connect=_CONNECT_S),
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

    async def stats(self) -> WireStats:
        """How many orders there are."""
        return cast(WireStats, await self._ask("GET", "/api/stats"))

    async def page(self, cursor: str | None) -> tuple[list[WireOrder], str | None]:
        """The newest orders, or those behind a cursor; and the cursor of the next page."""
        query = {"limit": str(PAGE_ORDERS)} | ({"cursor": cursor} if cursor else {})
        answer = await self._ask("GET", "/api/orders", query=query)
        return answer["orders"], answer["next"]

    async def history(self, order_id: str) -> list[WireEvent]:
        """All transitions of an order."""
        answer = await self._ask("GET", f"/api/orders/{order_id}/events")
        return cast(list[WireEvent], answer["events"])

    async def quote(self, terms: WireTerms) -> WireRoute:
        """How an order would be routed now."""
        wanted = {key: value for key, value in terms.items() if key in _QUOTED}
        return cast(WireRoute, await self._ask("POST", "/api/quotes", body=wanted))

    async def place(self, order: WireTerms, *, key: str) -> str:
        """Post one order; its id. ``key`` names this request, as in ``post``."""
        answer = await self._ask(
            "POST", "/api/orders/execute", body=dict(order), headers={"Idempotency-Key": key}
        )
        return str(answer["orderId"])

    async def post(self, orders: Sequence[WireTerms], *, key: str) -> Posted:
        """Post a batch. ``key`` names this request: asked twice, it is answered twice alike."""
        assert len(orders) <= BATCH_ORDERS_MAX
        headers = {"Idempotency-Key": key}
        try:
            answer = await self._ask(
                "POST", "/api/orders/batch", body={"orders": list(orders)}, headers=headers
            )
        except Refused as refusal:
            if "orders" not in refusal.problem:
                raise
            return Posted(None, refusal.problem["orders"])
        return Posted(answer["batchId"], answer["orders"])

    @asynccontextmanager
    async def stream(self, after: str | None) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """The stream of all events, behind a cursor or from now on."""
        query = {"after": after} if after else {}
        with _explained(self.url):
            socket = await self._session.ws_connect(
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
    def _session(self) -> aiohttp.ClientSession:
        assert self._http is not None, "a client is used inside its context"
        return self._http

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        with _explained(self.url):
            async with self._session.request(
                method, self.url + path, params=query, json=body, headers=headers
            ) as answer:
                text = await answer.text()
        content = _parsed(text)
        if answer.status >= 400:
            wait_s = _seconds(answer.headers.get("Retry-After"))
            raise Refused(answer.status, cast(WireProblem, content or {}), wait_s)
        if content is None:
            raise Unreachable(f"{self.url}{path} does not answer as an order engine does")
        return content


_QUOTED: Final = ("tokenIn", "tokenOut", "amount", "slippageBps", "minAmountOut")


@contextmanager
def _explained(url: str) -> Iterator[None]:
    try:
        yield
    except aiohttp.WSServerHandshakeError as error:
        if error.status < 500 and error.status != 404:
            title = f"the server refuses the stream: {error.message}"
            raise Refused(error.status, {"detail": title}, None) from None
        raise Unreachable(f"the stream of {url} answers {error.status}") from None
    except TimeoutError:
        raise Unreachable(f"{url} does not answer in time") from None
    except aiohttp.ClientConnectorError:
        raise Unreachable(f"nothing answers at {url}") from None
    except (aiohttp.ClientError, OSError) as error:
        raise Unreachable(f"{url}: {str(error) or type(error).__name__}") from None


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        content = json.loads(text)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _seconds(header: str | None) -> float | None:
    try:
        return None if header is None else float(header)
    except ValueError:
        return None

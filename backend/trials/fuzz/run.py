"""Sends odd requests, checks every answer, and that exactly what was accepted is stored."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import aiohttp
from yarl import URL

from backend.trials.fuzz.answers import (
    RefusedForNow,
    find_faults,
    find_problem_fault,
    list_order_ids,
    require_answer,
    require_placement,
)
from backend.trials.fuzz.odd_requests import ORDERS, OddRequest, RequestSource

CONNECTIONS: Final = 24
TIMEOUT_S: Final = 60.0
REPEATS_MAX: Final = 5
"""How often a request is sent again that is answered 503 with ``Retry-After``, as clients do."""
KNOWN_IDS_MAX: Final = 2_000
_PAGE: Final = 1_000
_JSON: Final = {"Content-Type": "application/json"}


@dataclass(slots=True)
class FuzzResult:
    """How many answers had each status, which orders were accepted, and what was wrong."""

    statuses: Counter[str] = field(default_factory=Counter)
    accepted: set[str] = field(default_factory=set)
    violations: list[str] = field(default_factory=list)


class FuzzRun:
    """Odd requests to the API at ``url``, whose owner has no other orders."""

    def __init__(self, url: str, session: aiohttp.ClientSession, seed: int) -> None:
        self._url = url
        self._session = session
        self._source = RequestSource(Random(seed))  # noqa: S311 - repeatable, not a secret
        self._result = FuzzResult()

    async def run(self, requests: int) -> FuzzResult:
        """Send so many requests."""
        left = iter(range(requests))

        async def send_some() -> None:
            for _ in left:
                await self._send(self._source.draw())

        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(send_some())
        await self._compare_stored()
        return self._result

    async def _send(self, request: OddRequest) -> None:
        for _ in range(REPEATS_MAX):
            try:
                await self._send_once(request)
            except RefusedForNow as refusal:
                await asyncio.sleep(refusal.retry_after_s)
            else:
                return
        try:
            await self._send_once(request)
        except RefusedForNow as refusal:
            self._report(request, f"{REPEATS_MAX + 1} times {refusal}")

    async def _send_once(self, request: OddRequest) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                if request.method == "WS":
                    await self._open_socket(request)
                else:
                    await self._call(request)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._report(request, f"no answer: {error!r}")

    async def _call(self, request: OddRequest) -> None:
        async with self._session.request(
            request.method,
            URL(self._url + request.path, encoded=True),
            data=request.body,
            headers={**_JSON, **request.headers},
            allow_redirects=False,
        ) as response:
            text = await response.text(errors="replace")
        self._result.statuses[str(response.status)] += 1
        require_answer(response.status, response.headers, text)
        for fault in find_faults(request, response.status, response.content_type, text):
            self._report(request, fault)
        if response.status == 202 and request.method == "POST":
            self._accept(list_order_ids(text))

    async def _open_socket(self, request: OddRequest) -> None:
        """Open a socket and send its first message, if it has one; its first frame tells enough."""
        url = URL(self._url + request.path, encoded=True)
        try:
            async with self._session.ws_connect(url) as socket:
                self._result.statuses["101"] += 1
                if request.body is not None:
                    await socket.send_str(request.body.decode(errors="replace"))
                    await self._read_placement(request, socket)
        except aiohttp.WSServerHandshakeError as error:
            self._result.statuses[str(error.status)] += 1
            require_answer(error.status, error.headers or {}, "of the handshake")
            if not 400 <= error.status < 500:
                self._report(request, f"the handshake had {error.status}")

    async def _read_placement(self, request: OddRequest, socket: Any) -> None:
        message = await socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            self._report(request, f"the socket said {message}")
        elif order_ids := list(list_order_ids(message.data)):
            self._accept(order_ids)
        else:
            require_placement(message.data)
            fault = find_problem_fault(message.data)
            if fault is not None:
                self._report(request, f"the socket's problem {fault}: {message.data[:300]}")

    def _accept(self, order_ids: Iterable[str]) -> None:
        for order_id in order_ids:
            self._result.accepted.add(order_id)
            if len(self._source.order_ids) < KNOWN_IDS_MAX:
                self._source.order_ids.append(order_id)

    async def _compare_stored(self) -> None:
        """Nothing is stored of what was refused, and all of what was accepted."""
        stored: set[str] = set()
        params: dict[str, Any] | None = {"limit": _PAGE}
        while params is not None:
            async with self._session.get(f"{self._url}{ORDERS}", params=params) as response:
                page = await response.json()
            for order in page["orders"]:
                if order.get("parentId") is None:  # what an accepted order placed
                    stored.add(order["orderId"])
            cursor = page.get("next")
            params = None if cursor is None else {"limit": _PAGE, "cursor": cursor}
        lost, more = self._result.accepted - stored, stored - self._result.accepted
        for text, ids in (("accepted and not stored", lost), ("stored and not accepted", more)):
            if ids:
                self._result.violations.append(f"{len(ids)} orders {text}, such as {min(ids)}")

    def _report(self, request: OddRequest, fault: str) -> None:
        self._result.violations.append(f"{fault}\n    {request}")

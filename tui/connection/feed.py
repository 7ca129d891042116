"""Follows a server: everything that is stored, then everything that happens, for ever.

The stream is opened first and the stored orders are read while it runs, so that nothing falls
between them. When the connection breaks it is made again, behind the last event that came: the
server then tells what happened meanwhile.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from random import Random
from typing import Any, Final, TypeVar

import aiohttp

from tui.connection.client import Client, Refused, Unreachable
from tui.connection.source import Put
from tui.model.messages import Connected, Connecting, Events, Heartbeat, Lost, Message, Page, Totals

SILENCE_S: Final = 15
"""The server says something at least every five seconds; longer than this, it is gone."""
RETRY_MIN_S: Final = 0.25
RETRY_MAX_S: Final = 10
_RECOUNT_S: Final = 10


class Feed:
    """Follows one server, and stores up to ``orders_max`` of its orders.

    ``now_ms`` is our clock; ``random`` spreads the retries of many dashboards.
    """

    def __init__(
        self, client: Client, *, now_ms: Callable[[], int], random: Random, orders_max: int
    ) -> None:
        self.now_ms = now_ms
        self._client = client
        self._random = random
        self._orders_max = orders_max
        self._take: Put = _nobody
        self._cursor: str | None = None
        self._is_loaded = False
        self._tries = 0
        self._hurry = asyncio.Event()

    async def run(self, put: Put) -> None:
        """Follow until cancelled."""
        self._take = put
        while True:
            self._tries += 1
            self._put(Connecting(self._client.url, self._tries))
            reason, retry_after_s = await self._until_lost()
            wait_s = max(self._backoff_s(), retry_after_s)
            self._put(Lost(reason, round(wait_s * 1_000)))
            self._hurry.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._hurry.wait()
            except TimeoutError:
                pass

    def retry_now(self) -> None:
        """Do not wait any longer before the next try."""
        self._hurry.set()

    def _put(self, message: Message) -> None:
        self._take(message, self.now_ms())

    def _backoff_s(self) -> float:
        wait_s: float = min(RETRY_MIN_S * 2 ** (self._tries - 1), RETRY_MAX_S)
        return wait_s * (0.5 + self._random.random() / 2)

    async def _until_lost(self) -> tuple[str, float]:
        reason, retry_after_s = "the server closed the connection", 0.0
        try:
            async with self._client.stream(self._cursor) as socket:
                reason = await self._follow(socket)
        except* Unreachable as lost:
            reason = str(_first(lost))
        except* Refused as refusals:
            refusal = _first(refusals)
            reason, retry_after_s = str(refusal), refusal.retry_after_s or 0
            if refusal.status == 400:
                self._cursor = None  # it is not a cursor of this server
                self._is_loaded = False
        except* (KeyError, TypeError, ValueError) as nonsense:
            reason = f"the server's answer is not understood: {_first(nonsense)!r}"
        return reason, retry_after_s

    async def _follow(self, socket: aiohttp.ClientWebSocketResponse) -> str:
        hello = (await self._receive(socket))["hello"]
        was_reset = bool(hello["reset"])
        is_fresh = was_reset or not self._is_loaded
        self._cursor = hello["cursor"]
        self._is_loaded = not is_fresh
        self._tries = 0
        self._put(Connected(hello["epoch"], hello["cursor"], hello["at"], is_fresh, was_reset))
        async with asyncio.TaskGroup() as tasks:
            load = tasks.create_task(self._load()) if is_fresh else None
            reason = await self._read(socket)
            if load is not None:
                load.cancel()
        return reason

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> str:
        while True:
            frame = await self._receive(socket)
            if isinstance(frame, list):
                self._cursor = frame[-1].get("cursor", self._cursor)
                self._put(Events(frame))
            elif "heartbeat" in frame:
                self._cursor = frame["heartbeat"]["cursor"]
                self._put(Heartbeat(frame["heartbeat"]["at"]))
            elif "bye" in frame:
                return _BYES.get(frame["bye"]["reason"], str(frame["bye"]["reason"]))

    async def _receive(self, socket: aiohttp.ClientWebSocketResponse) -> Any:
        try:
            async with asyncio.timeout(SILENCE_S):
                message = await socket.receive()
        except TimeoutError:
            raise Unreachable(f"the server has said nothing for {SILENCE_S} s") from None
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise Unreachable("the server closed the connection")
        return json.loads(message.data)

    async def _load(self) -> None:
        self._put(Totals(await self._client.stats()))
        cursor, loaded, is_last = None, 0, False
        while not is_last:
            orders, cursor = await self._client.page(cursor)
            loaded += len(orders)
            is_last = cursor is None or loaded >= self._orders_max
            self._put(Page(orders, is_last, is_all=cursor is None))
        self._is_loaded = True
        while cursor is not None:
            self._put(Totals(await self._client.stats()))
            await asyncio.sleep(_RECOUNT_S)


_BYES: Final = {
    "shutting_down": "the server is shutting down",
    "too_slow": "we read too slowly, going on from where we were",
}


def _nobody(_message: Message, _at_ms: int) -> None:
    raise AssertionError("messages are given while it runs")


_E = TypeVar("_E", bound=BaseException)


def _first(group: BaseExceptionGroup[_E]) -> _E:
    error: _E | BaseExceptionGroup[_E] = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error

"""Follows a server: loads all stored orders, then streams every event, and reconnects when lost.

The stream is opened first and the stored orders are loaded while it runs, so that no event is lost
between the two. After a broken connection the stream resumes after the cursor of the last event
received, and the server replays the events that were missed. A server that refuses this client is
left alone until the user asks for another attempt.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from http import HTTPStatus
from random import Random
from typing import Any, Final, TypeVar

import aiohttp

from tui.connection.client import ApiClient, RequestRefused, ServerUnreachable
from tui.connection.source import MessageHandler
from tui.model.messages import Connected, Connecting, Events, Heartbeat, Lost, Message, Page, Totals

INACTIVITY_TIMEOUT_S: Final = 15
"""The server sends a heartbeat at least every five seconds; without a frame for this long, the
connection counts as dead."""
RETRY_MIN_S: Final = 0.25
RETRY_MAX_S: Final = 10
_STATS_INTERVAL_S: Final = 10
_REFUSED: Final = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_GIVE_KEY: Final = "set ORDER_ENGINE_API_KEY, or start again with --key-file FILE"


class Feed:
    """Follows one server and loads up to ``orders_max`` of its stored orders.

    ``now_ms`` is the local clock; ``random`` adds jitter, so that many dashboards do not reconnect
    at the same time.
    """

    def __init__(
        self, client: ApiClient, *, now_ms: Callable[[], int], random: Random, orders_max: int
    ) -> None:
        self.now_ms = now_ms
        self._client = client
        self._random = random
        self._orders_max = orders_max
        self._handle_message: MessageHandler = _reject_message
        self._cursor: str | None = None
        self._is_loaded = False
        self._tries = 0
        self._retry_requested = asyncio.Event()

    async def run(self, handle_message: MessageHandler) -> None:
        """Follow the server until cancelled."""
        self._handle_message = handle_message
        while True:
            self._tries += 1
            self._emit(Connecting(self._client.url, self._tries))
            reason, retry_after_s = await self._follow_until_lost()
            self._retry_requested.clear()
            if retry_after_s is None:
                self._emit(Lost(reason, None))
                await self._retry_requested.wait()
                self._tries = 0
                continue
            wait_s = max(self._backoff_s(), retry_after_s)
            self._emit(Lost(reason, round(wait_s * 1_000)))
            try:
                async with asyncio.timeout(wait_s):
                    await self._retry_requested.wait()
            except TimeoutError:
                pass

    def retry_now(self) -> None:
        """Skip the rest of the backoff and reconnect now."""
        self._retry_requested.set()

    def _emit(self, message: Message) -> None:
        self._handle_message(message, self.now_ms())

    def _backoff_s(self) -> float:
        wait_s: float = min(RETRY_MIN_S * 2 ** (self._tries - 1), RETRY_MAX_S)
        return wait_s * (0.5 + self._random.random() / 2)

    async def _follow_until_lost(self) -> tuple[str, float | None]:
        """Why the connection ended, and after how many seconds the server may be asked again.

        ``None``: not before something is changed.
        """
        reason, retry_after_s = "the server closed the connection", 0.0
        refusal = None
        try:
            async with self._client.open_stream(self._cursor) as socket:
                reason = await self._run_stream(socket)
        except* ServerUnreachable as errors:
            reason = str(_first_error(errors))
        except* RequestRefused as refusals:
            refusal = _first_error(refusals)
            reason, retry_after_s = str(refusal), refusal.retry_after_s or 0
            if refusal.status == HTTPStatus.BAD_REQUEST:
                self._cursor = None  # the server does not know this cursor
                self._is_loaded = False
        except* (KeyError, TypeError, ValueError) as errors:
            reason = f"the server's answer is not understood: {_first_error(errors)!r}"
        if refusal is not None and refusal.status in _REFUSED:
            return await self._explain_refusal(refusal), None
        return reason, retry_after_s

    async def _explain_refusal(self, refusal: RequestRefused) -> str:
        """What the user has to give or to change."""
        if refusal.status == HTTPStatus.UNAUTHORIZED:
            if self._client.has_key:
                return f"{self._client.url} refuses this API key: {_GIVE_KEY}"
            return f"{self._client.url} refuses requests without an API key: {_GIVE_KEY}"
        try:
            await self._client.fetch_stats()  # a refused stream does not say why
        except RequestRefused as explained:
            refusal = explained
        except ServerUnreachable:
            pass
        return f"{self._client.url} refuses: {refusal.detail}"

    async def _run_stream(self, socket: aiohttp.ClientWebSocketResponse) -> str:
        hello = (await self._receive(socket))["hello"]
        was_reset = bool(hello["reset"])
        is_fresh = was_reset or not self._is_loaded
        self._cursor = hello["cursor"]
        self._is_loaded = not is_fresh
        self._tries = 0
        self._emit(Connected(hello["epoch"], hello["cursor"], hello["at"], is_fresh, was_reset))
        async with asyncio.TaskGroup() as tasks:
            load = tasks.create_task(self._load_stored_orders()) if is_fresh else None
            reason = await self._read_frames(socket)
            if load is not None:
                load.cancel()
        return reason

    async def _read_frames(self, socket: aiohttp.ClientWebSocketResponse) -> str:
        while True:
            frame = await self._receive(socket)
            if isinstance(frame, list):
                self._cursor = frame[-1].get("cursor", self._cursor)
                self._emit(Events(frame))
            elif "heartbeat" in frame:
                self._cursor = frame["heartbeat"]["cursor"]
                self._emit(Heartbeat(frame["heartbeat"]["at"]))
            elif "bye" in frame:
                return CLOSE_REASONS.get(frame["bye"]["reason"], str(frame["bye"]["reason"]))

    async def _receive(self, socket: aiohttp.ClientWebSocketResponse) -> Any:
        try:
            async with asyncio.timeout(INACTIVITY_TIMEOUT_S):
                message = await socket.receive()
        except TimeoutError:
            raise ServerUnreachable(
                f"the server has said nothing for {INACTIVITY_TIMEOUT_S} s"
            ) from None
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise ServerUnreachable("the server closed the connection")
        return json.loads(message.data)

    async def _load_stored_orders(self) -> None:
        self._emit(Totals(await self._client.fetch_stats()))
        cursor, loaded, is_last = None, 0, False
        while not is_last:
            orders, cursor = await self._client.fetch_orders(cursor)
            loaded += len(orders)
            is_last = cursor is None or loaded >= self._orders_max
            self._emit(Page(orders, is_last, is_all=cursor is None))
        self._is_loaded = True
        while cursor is not None:
            self._emit(Totals(await self._client.fetch_stats()))
            await asyncio.sleep(_STATS_INTERVAL_S)


CLOSE_REASONS: Final = {
    "shutting_down": "the server is shutting down",
    "too_slow": "we read too slowly, going on from where we were",
    "access_ended": (
        "the access has ended: the key was revoked or has expired, or one is asked for from now on;"
        f" {_GIVE_KEY}"
    ),
    "try_again_later": "the server could not open the stream now",
    "internal_error": "the server met a fault of its own",
}
"""Why the server has closed the stream, in words."""


def _reject_message(_message: Message, _at_ms: int) -> None:
    raise AssertionError("a feed emits messages only while it runs")


_E = TypeVar("_E", bound=BaseException)


def _first_error(group: BaseExceptionGroup[_E]) -> _E:
    error: _E | BaseExceptionGroup[_E] = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error

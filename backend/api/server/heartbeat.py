"""Ping frames on every open WebSocket: proxies keep it open, and a dead peer is found.

Hypercorn can send pings, but looks at no answer, and keeps the task of each closed socket until
its next ping is due. Here one task serves all sockets of the process.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from hypercorn.config import Config
from hypercorn.protocol import h11
from hypercorn.protocol.events import Body, Data, Event, StreamClosed
from hypercorn.protocol.ws_stream import ASGIWebsocketState, WSStream
from hypercorn.typing import ASGISendEvent, WebsocketAcceptEvent
from wsproto.events import CloseConnection, Ping

from backend.runtime import observe_connections

UNANSWERED_PINGS_MAX = 2
UNRESPONSIVE_CODE = 1011
PINGS_PER_TURN = 100
"""After so many pings in a row other tasks get their turn."""


class Heartbeat:
    """Pings each open socket every ``interval_s``; ``run`` must be running.

    A peer that sends nothing at all, not even the answer to two pings, is disconnected.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        # The same interval for all: in order of their addition they are in order of their pings.
        self._due_at: OrderedDict[PingedStream, float] = OrderedDict()

    def add(self, stream: PingedStream) -> None:
        """Ping a socket from now on."""
        self._due_at[stream] = asyncio.get_running_loop().time() + self._interval_s

    def remove(self, stream: PingedStream) -> None:
        """Ping a closed socket no more."""
        self._due_at.pop(stream, None)

    async def run(self) -> None:
        """Send pings until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            for _ in range(PINGS_PER_TURN):
                now = loop.time()
                stream = next(iter(self._due_at), None)
                if stream is None or self._due_at[stream] > now:
                    break
                self._due_at[stream] = now + self._interval_s
                self._due_at.move_to_end(stream)
                stream.spawn_ping()
            # A socket that is added meanwhile is due later than after one interval.
            wake_at = next(iter(self._due_at.values()), loop.time() + self._interval_s)
            await asyncio.sleep(max(0, wake_at - loop.time()))


class HeartbeatConfig(Config):
    """The configuration of the server, with the heartbeat of its sockets."""

    heartbeat: Heartbeat

    def response_headers(self, protocol: str) -> list[tuple[bytes, bytes]]:
        """What every response has, also those that Hypercorn makes itself."""
        return [*super().response_headers(protocol), (b"x-content-type-options", b"nosniff")]


class PingedStream(WSStream):
    """A WebSocket of Hypercorn that is pinged from its acceptance to its end."""

    config: HeartbeatConfig  # type: ignore[mutable-override]
    _unanswered_pings = 0
    _is_pinging = False

    async def handle(self, event: Event) -> None:
        """Whatever the peer sends shows that it is there."""
        if isinstance(event, (Body, Data)):
            self._unanswered_pings = 0
        elif isinstance(event, StreamClosed):
            self.config.heartbeat.remove(self)
        await super().handle(event)

    async def app_send(self, message: ASGISendEvent | None) -> None:
        """Its view has ended at the latest when it sends ``None``, however the connection ended."""
        if message is None:
            self.config.heartbeat.remove(self)
        await super().app_send(message)

    def spawn_ping(self) -> None:
        """Send a ping, or disconnect a peer that has left too many unanswered."""
        if self._unanswered_pings >= UNANSWERED_PINGS_MAX:
            self.config.heartbeat.remove(self)
            self._spawn(self._disconnect)
            return
        self._unanswered_pings += 1
        if not self._is_pinging:  # else the one before still waits until the peer reads
            self._spawn(self._send_ping)

    def _spawn(self, send: Callable[[], Coroutine[Any, Any, None]]) -> None:
        with suppress(RuntimeError):  # the connection is being closed for another reason
            self.task_group.spawn(send)

    async def _accept(self, message: WebsocketAcceptEvent) -> None:
        await super()._accept(message)
        if not self.closed:
            self.config.heartbeat.add(self)

    async def _send_ping(self) -> None:
        self._is_pinging = True
        try:
            if not self.closed and self.state is ASGIWebsocketState.CONNECTED:
                await self._send_wsproto_event(Ping())
        except OSError:
            pass  # the connection is lost, as its reader will see
        finally:
            self._is_pinging = False

    async def _disconnect(self) -> None:
        if self.closed:
            return
        observe_connections.unresponsive_socket_closed()
        with suppress(OSError):
            if not self._is_pinging:  # else nothing can be sent either
                await self._send_wsproto_event(CloseConnection(UNRESPONSIVE_CODE, "unresponsive"))
            await self.send(StreamClosed(stream_id=self.stream_id))


def ping_all_sockets() -> None:
    """Make Hypercorn create pinged sockets; its configuration must be a ``HeartbeatConfig``."""
    h11.WSStream = PingedStream  # type: ignore[attr-defined]

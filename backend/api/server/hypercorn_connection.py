"""Hypercorn's connection, with what it lacks: all of our changes to it, apart from WebSockets.

- It is freed as soon as its peer has closed it. Hypercorn's own waits for the end of the time that
  a connection may be idle, and keeps the descriptor meanwhile: ``TCPServer.run`` leaves its task
  group only when the idle task ends. ``tests/integration/test_connections.py`` fails when a later
  Hypercorn needs this no more.
- It speaks HTTP/1 only, as ``Http1Protocol`` does.
- It is counted, and can be closed when others need its descriptor.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from hypercorn import protocol
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.events import Event, RawData, Updated
from hypercorn.typing import AppWrapper

from backend.api.admission.connections import Connections, store_connection
from backend.api.server.http1_protocol import Http1Protocol


class Connection(TCPServer):
    """One connection of a client: awaiting it serves it to its end."""

    def __init__(
        self,
        app: AppWrapper,
        loop: asyncio.AbstractEventLoop,
        config: Config,
        context: WorkerContext,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        connections: Connections,
    ) -> None:
        state: dict[str, Any] = {}
        store_connection(state, self)
        super().__init__(app, loop, config, context, state, reader, writer)
        self.is_known = False
        self._connections = connections
        self._has_ended = False
        self._is_held = False
        self._is_held_for_good = False

    async def run(self) -> None:
        """Serve requests until the connection is closed."""
        self._connections.add(self)
        try:
            await super().run()
        finally:
            self._connections.remove(self)
            self._cut_cycles()

    def hold(self, *, for_good: bool = False) -> None:
        """Its request is executed from now on, until a response is sent."""
        self._is_held, self._is_held_for_good = True, for_good
        self._connections.hold(self)

    def drop(self) -> None:
        """Close it at once; what was not sent yet is lost."""
        self.writer.transport.abort()

    async def ask_for_body(self) -> None:
        """Let a client that waits for it send the body of its request."""
        await cast(Http1Protocol, self.protocol.protocol).send_continue()

    async def protocol_send(self, event: Event) -> None:
        """Send; nothing more is waited for on a connection whose peer has closed it."""
        if isinstance(event, RawData):
            if self._is_held and not self._is_held_for_good:
                self._is_held = False
                self._connections.release(self)
        elif isinstance(event, Updated) and event.idle and self._has_ended:
            return
        await super().protocol_send(event)

    def _cut_cycles(self) -> None:
        """Let go of what refers back to it: cyclic garbage is seldom collected here."""
        self.state.clear()
        if hasattr(self, "protocol"):  # its peer may have gone before it was served at all
            self.protocol.protocol.send = _discard  # contexts of a WebSocket lead here, in cycles
            del self.protocol, self._task_group
        error = self.reader.exception()  # of a reset; its frames were added where it was raised
        if error is not None:
            error.__traceback__ = None

    async def _read_data(self) -> None:
        await super()._read_data()
        self._has_ended = True
        await self.idle_task.stop()


async def _discard(event: Event) -> None:
    """Send nothing: the connection has ended."""


def use_http1_only() -> None:
    """Make Hypercorn's connections speak HTTP/1 only."""
    protocol.H11Protocol = Http1Protocol  # type: ignore[assignment, attr-defined]

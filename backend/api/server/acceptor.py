"""Accepting connections: in turns, up to the bound on open ones, with every error reported.

The event loops accept by themselves, but say nothing when the system refuses: uvloop then closes
connections that clients take for open ones.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from backend.api.admission.connections import Connections
from backend.api.server.hypercorn_connection import Connection
from backend.runtime import observe_connections

ACCEPTS_PER_TURN: Final = 16
"""After so many connections in a row other tasks get their turn."""
FULL_PAUSE_S: Final = 0.02
"""How long new connections wait in the kernel when all open ones are busy."""
ERROR_PAUSE_S: Final = 0.2
"""How long no connection is accepted after the system has refused one."""

ConnectionFactory = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Connection]


@asynccontextmanager
async def accept_connections(
    listeners: Sequence[socket.socket],
    connections: Connections,
    make_connection: ConnectionFactory,
    *,
    stop: Callable[[], Awaitable[None]],
    drain_timeout_s: float,
) -> AsyncIterator[None]:
    """Accept and serve connections during the block; the listening sockets are closed behind it.

    Then ``stop`` makes idle ones close, and open connections have ``drain_timeout_s`` to end.
    """
    tasks: set[asyncio.Task[None]] = set()
    async with asyncio.TaskGroup() as group:

        def serve(accepted: socket.socket) -> None:
            task = group.create_task(_serve_connection(accepted, connections, make_connection))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        acceptors = [_Acceptor(listener, connections, serve) for listener in listeners]
        try:
            yield
        finally:
            for acceptor in acceptors:
                acceptor.close()
            await stop()
            if tasks:
                await asyncio.wait(tasks, timeout=drain_timeout_s)
            for task in tasks:
                task.cancel()


async def _serve_connection(
    accepted: socket.socket, connections: Connections, make_connection: ConnectionFactory
) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    try:
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, accepted)
    except OSError:  # its client is gone already
        accepted.close()
        return
    finally:
        connections.opening -= 1
    try:
        await make_connection(reader, asyncio.StreamWriter(transport, protocol, reader, loop))
    except Exception as error:  # noqa: BLE001 - one connection must not end the others
        observe_connections.connection_failed(error)
    finally:
        transport.abort()


class _Acceptor:
    """Accepts the connections of one listening socket from its creation to ``close``."""

    def __init__(
        self,
        listener: socket.socket,
        connections: Connections,
        serve: Callable[[socket.socket], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._connections = connections
        self._serve = serve
        self._pause: asyncio.TimerHandle | None = None
        listener.setblocking(False)
        self._resume()

    def close(self) -> None:
        """Accept no more connections, and close the listening socket."""
        if self._pause is None:
            self._loop.remove_reader(self._listener)
        else:
            self._pause.cancel()
        self._listener.close()

    def _accept_turn(self) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            if not self._accept_one():
                return

    def _accept_one(self) -> bool:
        """Accept a connection; whether there may be another one."""
        if not self._connections.has_room:
            observe_connections.connections_full(self._connections.count)
            self._wait(FULL_PAUSE_S)
            return False
        try:
            accepted, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError):
            return False
        except ConnectionAbortedError:  # closed by its client before it was accepted
            return True
        except OSError as error:
            observe_connections.accept_failed(error)
            self._wait(ERROR_PAUSE_S)
            return False
        self._connections.make_room()
        self._connections.opening += 1
        self._serve(accepted)
        return True

    def _wait(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener, self._accept_turn)

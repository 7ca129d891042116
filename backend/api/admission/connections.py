"""The open connections of this process: a bound on them, and who has to leave when it is reached.

When there is no room for a new connection, one that waits for its client is closed: for the first
or the next request, for a body, or for the client to read. Of those, connections whose caller has
shown a key and all others are two classes: the larger one loses the connection that has waited the
longest. Who opens many connections therefore closes its own. A connection whose request is being
executed is never closed, nor is a WebSocket.

When most of many connections have gone, the memory that they used is given back to the system.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, Protocol
from weakref import ref

from hypercorn.typing import HTTPScope, WebsocketScope

from backend.runtime import observe_connections
from backend.runtime.resources.memory import release_free_memory

RESERVED_DESCRIPTORS: Final = 384
"""Descriptors that are kept for PostgreSQL, Redis, the node, receivers of webhooks, files, and
connections that are just being closed."""
SOCKETS_SHARE: Final = 0.75
"""The part of all connections that WebSockets may take."""
MEMORY_KEEPING_COUNT: Final = 200
"""The memory of fewer connections than these is kept for the next ones."""
MEMORY_RELEASE_SHARE: Final = 0.25
"""Memory is given back when no more than this part of the most that were open are."""
_STATE_KEY: Final = "order_engine.connection"


def count_connections_max(descriptors_max: int) -> int:
    """How many connections a process with this limit on descriptors may have open."""
    return max(descriptors_max - RESERVED_DESCRIPTORS, descriptors_max // 2)


def count_sockets_max(sockets_max: int, connections_max: int) -> int:
    """How many WebSockets may be open: as the settings say, but not all connections."""
    return max(1, min(sockets_max, int(connections_max * SOCKETS_SHARE)))


class ClientConnection(Protocol):
    """A connection, as the registry and the application see it."""

    is_known: bool
    """Whether its caller has shown a key of an owner."""

    def hold(self, *, for_good: bool = False) -> None:
        """Its request is complete and executed from now on, until a response is sent."""

    async def ask_for_body(self) -> None:
        """Tell a client that waits for it to send the body of its request."""

    def drop(self) -> None:
        """Close it at once."""


class Connections:
    """The open connections, at most ``connections_max``."""

    def __init__(self, connections_max: int) -> None:
        self.connections_max = connections_max
        self.opening = 0
        """How many were accepted and are not served yet."""
        self._open: set[ClientConnection] = set()
        self._peak = 0
        # In order of the time since when they wait, the longest first.
        self._waiting: dict[bool, OrderedDict[ClientConnection, None]] = {
            False: OrderedDict(),
            True: OrderedDict(),
        }

    @property
    def count(self) -> int:
        """The number of open connections, with those that are just being opened."""
        return len(self._open) + self.opening

    @property
    def has_room(self) -> bool:
        """Whether one more connection may be accepted: another one can be closed for it."""
        return self.count < self.connections_max or any(self._waiting.values())

    def make_room(self) -> None:
        """Close a waiting connection if the bound is reached."""
        known, unknown = self._waiting[True], self._waiting[False]
        waiting = known if len(known) > len(unknown) else unknown
        if self.count < self.connections_max or not waiting:
            return
        connection = next(iter(waiting))
        self.remove(connection)
        connection.drop()
        observe_connections.connection_dropped()

    def add(self, connection: ClientConnection) -> None:
        """A connection was opened; it waits for its first request."""
        self._open.add(connection)
        self._peak = max(self._peak, len(self._open))
        self._waiting[connection.is_known][connection] = None
        observe_connections.connections_changed(len(self._open))

    def remove(self, connection: ClientConnection) -> None:
        """A connection was closed."""
        self._open.discard(connection)
        self.hold(connection)
        observe_connections.connections_changed(len(self._open))
        if self._peak >= MEMORY_KEEPING_COUNT and self._is_most_gone():
            self._peak = len(self._open)
            release_free_memory()

    def _is_most_gone(self) -> bool:
        return len(self._open) <= self._peak * MEMORY_RELEASE_SHARE

    def hold(self, connection: ClientConnection) -> None:
        """A connection waits for its client no more: its request is executed."""
        for waiting in self._waiting.values():
            waiting.pop(connection, None)

    def release(self, connection: ClientConnection) -> None:
        """A connection waits for its client again, from now on."""
        if connection in self._open:
            self.hold(connection)
            self._waiting[connection.is_known][connection] = None


def store_connection(state: dict[str, Any], connection: ClientConnection) -> None:
    """Put the connection into the state of its requests' scopes.

    It is referred to weakly: contexts of a request may be part of cycles, which keep what they
    refer to until the cyclic collector runs, and that is told to run seldom.
    """
    state[_STATE_KEY] = ref(connection)


def hold_connection(scope: HTTPScope | WebsocketScope, *, for_good: bool = False) -> None:
    """The request of this scope is executed from now on: its connection is not closed for others.

    ``for_good``: not even after the response.
    """
    connection = _find_connection(scope)
    if connection is not None:
        connection.hold(for_good=for_good)


async def ask_for_body(scope: HTTPScope) -> None:
    """Let the client of a request send its body, if it waits to be told (``100 Continue``)."""
    connection = _find_connection(scope)
    if connection is not None:
        await connection.ask_for_body()


def mark_connection_known(scope: HTTPScope | WebsocketScope) -> None:
    """The caller on the connection of this scope has shown a key."""
    connection = _find_connection(scope)
    if connection is not None:
        connection.is_known = True


def _find_connection(scope: HTTPScope | WebsocketScope) -> ClientConnection | None:
    state: dict[str, Any] = scope.get("state", {})
    reference: Callable[[], ClientConnection | None] | None = state.get(_STATE_KEY)
    return None if reference is None else reference()

"""Connections to a Redis Cluster: all go to the primary that has the engine's keys.

The name of a key decides its hash slot, or what the name has in braces, and the slot which node has
the key. Here all keys have the slot of the stream, so one node has them, and the client of a single
server does for everything: pipelines, scripts, blocking reads, publishing. Which node that is the
others tell, as Sentinels tell the primary that they watch.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from redis.asyncio import Connection, ConnectionPool, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import ClusterDownError, InvalidResponse, MovedError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from backend.config.redis.hosts import Host, Hosts
from backend.runtime.redis.errors import is_configuration_error
from backend.runtime.redis.keys import STREAM

_SLOT: Final = key_slot(STREAM.encode())
_NO_ANSWER: Final = (RedisConnectionError, RedisTimeoutError, asyncio.CancelledError)
"""What ends the wait for an answer; the last if whoever waits has a time limit of its own."""


def build_key_prefix(redis: Redis, journal_id: UUID) -> str:
    """What the names of all keys of a journal begin with in this Redis."""
    tag = f"{{{STREAM}}}:" if isinstance(redis.connection_pool, ClusterPool) else ""
    return f"order-engine:{tag}{journal_id}:"


class ClusterPool(ConnectionPool):
    """Connections to the primary of the keys' slot, over TLS with the option ``ssl``."""

    def __init__(self, nodes: Hosts, options: Mapping[str, Any]) -> None:
        own = dict(options)
        has_tls = own.pop("ssl", False)
        self._primary = ClusterPrimary(nodes, SSLConnection if has_tls else Connection, own)
        super().__init__(
            connection_class=_SSLClusterConnection if has_tls else _ClusterConnection,
            primary=self._primary,
            **own,
        )

    async def is_primary(self, node: Host) -> bool:
        """Whether a node has the keys, as far as it knows. Raises ``RedisError``."""
        return await self._primary.is_still(node)

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Close connections; the next that is opened asks the nodes anew."""
        self._primary.forget()
        await super().disconnect(inuse_connections)


class _Slots(NamedTuple):
    """A range of slots, and the nodes that have it, the primary first."""

    numbers: range
    nodes: list[Host]


class ClusterPrimary:
    """Knows the primary of the keys' slot, until somebody says that it is another."""

    def __init__(self, nodes: Hosts, kind: type[Connection], options: Mapping[str, Any]) -> None:
        self._given = nodes
        self._nodes = deque(nodes)
        self._kind = kind
        # One that hangs must not hold up the next one.
        self._options = {**options, "socket_timeout": options["socket_connect_timeout"]}
        self._found: Host | None = None
        self._lock = asyncio.Lock()

    async def find(self) -> Host:
        """Its host and port. Raises ``RedisError`` if no node tells it."""
        async with self._lock:
            if self._found is None:
                self._found = await self._ask_nodes()
            return self._found

    async def is_still(self, node: Host) -> bool:
        """Ask one that was found. Another might call it by another name, so it is asked itself."""
        if self._found not in {None, node}:
            return False
        return _find_primary(await self._read_slots(node)) == node

    def replace(self, primary: Host) -> None:
        """Note what a node has said."""
        self._found = primary

    def forget(self, primary: Host | None = None) -> None:
        """Ask the nodes when it is needed again; with ``primary``, if it is still that one."""
        if primary in {None, self._found}:
            self._found = None

    async def _ask_nodes(self) -> Host:
        """Ask one after the other, and the next time another first: one may tell what was."""
        errors: list[Exception] = []
        for node in tuple(self._nodes):
            self._nodes.rotate(-1)
            try:
                slots = await self._read_slots(node)
            except (RedisError, OSError) as error:
                errors.append(error)
                continue
            if found := _find_primary(slots):
                self._learn(slots)
                return found
            errors.append(RedisConnectionError("CLUSTERDOWN no node has the slot of the keys"))
        raise next(filter(is_configuration_error, errors), errors[-1])

    def _learn(self, slots: Sequence[_Slots]) -> None:
        """Ask these nodes from now on, and those that were given; the new ones last."""
        nodes = {*self._given, *(node for each in slots for node in each.nodes)}
        kept = [each for each in self._nodes if each in nodes]
        self._nodes = deque((*kept, *sorted(nodes.difference(kept))))

    async def _read_slots(self, node: Host) -> Sequence[_Slots]:
        """Which node has which slots, as one node knows it."""
        host, port = node
        connection = self._kind(host=host, port=port, **self._options)
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            await connection.send_command("CLUSTER", "SLOTS")
            return _parse_slots(await connection.read_response(), host)
        finally:
            await connection.disconnect(nowait=True)


def _parse_slots(reply: Any, asked: str) -> Sequence[_Slots]:
    """The parts of a reply; a node that does not say its host is where ``asked`` is."""
    try:
        return [
            _Slots(
                range(first, last + 1),
                [
                    (_name_host((host or b"").decode(), asked), int(port))
                    for host, port, *_ in (node, *nodes)
                ],
            )
            for first, last, node, *nodes in reply
        ]
    except (TypeError, ValueError, AttributeError):
        raise InvalidResponse("CLUSTER SLOTS has an answer that is none") from None


def _find_primary(slots: Sequence[_Slots]) -> Host | None:
    return next((each.nodes[0] for each in slots if _SLOT in each.numbers), None)


def _name_host(said: str, asked: str) -> str:
    """The host that a node says; the one asked if it says none, or ``?``, having no name to say."""
    return asked if said in {"", "?"} else said


class _CommandRefusedError(RedisConnectionError):
    """A node has not executed a command: another has the keys, or the Cluster is down."""


class _ClusterConnection(Connection):
    """A connection that finds the primary whenever it is opened."""

    def __init__(self, *, primary: ClusterPrimary, **options: Any) -> None:
        self._primary = primary
        # A command is sent again once, to the node that has the keys by then. Not one whose
        # answer is missing: it may have been executed, and would not give the same answer twice.
        retry = Retry(NoBackoff(), 1, supported_errors=(_CommandRefusedError,))
        super().__init__(**{"retry": retry, **options})

    async def connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        if self.is_connected:
            return
        try:
            await self._connect_to_primary(*args, **kwargs)
        except RedisConnectionError:
            # No command was sent yet, and the primary may be another by now.
            await self._connect_to_primary(*args, **kwargs)

    async def _connect_to_primary(self, *args: Any, **kwargs: Any) -> None:
        self.host, self.port = found = await self._primary.find()
        try:
            await super().connect_check_health(*args, **kwargs)
        except (RedisConnectionError, RedisTimeoutError):
            self._primary.forget(found)
            raise

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().read_response(*args, **kwargs)
        except MovedError as error:
            self._primary.replace((_name_host(error.host, self.host), error.port))
            await self.disconnect()
            raise _CommandRefusedError("the keys are on another node now") from error
        except ClusterDownError as error:
            self._primary.forget((self.host, self.port))
            await self.disconnect()
            raise _CommandRefusedError(f"CLUSTERDOWN {error}") from error
        except _NO_ANSWER:
            self._primary.forget((self.host, self.port))
            raise


class _SSLClusterConnection(_ClusterConnection, SSLConnection):
    pass

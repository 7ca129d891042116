"""Connections to receivers: none waits for another one's, and each may say so much and no more."""

from __future__ import annotations

import asyncio
import socket
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler

from backend.api.wire.webhooks.receiver_addresses import ReceiverPolicy

ANSWER_BYTES_MAX: Final = 65_536
"""So much may a receiver send for one message, with interim answers, headers and body."""
OWNER_LOOKUPS_MAX: Final = 4
"""Most names that are resolved at a time for one owner."""
_LOOKUP_THREADS: Final = 64

sending_owner: Final[ContextVar[str]] = ContextVar("sending_owner", default="")
"""The owner for whom a connection is made."""


class ReceiverConnector(aiohttp.TCPConnector):
    """Makes connections to receivers that a policy allows.

    It has no bound on their number: whoever sends has, and a connection that waits for another one
    would wait for the receivers of other owners.
    """

    def __init__(self, policy: ReceiverPolicy) -> None:
        # Without a cache no lookup waits for that of another owner who has named the same host.
        super().__init__(
            limit=0,
            use_dns_cache=False,
            resolver=ReceiverResolver(),
            socket_factory=policy.create_socket,
        )
        # aiohttp bounds a header, but neither how many interim answers come nor what trailers hold.
        self._factory = partial(_create_protocol, self._loop)


class _BoundedProtocol(ResponseHandler):
    """Closes the connection of a receiver that sends more than ``ANSWER_BYTES_MAX``."""

    _left = ANSWER_BYTES_MAX

    def set_response_params(self, **parameters: Any) -> None:
        """Begin with the next answer."""
        self._left = ANSWER_BYTES_MAX
        super().set_response_params(**parameters)

    def data_received(self, data: bytes) -> None:
        """Parse no more than what is left."""
        if self._left > 0:
            super().data_received(data[: self._left])
            self._left -= len(data)
        if self._left <= 0:
            self.abort()


def _create_protocol(loop: asyncio.AbstractEventLoop) -> ResponseHandler:
    return _BoundedProtocol(loop)


class ReceiverResolver(AbstractResolver):
    """Resolves names on threads of its own, a few at a time for each owner.

    A thread that asks for a name cannot be stopped: it counts for its owner until it has ended,
    also when nobody waits for it any more.
    """

    def __init__(self, look_up: Callable[..., list[Any]] = socket.getaddrinfo) -> None:
        self._look_up = look_up
        self._threads = ThreadPoolExecutor(_LOOKUP_THREADS, thread_name_prefix="webhook-names")
        self._turns: defaultdict[str, asyncio.Semaphore] = defaultdict(
            partial(asyncio.Semaphore, OWNER_LOOKUPS_MAX)
        )

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a host."""
        turns = self._turns[sending_owner.get()]
        await turns.acquire()
        loop = asyncio.get_running_loop()
        lookup = loop.run_in_executor(
            self._threads, self._look_up, host, port, family, socket.SOCK_STREAM
        )
        lookup.add_done_callback(lambda _: turns.release())
        found = await asyncio.shield(lookup)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Let the threads end, without waiting for names that hang."""
        self._threads.shutdown(wait=False, cancel_futures=True)

"""What waits to be sent to one socket: bounded, because a reader may be slower than we are.

A reader that falls too far behind loses its queue, is told so and is closed; it comes back with
its cursor and has missed nothing. Nobody else notices.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, NamedTuple, TypeVar

from backend.api.wire.problems import later
from backend.runtime import observe

Item = TypeVar("Item")


class Leaving(NamedTuple):
    """Why a socket is closed by us, and its close code (RFC 6455)."""

    code: int
    reason: str


DONE = Leaving(1000, "done")
SHUTTING_DOWN = Leaving(1001, "shutting_down")
REFUSED = Leaving(1008, "refused")
FAILED = Leaving(1011, "internal_error")
TOO_SLOW = Leaving(1013, "too_slow")
LATER = Leaving(1013, "try_again_later")


class Exit:
    """The way out of one socket: the first reason to leave counts."""

    def __init__(self) -> None:
        self._why: asyncio.Future[Leaving] = asyncio.get_running_loop().create_future()

    @property
    def is_taken(self) -> bool:
        """Whether somebody has asked to leave."""
        return self._why.done()

    def leave(self, why: Leaving) -> None:
        """Ask to leave."""
        if not self._why.done():
            self._why.set_result(why)

    async def left(self) -> Leaving:
        """Wait until somebody asks to leave; why."""
        return await asyncio.shield(self._why)


class Outbox(Generic[Item]):
    """A queue that holds items of at most ``weight_max`` together."""

    def __init__(self, way_out: Exit, *, weight_max: int) -> None:
        self._way_out = way_out
        self._weight_max = weight_max
        self._weight = 0
        self._waiting: deque[tuple[Item, int]] = deque()
        self._some = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, item: Item, weight: int = 1) -> None:
        """Add an item; when there is no room, drop everything and leave."""
        if self._way_out.is_taken:
            return
        if self._weight + weight > self._weight_max:
            self._waiting.clear()
            observe.socket_too_slow()
            self._way_out.leave(TOO_SLOW)
            return
        self._weight += weight
        self._waiting.append((item, weight))
        self._some.set()

    async def get(self) -> Item:
        """The next item, when there is one."""
        while not self._waiting:
            self._some.clear()
            await self._some.wait()
        item, weight = self._waiting.popleft()
        self._weight -= weight
        return item


class Sockets:
    """All open sockets of this process."""

    def __init__(self, sockets_max: int) -> None:
        self._sockets_max = sockets_max
        self._open: set[Exit] = set()
        self._is_draining = False
        self._none = asyncio.Event()
        self._none.set()

    @contextmanager
    def opened(self, route: str) -> Iterator[Exit]:
        """Count one socket for as long as it is open; its way out.

        Raises ``Problem`` (503) if there are too many, or if this process stops.
        """
        if self._is_draining:
            raise later("shutting_down", "this server is stopping; connect again")
        if len(self._open) >= self._sockets_max:
            raise later("too_many_sockets", f"{self._sockets_max} sockets are open already")
        way_out = Exit()
        self._open.add(way_out)
        self._none.clear()
        observe.socket_opened(route)
        try:
            yield way_out
        finally:
            observe.socket_closed(route)
            self._open.discard(way_out)
            if not self._open:
                self._none.set()

    async def drain(self) -> None:
        """Ask every socket to leave and let no more in; return when all are gone."""
        self._is_draining = True
        for way_out in tuple(self._open):
            way_out.leave(SHUTTING_DOWN)
        await self._none.wait()

"""The outgoing queue of one socket: bounded, because a client may read slower than events arrive.

A reader that falls too far behind loses its buffer and is closed with a reason; it reconnects
with its cursor and misses nothing. Other sockets are not affected.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

from backend.api.delivery.open_sockets import TOO_SLOW, CloseRequest
from backend.runtime import observe

Item = TypeVar("Item")


class OutgoingQueue(Generic[Item]):
    """A queue whose items weigh at most ``weight_max`` together."""

    def __init__(self, close_request: CloseRequest, *, weight_max: int) -> None:
        self._close_request = close_request
        self._weight_max = weight_max
        self._weight = 0
        self._items: deque[tuple[Item, int]] = deque()
        self._has_items = asyncio.Event()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item, weight: int = 1) -> None:
        """Append an item; without room for it, drop everything and request to close the socket."""
        if self._close_request.is_set:
            return
        if self._weight + weight > self._weight_max:
            self._items.clear()
            observe.slow_socket_closed()
            self._close_request.set(TOO_SLOW)
            return
        self._weight += weight
        self._items.append((item, weight))
        self._has_items.set()

    async def get(self) -> Item:
        """Remove and return the next item; wait until there is one."""
        while not self._items:
            self._has_items.clear()
            await self._has_items.wait()
        item, weight = self._items.popleft()
        self._weight -= weight
        return item

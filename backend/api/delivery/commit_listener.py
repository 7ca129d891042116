"""Listens for commit notifications while the feed tail of this process has subscribers.

Each notification costs every process that reads it, and many have nobody to tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

from backend.api.delivery.feed_tail import FeedTail
from backend.runtime.background import run_in_background
from backend.runtime.commit_notifications import CommitObserver

LINGER_S: Final = 30.0
"""How long it goes on listening without a subscriber: sockets of one order come and go."""


class Listen(Protocol):
    """Listens for commits until cancelled."""

    def __call__(
        self, on_commit: CommitObserver, on_subscribed: Callable[[], None], /
    ) -> Coroutine[Any, Any, None]:
        """Call ``on_commit`` with each commit that comes after ``on_subscribed`` was called."""
        ...


class CommitListener:
    """Tells the tail of commits while it is followed; ``run`` must be running.

    What was committed before the notifications come is read by the tail as soon as they do.
    """

    def __init__(self, tail: FeedTail, listen: Listen, *, linger_s: float = LINGER_S) -> None:
        self._tail = tail
        self._listen = listen
        self._linger_s = linger_s

    async def run(self) -> None:
        """Listen whenever the tail is followed, until cancelled."""
        while True:
            await self._tail.wait_followed()
            async with run_in_background(self._tell_tail):
                await self._wait_abandoned()

    def _tell_tail(self) -> Coroutine[Any, Any, None]:
        return self._listen(self._tail.notify_committed, self._tail.notify_missed)

    async def _wait_abandoned(self) -> None:
        """Wait until the tail has had no subscriber for a while."""
        subscriptions = -1
        while self._tail.is_followed or subscriptions != self._tail.subscriptions:
            subscriptions = self._tail.subscriptions
            await asyncio.sleep(self._linger_s)

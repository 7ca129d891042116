"""The doorbell: workers ring after a commit, so that readers of the feed look at once.

A ring carries nothing but the id of the transaction that wrote events: the events themselves are
read from the journal. So a lost ring costs a reader its next look, a fraction of a second later,
and never an event; and with Redis away the feed goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from backend.runtime import observe

RETRY_S = 0.5
PAUSE_S = 0.004
"""Least time between two rings of a process: each costs every reader more than it costs us."""


def channel(journal_id: UUID) -> str:
    """The name of the channel on which a journal's commits are rung."""
    return f"order-engine:{journal_id}:committed"


class Bell:
    """Rings for commits of this process; ``run`` must be running."""

    def __init__(self, redis: Redis, name: str) -> None:
        self._redis = redis
        self._name = name
        self._rung = asyncio.Event()
        self._txid = 0

    def ring(self, txid: int) -> None:
        """Tell readers of the transaction ``txid``, soon; returns at once."""
        self._txid = max(self._txid, txid)
        self._rung.set()

    async def run(self) -> None:
        """Publish the newest ring until cancelled; those within ``PAUSE_S`` are one."""
        while True:
            await self._rung.wait()
            self._rung.clear()
            try:
                await self._redis.publish(self._name, str(self._txid))
                _heed()
                await asyncio.sleep(PAUSE_S)
            except (RedisError, OSError) as error:
                _heed()
                observe.redis_gone("ring", error)
                await asyncio.sleep(RETRY_S)


async def listen(redis: Redis, name: str, heard: Callable[[int], None]) -> None:
    """Call ``heard`` with the transaction id of each ring until cancelled; reconnects."""
    while True:
        try:
            async with redis.pubsub(ignore_subscribe_messages=True) as bell:
                await bell.subscribe(name)
                _heed()
                await _hear(bell, heard)
        except (RedisError, OSError) as error:
            _heed()
            observe.redis_gone("listen", error)
            await asyncio.sleep(RETRY_S)


async def _hear(bell: Any, heard: Callable[[int], None]) -> None:
    while True:
        message = await bell.get_message(timeout=30)
        if message is not None:
            heard(int(message["data"]))


def _heed() -> None:
    """Be cancelled if that was asked for: redis-py swallows it while it connects."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError

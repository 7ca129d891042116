"""Commit notifications: a message on Redis after each commit, so that feed readers poll at once.

A notification carries only the id of the transaction that wrote events: the events themselves are
read from the journal. A lost notification delays a reader until its next poll, a fraction of a
second later, and never loses an event; without Redis the feed continues by polling.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from backend.runtime import observe_queue, trace
from backend.runtime.redis.errors import drop_connections_if_moved

RETRY_S = 0.5
MIN_INTERVAL_S = 0.004
"""Shortest time between two notifications of a process: each one costs every reader a query."""
TXID_DIGITS_MAX = 19
"""A transaction id of PostgreSQL has 64 bits."""


def channel_name(journal_id: UUID) -> str:
    """The name of the Redis channel for the commit notifications of a journal."""
    return f"order-engine:{journal_id}:committed"


class CommitNotifier:
    """Publishes the commits of this process; ``run`` must be running."""

    def __init__(self, redis: Redis, name: str) -> None:
        self._redis = redis
        self._name = name
        self._commit_pending = asyncio.Event()
        self._txid = 0

    def notify(self, txid: int) -> None:
        """Publish the transaction id ``txid`` soon; returns at once."""
        self._txid = max(self._txid, txid)
        self._commit_pending.set()

    async def run(self) -> None:
        """Publish until cancelled; commits within ``MIN_INTERVAL_S`` share one notification."""
        while True:
            await self._commit_pending.wait()
            self._commit_pending.clear()
            try:
                started_s = monotonic()
                await self._redis.publish(self._name, str(self._txid))
                trace.mark_span("Redis: publish", started_s)
                _raise_if_cancelled()
                await asyncio.sleep(MIN_INTERVAL_S)
            except (RedisError, OSError) as error:
                _raise_if_cancelled()
                observe_queue.redis_unavailable("publish", error)
                await drop_connections_if_moved(self._redis.connection_pool, error)
                await asyncio.sleep(RETRY_S)


async def listen_for_commits(redis: Redis, name: str, on_commit: Callable[[int], None]) -> None:
    """Call ``on_commit`` with the transaction id of each notification; reconnects on errors."""
    while True:
        try:
            async with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                await pubsub.subscribe(name)
                _raise_if_cancelled()
                await _receive_notifications(pubsub, on_commit)
        except (RedisError, OSError) as error:
            _raise_if_cancelled()
            observe_queue.redis_unavailable("listen", error)
            await asyncio.sleep(RETRY_S)


async def _receive_notifications(pubsub: Any, on_commit: Callable[[int], None]) -> None:
    while True:
        message = await pubsub.get_message(timeout=30)
        if message is not None:
            txid = _parse_txid(message["data"])
            if txid is not None:
                trace.mark_step("notification received")
                on_commit(txid)


def _parse_txid(data: object) -> int | None:
    """The transaction id of a notification; ``None`` if somebody else published something."""
    if isinstance(data, bytes) and data.isdigit() and len(data) <= TXID_DIGITS_MAX:
        return int(data)
    return None


def _raise_if_cancelled() -> None:
    """Raise a pending cancellation: redis-py swallows it while it connects."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError

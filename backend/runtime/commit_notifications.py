"""Commit notifications: a message on Redis after each commit, with what was committed.

A notification carries the id of the transaction and all events that it wrote, unless they are many:
then the readers of the feed fetch them from the journal. It is a hint that may be lost, doubled,
late or out of order: what a reader lacks it reads from the journal, at the next gap that it sees or
a fraction of a second later. Without Redis the feed continues by polling.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache, partial
from time import monotonic
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from backend.domain.lifecycle import Status
from backend.domain.orders import OrderEvent
from backend.domain.quotes import Dex
from backend.runtime import observe_queue, trace
from backend.runtime.background import run_in_background
from backend.runtime.loop_load import loop_load
from backend.runtime.redis.errors import drop_connections_if_moved
from backend.runtime.redis.subscription import check_subscription

RETRY_S = 0.5
TXID_MAX: Final = 2**63 - 1
MIN_INTERVAL_S: Final = 0.004
"""Shortest time between two messages of a process under full load: each costs every reader time."""
EVENTS_MAX: Final = 10
"""Most events of a commit that its notification carries: more are read at less cost in one page."""
STEP_DELAY_S: Final = 0.001
"""How long the notification of a commit waits whose orders go on: their next step goes first, being
worth more than the news of the last one, and may carry it."""
COMMITS_MAX: Final = 20
"""Most commits in one message."""
WAITING_MAX: Final = 1_000
"""Most commits that wait to be published; while Redis takes none, the oldest are dropped."""


class Commit(NamedTuple):
    """A transaction that has committed, with all events that it wrote.

    ``None`` if they are too many, or not known: its events have to be read. ``begins_wait`` tells
    that an order began to wait for a price in it, where its events are not here.
    """

    txid: int
    events: Sequence[OrderEvent] | None
    begins_wait: bool = False


_STATUSES: Final = {each.value: each for each in Status}
_DEXES: Final[dict[str | None, Dex | None]] = {None: None, **{each.value: each for each in Dex}}
_STATUSES_AROUND_WAIT: Final = {Status.WAITING, Status.CANCELLED, Status.EXPIRED}

CommitObserver = Callable[[Commit], None]
"""Called after a commit."""


def channel_name(journal_id: UUID) -> str:
    """The name of the Redis channel for the commit notifications of a journal."""
    return f"order-engine:{journal_id}:committed"


def waiting_channel_name(name: str) -> str:
    """The name of the channel for those commits that concern orders that wait for a price.

    Few commits do, so that those who watch prices are not woken by all others. ``name`` is that of
    the channel for all commits.
    """
    return f"{name}:waiting"


class CommitNotifier:
    """Publishes the commits of this process; ``run`` must be running."""

    def __init__(self, redis: Redis, name: str) -> None:
        self._redis = redis
        self._name = name
        self._commit_pending = asyncio.Event()
        self._waiting: list[Commit] = []
        self._delay: asyncio.TimerHandle | None = None

    def notify(self, commit: Commit) -> None:
        """Publish a commit soon; returns at once.

        It is published at once if an order ended in it, and else within ``STEP_DELAY_S``.
        """
        if len(self._waiting) >= WAITING_MAX:
            del self._waiting[: WAITING_MAX // 2]
        self._waiting.append(commit)
        if not _goes_on(commit):
            self._commit_pending.set()
        elif self._delay is None:
            self._delay = asyncio.get_running_loop().call_later(STEP_DELAY_S, self._end_delay)

    def take_message(self) -> tuple[str, bytes]:
        """The channel and message of the commits that wait, for a call to Redis that publishes it.

        Both are empty if no commit waits, or one that concerns orders that wait for a price.
        """
        commits = self._waiting[:COMMITS_MAX]
        if not commits or any(map(concerns_waiting, commits)):
            return "", b""
        del self._waiting[:COMMITS_MAX]
        if not self._waiting and self._delay is not None:
            self._delay.cancel()  # nothing is left to publish then
            self._delay = None
        return self._name, encode_commits(commits)

    def _end_delay(self) -> None:
        self._delay = None
        self._commit_pending.set()

    async def run(self) -> None:
        """Publish until cancelled; the commits of the time that a message takes share the next.

        Under load they share that of the next ``MIN_INTERVAL_S`` too.
        """
        while True:
            await self._commit_pending.wait()
            self._commit_pending.clear()
            while self._waiting:
                commits = self._waiting[:COMMITS_MAX]
                del self._waiting[:COMMITS_MAX]
                try:
                    started_s = monotonic()
                    await self._redis.publish(self._name, encode_commits(commits))
                    trace.mark_span("Redis: publish", started_s)
                    if waiting := list(filter(concerns_waiting, commits)):
                        name = waiting_channel_name(self._name)
                        await self._redis.publish(name, encode_commits(waiting))
                    _raise_if_cancelled()
                    if pause_s := loop_load.scale(MIN_INTERVAL_S):
                        await asyncio.sleep(pause_s)
                except (RedisError, OSError) as error:
                    _raise_if_cancelled()
                    observe_queue.redis_unavailable("publish", error)
                    await drop_connections_if_moved(self._redis.connection_pool, error)
                    await asyncio.sleep(RETRY_S)


def encode_commits(commits: Sequence[Commit]) -> bytes:
    """The message for some commits."""
    return orjson.dumps([(commit.txid, _encode_events(commit.events)) for commit in commits])


def decode_commits(message: object) -> list[Commit]:
    """The commits of a message; none if somebody else published something."""
    try:
        assert isinstance(message, bytes)
        return [_decode_commit(*each) for each in orjson.loads(message)]
    except (AssertionError, TypeError, ValueError, AttributeError, LookupError):
        return []


def concerns_waiting(commit: Commit) -> bool:
    """Whether an order begins to wait for a price in a commit, or may wait no more."""
    if commit.events is None:
        return commit.begins_wait
    return any(event.status in _STATUSES_AROUND_WAIT for event in commit.events)


def _goes_on(commit: Commit) -> bool:
    return commit.events is not None and not any(each.status.is_final for each in commit.events)


def _encode_events(events: Sequence[OrderEvent] | None) -> list[tuple[object, ...]] | None:
    if events is None or len(events) > EVENTS_MAX:
        return None
    return [
        (
            str(each.order_id),  # asyncpg has a UUID of its own
            each.seq,
            each.status,
            each.at,
            each.attempt,
            each.data,
            each.owner,
            None if each.batch_id is None else str(each.batch_id),
            each.dex,
        )
        for each in events
    ]


def _decode_commit(txid: int, events: list[list[Any]] | None) -> Commit:
    if type(txid) is not int or not 0 < txid <= TXID_MAX:
        raise ValueError("not a transaction id")
    if events is None:
        return Commit(txid, None)
    return Commit(txid, [_decode_event(txid, each) for each in events])


def _decode_event(txid: int, fields: list[Any]) -> OrderEvent:
    order_id, seq, status, at, attempt, data, owner, batch_id, dex = fields
    return OrderEvent(
        order_id=_parse_id(order_id),
        seq=seq,
        status=_STATUSES[status],
        at=datetime.fromisoformat(at),
        attempt=attempt,
        data=data,
        txid=txid,
        owner=owner,
        batch_id=None if batch_id is None else _parse_id(batch_id),
        dex=_DEXES[dex],
    )


@lru_cache(maxsize=4_096)
def _parse_id(text: str) -> UUID:
    """An id, of which several events follow each other."""
    return UUID(text)


def _ignore_subscription() -> None:
    """Do nothing."""


async def listen_for_commits(
    redis: Redis,
    name: str,
    on_commit: CommitObserver,
    on_subscribed: Callable[[], None] = _ignore_subscription,
) -> None:
    """Call ``on_commit`` with each commit of each notification; reconnects on errors.

    ``on_subscribed`` is called whenever notifications arrive from now on: earlier ones are missing.
    """
    pool = redis.connection_pool
    while True:
        try:
            async with redis.pubsub() as pubsub:
                await pubsub.subscribe(name)
                _raise_if_cancelled()
                answered = asyncio.Event()
                async with run_in_background(
                    partial(check_subscription, pool, pubsub.connection, answered)
                ):
                    await _receive_notifications(pubsub, on_commit, on_subscribed, answered.set)
        except (RedisError, OSError) as error:
            _raise_if_cancelled()
            observe_queue.redis_unavailable("listen", error)
            await asyncio.sleep(RETRY_S)


async def _receive_notifications(
    pubsub: Any,
    on_commit: CommitObserver,
    on_subscribed: Callable[[], None],
    on_answer: Callable[[], None],
) -> None:
    while True:
        message = await pubsub.get_message(timeout=30)
        if message is None:
            continue
        if message["type"] == "subscribe":
            on_subscribed()
        elif message["type"] == "pong":
            on_answer()
        else:
            trace.mark_step("notification received")
            for commit in decode_commits(message["data"]):
                on_commit(commit)


def _raise_if_cancelled() -> None:
    """Raise a pending cancellation: redis-py swallows it while it connects."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError

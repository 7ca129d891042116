"""The feed tail: what notifications tell is published in order, and the journal fills the gaps."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import cast
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from backend.api.delivery.event_page import EncodedEvent, EventPage
from backend.api.delivery.feed_tail import FeedTail
from backend.api.delivery.open_sockets import CloseRequest
from backend.api.delivery.outgoing_queue import OutgoingQueue
from backend.domain.lifecycle import Cause, Status, advance
from backend.domain.orders import OrderEvent, SignedTransaction
from backend.runtime.commit_notifications import (
    EVENTS_MAX,
    Commit,
    decode_commits,
    encode_commits,
)
from backend.store.feed import Feed, FeedPosition
from backend.store.intake import NewBatch
from backend.store.transitions import IntermediateStep, Transition
from tests.integration.stores import (
    Store,
    accept_order,
    build_routed,
    claim_order,
    new_order,
    open_store,
)

HEAD = 100
WAIT_S = 60
EventKey = tuple[UUID, int]


class UnreadableFeed:
    """A feed that tells where it ends, and nothing more."""

    async def read_head(self) -> FeedPosition:
        return FeedPosition(HEAD)

    async def read_events(self, after: FeedPosition, limit: int) -> object:
        raise AssertionError(f"{limit} events after {after} are read from the journal")


@asynccontextmanager
async def run_tail(feed: Feed) -> AsyncIterator[tuple[FeedTail, OutgoingQueue[EventPage]]]:
    """A tail of a feed, with the queue of one subscriber to all orders."""
    tail = FeedTail(feed, str, is_feed_delayed=lambda: False)
    queue: OutgoingQueue[EventPage] = OutgoingQueue(CloseRequest(), weight_max=100_000)
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(tail.run())
        async with tail.subscribe(queue):
            yield tail, queue
        run.cancel()


async def receive_keys(queue: OutgoingQueue[EventPage], count: int) -> list[EventKey]:
    keys: list[EventKey] = []
    async with asyncio.timeout(WAIT_S):
        while len(keys) < count:
            keys += [(each.event.order_id, each.event.seq) for each in await queue.get()]
    return keys


def make_event(txid: int, order: int, seq: int) -> OrderEvent:
    at = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    return OrderEvent(UUID(int=order), seq, Status.ROUTING, at, 1, "{}", txid, "local", None, None)


async def test_commits_that_follow_each_other_are_published_without_the_journal() -> None:
    orders = [HEAD + 1, HEAD + 3, HEAD, HEAD + 2, HEAD, HEAD - 1]  # out of order, doubled, old
    commits = [
        Commit(txid, [make_event(txid, 2, txid), make_event(txid, 1, txid)]) for txid in orders
    ]
    commits.append(Commit(HEAD + 4, []))  # one that wrote no event
    commits.append(Commit(HEAD + 5, [make_event(HEAD + 5, 9, 1)]))
    notified = REGISTRY.get_sample_value("events_notified_total") or 0
    async with run_tail(cast(Feed, UnreadableFeed())) as (tail, queue):
        for commit in commits:
            tail.notify_committed(commit)
        keys = await receive_keys(queue, 9)
        assert tail.position == FeedPosition(HEAD + 6)
    assert REGISTRY.get_sample_value("events_notified_total") == notified + 9
    assert keys == [
        *((UUID(int=order), txid) for txid in range(HEAD, HEAD + 4) for order in (1, 2)),
        (UUID(int=9), 1),
    ]


async def test_the_sockets_of_an_order_get_its_events_before_their_turn() -> None:
    async with run_tail(cast(Feed, UnreadableFeed())) as (tail, stream):
        queue: OutgoingQueue[EncodedEvent] = OutgoingQueue(CloseRequest(), weight_max=10)
        async with tail.subscribe_to_order(UUID(int=1), queue):
            tail.notify_committed(Commit(HEAD + 1, [make_event(HEAD + 1, 1, 2)]))
            assert [(await queue.get()).event.seq, len(stream)] == [2, 0]
            tail.notify_committed(Commit(HEAD, [make_event(HEAD, 3, 1)]))
            assert await receive_keys(stream, 2) == [(UUID(int=3), 1), (UUID(int=1), 2)]


def test_a_message_carries_every_field_of_every_event() -> None:
    event = make_event(7, 1, 1)._replace(data='{"a":"\u20ac"}', batch_id=UUID(int=4))
    commits = [Commit(7, [event]), Commit(8, []), Commit(9, None)]
    assert decode_commits(encode_commits(commits)) == commits
    many = Commit(10, [make_event(10, order, 1) for order in range(EVENTS_MAX + 1)])
    assert decode_commits(encode_commits([many])) == [Commit(10, None)]


def normalize(event: OrderEvent) -> OrderEvent:
    return event._replace(data=json.dumps(json.loads(event.data), sort_keys=True))


async def confirm(store: Store) -> None:
    """Execute an order: the route and the signed transaction in one commit."""
    order = await claim_order(store)
    routed = advance(order.status, order.attempt, Cause.ROUTED)
    step = advance(routed.status, routed.attempt, Cause.SIGNED)
    signed = SignedTransaction("signature", b"bytes", 7)
    build = build_routed(order)
    via = IntermediateStep(routed, build.data)
    await store.journal.record(
        Transition(
            order, step, '{"txHash":"signature"}', via, dex=build.dex, route="{}", signed=signed
        )
    )
    order = replace(order, status=step.status, seq=order.seq + 2)
    step = advance(order.status, order.attempt, Cause.LANDED)
    await store.journal.record(
        Transition(order, step, '{"slot":7}', amount_out=7, executed_price="1.5")
    )


async def test_a_commit_tells_what_a_reader_of_the_journal_gets(database_url: str) -> None:
    async with open_store(database_url) as store:
        start = await store.feed.read_head()
        await confirm(store)
        batch = NewBatch(UUID(int=1), "local", None, b"batch", "{}")
        orders = [replace(new_order(), batch_id=batch.id) for _ in range(3)]
        assert await store.intake.accept_batch(batch, orders) is None
        await store.wait_readable()
        events, _ = await store.feed.read_events(start, 100)
        assert len(events) == 8
        told = [each for commit in store.commits for each in commit.events or ()]
        # The dex of an order is as of the reading: what came before its route tells none.
        told = [each._replace(dex=read.dex) for each, read in zip(told, events, strict=True)]
        assert sorted(map(normalize, told), key=lambda e: (e.txid, e.order_id, e.seq)) == list(
            map(normalize, events)
        )


async def test_a_batch_that_is_not_stored_is_not_told(database_url: str) -> None:
    async with open_store(database_url) as store:
        await store.intake.accept(new_order(client_order_id="taken"))
        del store.commits[:]
        batch = NewBatch(UUID(int=1), "local", None, b"batch", "{}")
        with pytest.raises(Exception, match="already used"):
            await store.intake.accept_batch(
                batch, [new_order(), new_order(b"another", client_order_id="taken")]
            )
        assert store.commits == []


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_notification_is_needed_and_none_does_harm(database_url: str, seed: int) -> None:
    """Whatever is lost, doubled, late or reordered: every event once, in the order of the feed."""
    random = Random(seed)
    async with open_store(database_url) as store:
        start = await store.feed.read_head()
        async with run_tail(store.feed) as (tail, queue), asyncio.TaskGroup() as tasks:
            loop = asyncio.get_running_loop()

            def notify() -> None:
                for commit in store.commits[notify_from[0] :]:
                    for _ in range(random.choice((0, 1, 1, 1, 2))):
                        told = commit if random.random() < 0.9 else Commit(commit.txid, None)
                        loop.call_later(random.choice((0, 0, 0.02)), tail.notify_committed, told)
                notify_from[0] = len(store.commits)
                loop.call_later(0.002, notify)

            notify_from = [0]
            notify()
            for _ in range(40):
                tasks.create_task(confirm(store))
                tasks.create_task(accept_order(store))
            keys = await receive_keys(queue, 240)
        await store.wait_readable()
        expected = await read_all_keys(store, start)
        assert keys == expected


async def read_all_keys(store: Store, start: FeedPosition) -> Sequence[EventKey]:
    events, _ = await store.feed.read_events(start, 1_000)
    return [(event.order_id, event.seq) for event in events]

"""The components of the store on a real database, for integration tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from backend.api.wire.cursors import StreamCursors
from backend.domain.conditions import Limit, Stop, TakeProfit
from backend.domain.groups.brackets import Bracket, BracketLeg
from backend.domain.lifecycle import Cause, advance
from backend.domain.orders import LeasedOrder, NewOrder, OrderTerms, OrderType, TimeInForce
from backend.domain.prices import PriceOf, PriceRatio
from backend.domain.quotes import Dex
from backend.domain.tokens import SOL, USDC, TokenRegistry
from backend.runtime.commit_notifications import Commit
from backend.store.counts import OpenOrderCounts
from backend.store.database import DatabasePool, open_pool
from backend.store.feed import Feed, FeedPosition
from backend.store.intake import Intake
from backend.store.journal import Journal, LeasePolicy
from backend.store.leases import LeaseStore
from backend.store.reads.queries import OrderQueries
from backend.store.transitions import Transition
from backend.store.waiting.amendments import Amendments
from backend.store.waiting.share_releases import ShareReleases
from backend.store.waiting.waiting_orders import WaitingOrders
from backend.store.withdrawals.cancel_timers import CancelTimers
from backend.store.withdrawals.cancellations import Cancellations
from backend.store.withdrawals.expiries import Expiries

ORDER_TERMS = OrderTerms(OrderType.MARKET, SOL, USDC, 10**9, None, 50)
LIMIT_TERMS = replace(
    ORDER_TERMS,
    type=OrderType.LIMIT,
    min_amount_out=120_000_000,
    condition=Limit(PriceRatio(12, 100)),
)
"""Waits until a SOL brings 120 USDC."""
BRACKET = Bracket(
    BracketLeg(TakeProfit(PriceRatio(12, 1)), PriceOf.TOKEN_IN, 50),
    BracketLeg(Stop(PriceRatio(9, 1)), PriceOf.TOKEN_IN, 300),
)
"""Sells what was bought, at 12 or at 9 base units each."""
LONG_LEASES = LeasePolicy(duration=timedelta(seconds=60), rekick_after=timedelta(seconds=60))
EXPIRED_LEASES = LeasePolicy(duration=timedelta(0), rekick_after=timedelta(0))
"""Leases that expire at once, and jobs that are overdue at once."""


def new_order(
    request: bytes = b"request",
    *,
    client_order_id: str | None = None,
    idempotency_key: str | None = None,
    expires_at: datetime | None = None,
    owner: str = "local",
    terms: OrderTerms = ORDER_TERMS,
    oco_group: UUID | None = None,
    bracket: Bracket | None = None,
) -> NewOrder:
    time_in_force = TimeInForce.GTC if expires_at is None else TimeInForce.GTD
    return NewOrder(
        uuid7(),
        owner,
        terms,
        request,
        client_order_id,
        idempotency_key,
        time_in_force=time_in_force,
        expires_at=expires_at,
        oco_group=oco_group,
        bracket=bracket,
    )


@dataclass(frozen=True, slots=True)
class Store:
    pool: DatabasePool
    intake: Intake
    journal: Journal
    leases: LeaseStore
    cancellations: Cancellations
    expiries: Expiries
    timers: CancelTimers
    orders: OrderQueries
    waiting: WaitingOrders
    shares: ShareReleases
    amendments: Amendments
    feed: Feed
    committed_txids: list[int]
    """The transaction ids that were reported as committed."""
    commits: list[Commit]
    """The same with their events."""

    async def count_open(self) -> int:
        counts = OpenOrderCounts(self.pool)
        await counts.poll()
        return counts.total

    async def wait_readable(self) -> None:
        """Return when all committed events can be read from the feed."""
        await wait_feed_reads(self.feed, max(self.committed_txids))


async def wait_feed_reads(feed: Feed, txid: int) -> None:
    """Return when what a transaction wrote can be read from the feed.

    The tests share a server, and an open transaction of another test holds the feed back.
    """
    async with asyncio.timeout(60):
        while (await feed.read_head()).txid <= txid:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def open_store(url: str, policy: LeasePolicy = LONG_LEASES) -> AsyncIterator[Store]:
    committed_txids: list[int] = []
    commits: list[Commit] = []

    def on_commit(commit: Commit) -> None:
        committed_txids.append(commit.txid)
        commits.append(commit)

    async with open_pool(url, connections_max=5) as pool:
        cancellations = Cancellations(pool, on_commit=on_commit)
        times = {"rekick_after": policy.rekick_after, "ahead_max": policy.ahead_max}
        store = Store(
            pool,
            Intake(pool, rekick_after=policy.rekick_after, on_commit=on_commit),
            Journal(pool, policy=policy, on_commit=on_commit),
            LeaseStore(pool, policy=policy, tokens=TokenRegistry(), on_commit=on_commit),
            cancellations,
            Expiries(pool, on_commit=on_commit),
            CancelTimers(pool, cancellations),
            OrderQueries(pool),
            WaitingOrders(pool, tokens=TokenRegistry(), on_commit=on_commit, **times),
            ShareReleases(pool, on_commit=on_commit, **times),
            Amendments(pool, on_commit=on_commit),
            Feed(pool),
            committed_txids,
            commits,
        )
        async with asyncio.TaskGroup() as group:
            runs = [store.intake.run, store.journal.run, store.leases.run, store.cancellations.run]
            runs.append(store.amendments.run)
            tasks = [group.create_task(run()) for run in runs]
            try:
                yield store
            finally:
                for task in tasks:
                    task.cancel()


async def accept_order(store: Store) -> UUID:
    return (await store.intake.accept(new_order())).id


async def claim_order(store: Store) -> LeasedOrder:
    order = await store.leases.claim(await accept_order(store))
    assert order is not None
    return order


def build_routed(order: LeasedOrder) -> Transition:
    step = advance(order.status, order.attempt, Cause.ROUTED)
    return Transition(order, step, '{"dex":"raydium"}', dex=Dex.RAYDIUM, route="{}")


async def read_positions(database_url: str) -> Callable[[str], FeedPosition]:
    """What tells the feed position in a stream's cursor: only who reads the journal's key can."""
    async with open_pool(database_url, connections_max=1) as pool:
        feed = Feed(pool)
        cursors = StreamCursors(await feed.read_cursor_key(), await feed.read_journal_id())

    def get_position(cursor: str) -> FeedPosition:
        position = cursors.parse(cursor).position
        assert position is not None
        return position

    return get_position

"""The store's parts on a real database, as the tests here open them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from backend.domain.lifecycle import Happening, advance
from backend.domain.orders import Held, NewOrder, OrderType, Terms
from backend.domain.quotes import Dex
from backend.domain.tokens import SOL, USDC, Tokens
from backend.store.database import Pool, connect
from backend.store.feed import Feed
from backend.store.intake import Intake
from backend.store.journal import Journal, LeaseTerms, Transition
from backend.store.leases import Leases
from backend.store.queries import Orders

TERMS = Terms(OrderType.MARKET, SOL, USDC, 10**9, None, 50)
LONG = LeaseTerms(lease=timedelta(seconds=60), rekick=timedelta(seconds=60))
NONE = LeaseTerms(lease=timedelta(0), rekick=timedelta(0))
"""Leases that are over at once, and jobs that are overdue at once."""


def new_order(
    request: bytes = b"request",
    *,
    client_order_id: str | None = None,
    idempotency_key: str | None = None,
) -> NewOrder:
    return NewOrder(uuid7(), "local", TERMS, request, client_order_id, idempotency_key)


@dataclass(frozen=True, slots=True)
class Store:
    pool: Pool
    intake: Intake
    journal: Journal
    leases: Leases
    orders: Orders
    feed: Feed
    committed: list[int]
    """The transactions that rang the bell."""

    async def readable(self) -> None:
        """Return when everything committed can be read from the feed.

        The tests share a server, and a transaction of another one holds the feed back.
        """
        async with asyncio.timeout(30):
            while (await self.feed.head()).txid <= max(self.committed):
                await asyncio.sleep(0.01)


@asynccontextmanager
async def open_store(url: str, terms: LeaseTerms = LONG) -> AsyncIterator[Store]:
    committed: list[int] = []
    ring = committed.append
    async with connect(url, connections_max=5) as pool:
        store = Store(
            pool,
            Intake(pool, rekick=terms.rekick, committed=ring),
            Journal(pool, terms=terms, committed=ring),
            Leases(pool, terms=terms, tokens=Tokens(), committed=ring),
            Orders(pool),
            Feed(pool),
            committed,
        )
        async with asyncio.TaskGroup() as group:
            runs = [store.intake.run, store.journal.run, store.leases.run]
            tasks = [group.create_task(run()) for run in runs]
            try:
                yield store
            finally:
                for task in tasks:
                    task.cancel()


async def accepted(store: Store) -> UUID:
    return (await store.intake.accept(new_order())).id


async def claimed(store: Store) -> Held:
    order = await store.leases.claim(await accepted(store))
    assert order is not None
    return order


def routed(order: Held) -> Transition:
    step = advance(order.status, order.attempt, Happening.ROUTED)
    return Transition(order, step, '{"dex":"raydium"}', dex=Dex.RAYDIUM, route="{}")

"""The services of an API process. Clock and ids are injected here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from redis.asyncio import Redis
from uuid_utils.compat import uuid7

from backend.chain.nodes.solana_node import SolanaNode
from backend.chain.rpc.history import HistoryProbe
from backend.config import Settings
from backend.domain.errors import Transient
from backend.domain.tokens import TokenRegistry
from backend.engine.accounts import Accounts, build_accounts
from backend.engine.nodes.cluster import Cluster, ProgramProbe
from backend.engine.notices import build_notices, open_messenger
from backend.engine.shared_services import SharedServices, open_readers, open_shared_services
from backend.engine.wallets.funds import build_holdings
from backend.engine.withdrawals import Withdrawals, build_withdrawals
from backend.execution.wallet.balance_sheet import BalanceSheet
from backend.execution.wallet.holdings import WalletHoldings
from backend.queue.jobs import JobQueue
from backend.routing.mints import Mints
from backend.routing.pool_finder import ListingProbe
from backend.routing.router import Router
from backend.runtime.background import run_in_background
from backend.runtime.startup import wait_for_server
from backend.store.access.key_store import KeyStore
from backend.store.counts import OpenOrderCounts, StatusCounts
from backend.store.database import DatabasePool
from backend.store.feed import Feed
from backend.store.feed_lag import FeedLag
from backend.store.intake import Intake
from backend.store.reads.queries import OrderQueries
from backend.store.trading.control import TradingControl
from backend.store.waiting.amendments import Amendments
from backend.store.waiting.market_peaks import MarketPeaks
from backend.triggers.offers.recent_markets import RecentMarkets


def new_id() -> UUID:
    """A UUIDv7: ids sort by their time of creation."""
    return uuid7()


def now() -> datetime:
    """The clock of this machine, for display only: no decision depends on it."""
    return datetime.now(UTC)  # noqa: TID251 - the only wall clock, injected elsewhere


class NodeProbes(NamedTuple):
    """What a node can do, and has, asked for ``/readyz``."""

    history: HistoryProbe
    listing: ListingProbe
    programs: ProgramProbe


@dataclass(frozen=True, slots=True)
class ApiServices:
    """The services of an API process."""

    settings: Settings
    tokens: TokenRegistry
    redis: Redis
    rpc: SolanaNode
    cluster: Cluster
    router: Router
    mints: Mints
    intake: Intake
    withdrawals: Withdrawals
    amendments: Amendments
    markets: RecentMarkets
    """The markets that are shown with waiting orders."""
    peaks: MarketPeaks
    """Read on the connections of readers, as orders are."""
    holdings: WalletHoldings
    """What the wallet holds, for orders that sell a share of it."""
    balance_sheet: BalanceSheet
    pool: DatabasePool
    readers: DatabasePool
    """The connections for what clients read."""
    orders: OrderQueries
    accounts: Accounts
    open_orders: OpenOrderCounts
    keys: KeyStore
    counts: StatusCounts
    feed: Feed
    past_events: Feed
    """The feed as clients read what is past in it, on the connections of readers."""
    feed_lag: FeedLag
    journal_id: UUID
    cursor_key: bytes
    jobs: JobQueue
    probes: NodeProbes
    trading: TradingControl
    new_id: Callable[[], UUID]
    now: Callable[[], datetime]


class _PlacedOrders(NamedTuple):
    """What writes the orders of clients."""

    intake: Intake
    amendments: Amendments
    open_orders: OpenOrderCounts
    withdrawals: Withdrawals


@asynccontextmanager
async def open_api_services(
    settings: Settings, *, stop: asyncio.Event | None = None
) -> AsyncIterator[ApiServices]:
    """Open the services of an API process, as soon as the servers that it needs answer.

    Raises what is wrong with their configuration, and ``StartInterrupted`` once ``stop`` is set.
    """
    messenger = open_messenger(settings)
    async with open_shared_services(settings, stop, awaits_node=False) as shared:
        intake, amendments = _build_writers(settings, shared)
        open_orders, withdrawals = OpenOrderCounts(shared.pool), build_withdrawals(shared)
        writers = intake.run, open_orders.run, amendments.run, withdrawals.cancellations.run
        notices = build_notices(settings, messenger, shared.pool, new_id())
        runs = *writers, withdrawals.run, *notices
        async with open_readers(settings) as readers, run_in_background(*runs):
            cursor_key = await _read_cursor_key(shared, stop)
            placed = _PlacedOrders(intake, amendments, open_orders, withdrawals)
            yield _build_services(settings, shared, readers, placed, cursor_key)
            await _run_within(shared.broker.wait_sent(), 2)


def _build_services(
    settings: Settings,
    shared: SharedServices,
    readers: DatabasePool,
    placed: _PlacedOrders,
    cursor_key: bytes,
) -> ApiServices:
    return ApiServices(
        settings=settings,
        tokens=shared.tokens,
        redis=shared.redis,
        rpc=shared.rpc,
        cluster=shared.cluster,
        router=shared.router,
        mints=shared.launches.mints,
        intake=placed.intake,
        withdrawals=placed.withdrawals,
        amendments=placed.amendments,
        markets=RecentMarkets(shared.router, age_max_s=settings.trigger_interval_s),
        peaks=MarketPeaks(readers),
        holdings=build_holdings(settings, shared),
        balance_sheet=BalanceSheet(readers, shared.rpc, shared.tokens),
        pool=shared.pool,
        readers=readers,
        orders=OrderQueries(shared.pool, readers=readers, tokens=shared.tokens),
        accounts=build_accounts(settings, shared, readers),
        open_orders=placed.open_orders,
        keys=KeyStore(shared.pool),
        counts=StatusCounts(shared.pool),
        feed=shared.feed,
        past_events=Feed(readers),
        feed_lag=FeedLag(shared.pool, warning_s=settings.feed_lag_warning_s),
        journal_id=shared.journal_id,
        cursor_key=cursor_key,
        jobs=JobQueue(shared.broker, has_backlog=placed.open_orders.has_backlog),
        probes=_build_probes(shared),
        trading=TradingControl(shared.trading, shared.pool, placed.withdrawals.cancellations),
        new_id=new_id,
        now=now,
    )


async def _read_cursor_key(shared: SharedServices, stop: asyncio.Event | None) -> bytes:
    read = shared.feed.read_cursor_key
    return await wait_for_server("PostgreSQL", read, away=(Transient,), stop=stop)


def _build_probes(shared: SharedServices) -> NodeProbes:
    node, cluster = shared.rpc, shared.cluster
    listing = ListingProbe(cluster.venues.default[0], node)
    return NodeProbes(HistoryProbe(node), listing, ProgramProbe(cluster, node))


def _build_writers(settings: Settings, shared: SharedServices) -> tuple[Intake, Amendments]:
    """What stores orders, and their new terms."""
    pool, on_commit = shared.pool, shared.notifier.notify
    rekick_after = timedelta(seconds=settings.rekick_s)
    limits = shared.trading.limits
    intake = Intake(pool, rekick_after=rekick_after, on_commit=on_commit, limits=limits)
    return intake, Amendments(pool, on_commit=on_commit)


async def _run_within(coroutine: Coroutine[Any, Any, None], seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await coroutine
    except TimeoutError:
        pass

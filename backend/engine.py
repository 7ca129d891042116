"""Composition root: opens all services that a process needs, and closes them in reverse order.

The only module that knows all components. It reads their settings, and injects the impure
dependencies that the domain code must not access itself: clock, randomness and ids.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from uuid_utils.compat import uuid7

from backend.chain.call_limiter import CallLimits
from backend.chain.costs import compute_network_fee
from backend.chain.history import HistoryProbe, has_history
from backend.chain.rpc_client import WAIT_MAX_S, RpcClient
from backend.chain.transactions import ComputeBudget
from backend.chain.wallet import Wallet, create_paper_wallet, load_wallet
from backend.chain.wire import SIMULATED_GENESIS_HASH, get_cluster_name
from backend.config import ConfigurationError, Profile, Settings
from backend.domain.errors import Transient, Unavailable
from backend.domain.lifecycle import backoff_ms
from backend.domain.tokens import SOL, TokenRegistry
from backend.execution.context import ExecutionContext, RetryPolicy
from backend.execution.crash_trigger import build_crash_trigger
from backend.execution.executor import Executor
from backend.execution.funds import WalletFunds
from backend.execution.late_fills import run_late_fills
from backend.execution.lease_renewer import LeaseRenewer
from backend.execution.signature_watch import PollIntervals
from backend.execution.submission import TransactionSubmitter
from backend.execution.unsent_limiter import UnsentLimiter
from backend.execution.wallet_balances import WalletBalances
from backend.queue.broker import StreamBroker
from backend.queue.jobs import JobQueue, run_receiver
from backend.queue.retry import RetryMiddleware
from backend.queue.sweep import run_sweep
from backend.redis_url import RedisAddress, parse_redis_url
from backend.routing.pool_reader import AccountReader
from backend.routing.router import Router
from backend.runtime import observe, observe_queue
from backend.runtime.background import run_in_background
from backend.runtime.notifier import CommitNotifier, channel_name
from backend.runtime.redis_client import check_redis, open_redis
from backend.runtime.startup import wait_for_server
from backend.store.connection import Pooling
from backend.store.counts import StatusCounts
from backend.store.database import DatabasePool, open_pool
from backend.store.feed import Feed
from backend.store.feed_lag import FeedLag
from backend.store.intake import Intake
from backend.store.journal import Journal, LeasePolicy
from backend.store.late_amounts import LateAmountStore
from backend.store.leases import LeaseStore
from backend.store.queries import OrderQueries
from backend.venues import VENUES

POLL_S = {Profile.DEMO: 0.2, Profile.INSTANT: 0.003}
DATABASE_CONNECTIONS_MAX = 10
UNSENT_ORDERS_MAX = 1_000


def new_id() -> UUID:
    """A UUIDv7: ids sort by their time of creation."""
    return uuid7()


def now() -> datetime:
    """The clock of this machine, for display only: no decision depends on it."""
    return datetime.now(UTC)  # noqa: TID251 - the only wall clock, injected elsewhere


@dataclass(frozen=True, slots=True)
class SharedServices:
    """The services that API and worker processes share."""

    settings: Settings
    tokens: TokenRegistry
    pool: DatabasePool
    redis: Redis
    rpc: RpcClient
    router: Router
    balances: WalletBalances
    broker: StreamBroker
    feed: Feed
    journal_id: UUID
    notifier: CommitNotifier


@dataclass(frozen=True, slots=True)
class ApiServices:
    """The services of an API process."""

    settings: Settings
    tokens: TokenRegistry
    redis: Redis
    rpc: RpcClient
    router: Router
    intake: Intake
    orders: OrderQueries
    counts: StatusCounts
    feed: Feed
    feed_lag: FeedLag
    journal_id: UUID
    jobs: JobQueue
    history: HistoryProbe
    new_id: Callable[[], UUID]
    now: Callable[[], datetime]


@asynccontextmanager
async def open_api_services(
    settings: Settings, *, stop: asyncio.Event | None = None
) -> AsyncIterator[ApiServices]:
    """Open the services of an API process, as soon as the servers that it needs answer.

    Raises what is wrong with their configuration, and ``StartInterrupted`` once ``stop`` is set.
    """
    async with _open_shared_services(settings, stop) as shared:
        intake = Intake(
            shared.pool,
            rekick_after=timedelta(seconds=settings.rekick_s),
            on_commit=shared.notifier.notify,
        )
        async with run_in_background(intake.run):
            yield ApiServices(
                settings=settings,
                tokens=shared.tokens,
                redis=shared.redis,
                rpc=shared.rpc,
                router=shared.router,
                intake=intake,
                orders=OrderQueries(shared.pool),
                counts=StatusCounts(shared.pool),
                feed=shared.feed,
                feed_lag=FeedLag(shared.pool, warning_s=settings.feed_lag_warning_s),
                journal_id=shared.journal_id,
                jobs=JobQueue(shared.broker),
                history=HistoryProbe(shared.rpc),
                new_id=new_id,
                now=now,
            )
            await _run_within(shared.broker.wait_sent(), 2)


async def run_worker(
    settings: Settings, *, on_ready: Callable[[], None], stop: asyncio.Event
) -> None:
    """Run a worker until ``stop``; then finish its running orders, or release their leases.

    It starts as soon as the servers that it needs answer. Raises as ``open_api_services``.
    """
    async with _open_shared_services(settings, stop) as shared:
        lease_policy = LeasePolicy(
            timedelta(seconds=settings.lease_s), timedelta(seconds=settings.rekick_s)
        )
        notify = shared.notifier.notify
        leases = LeaseStore(
            shared.pool, policy=lease_policy, tokens=shared.tokens, on_commit=notify
        )
        journal = Journal(shared.pool, policy=lease_policy, on_commit=notify)
        renewer = LeaseRenewer(leases, lease_s=settings.lease_s)
        select_wallet = partial(_select_wallet, settings, shared.rpc)
        wallet = await wait_for_server("the node", select_wallet, away=(Transient,), stop=stop)
        submitter = _build_submitter(settings, shared, wallet)
        policy = _build_retry_policy(settings)
        random = Random(f"{settings.seed} {os.getpid()}")  # noqa: S311 - jitter, not a secret
        crash = build_crash_trigger(settings.crash_at)
        funds = _watch_funds(settings, shared, wallet)
        context = ExecutionContext(journal, shared.router, submitter, policy, random, crash, funds)
        retries = RetryMiddleware(
            attempts_max=settings.attempts_max, backoff_s=partial(_backoff_s, policy)
        )
        unsent_limiter = UnsentLimiter(UNSENT_ORDERS_MAX)
        sweeps = partial(run_sweep, leases, JobQueue(shared.broker), interval_s=settings.sweep_s)
        late_amounts = LateAmountStore(shared.pool, shared.tokens)
        late_fills = partial(run_late_fills, late_amounts, submitter, random=random)
        runs = (leases.run, journal.run, renewer.run, submitter.run, retries.run, late_fills)
        await _warn_without_history(shared.rpc)
        async with run_in_background(*runs):
            async with run_in_background(partial(sweeps, random=random)):
                on_ready()
                await run_receiver(
                    shared.broker,
                    Executor(renewer, context, unsent_limiter).run,
                    retries,
                    jobs_max=settings.orders_in_flight_max,
                    wait_for_capacity=unsent_limiter.wait_for_capacity,
                    stop=stop,
                    shutdown_s=settings.shutdown_s,
                )
            await renewer.release_all(journal.wait_idle)


def _build_submitter(
    settings: Settings, shared: SharedServices, wallet: Wallet
) -> TransactionSubmitter:
    return TransactionSubmitter(
        shared.rpc,
        wallet,
        intervals=PollIntervals(POLL_S[settings.profile], settings.resend_s),
        budget=_build_budget(settings),
        preflight=wallet.address != create_paper_wallet().address,
        history_wait_s=settings.history_wait_s,
    )


def _build_budget(settings: Settings) -> ComputeBudget:
    return ComputeBudget(unit_price=settings.priority_fee_microlamports)


def _watch_funds(settings: Settings, shared: SharedServices, wallet: Wallet) -> WalletFunds:
    shared.balances.watch(wallet.address, shared.tokens)
    return WalletFunds(
        shared.balances,
        fee_lamports=compute_network_fee(_build_budget(settings)),
        reserve_lamports=int(settings.sol_reserve.scaleb(SOL.decimals)),
    )


def _build_retry_policy(settings: Settings) -> RetryPolicy:
    wait_ms = round(settings.backoff_s * 1000)
    return RetryPolicy(
        settings.attempts_max, wait_ms, settings.backoff_jitter, settings.outage_wait_s
    )


def _backoff_s(policy: RetryPolicy, failures: int) -> float:
    return backoff_ms(failures, base_ms=policy.backoff_ms, jitter=0, chance=0.5) / 1000


@asynccontextmanager
async def _open_shared_services(
    settings: Settings, stop: asyncio.Event | None
) -> AsyncIterator[SharedServices]:
    database_url = _require_url(settings.database_url, "DATABASE_URL")
    redis_address = _read_redis_address(_require_url(settings.redis_url, "REDIS_URL"))
    rpc_url = _require_url(settings.solana_rpc_url, "SOLANA_RPC_URL")
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(open_redis(redis_address))
        await check_redis(redis)

        async def open_database() -> DatabasePool:
            return await stack.enter_async_context(
                open_pool(
                    database_url,
                    connections_max=DATABASE_CONNECTIONS_MAX,
                    pooling=Pooling(settings.database_pooler),
                )
            )

        pool = await wait_for_server("PostgreSQL", open_database, away=(Transient,), stop=stop)
        rpc = await stack.enter_async_context(
            RpcClient(
                rpc_url,
                timeout_s=settings.rpc_timeout_s,
                limits=CallLimits(settings.rpc_rate_limit, settings.rpc_method_rate_limit),
                # Half, so that a read that had to wait still ends before its quote does.
                wait_max_s=min(WAIT_MAX_S, settings.quote_timeout_s / 2),
                on_call=observe.rpc_called,
            )
        )
        balances = WalletBalances(rpc)
        router = _build_router(settings, balances)
        feed = Feed(pool)
        journal_id = await wait_for_server(
            "PostgreSQL", feed.read_journal_id, away=(Transient,), stop=stop
        )
        notifier = CommitNotifier(redis, channel_name(journal_id))
        consumer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        broker = StreamBroker(redis_address, consumer=consumer)
        stack.push_async_callback(broker.shutdown)
        await broker.startup()
        await stack.enter_async_context(run_in_background(router.run, notifier.run, broker.run))
        yield SharedServices(
            settings,
            TokenRegistry(),
            pool,
            redis,
            rpc,
            router,
            balances,
            broker,
            feed,
            journal_id,
            notifier,
        )


def _read_redis_address(url: str) -> RedisAddress:
    address = parse_redis_url(url)
    for note in address.notes:
        observe_queue.redis_url_noted(note)
    return address


def _build_router(settings: Settings, reader: AccountReader) -> Router:
    return Router(
        VENUES,
        reader,
        timeout_s=settings.quote_timeout_s,
        age_max_s=settings.quote_age_s,
        max_price_impact_bps=settings.max_price_impact_bps,
    )


async def _select_wallet(settings: Settings, rpc: RpcClient) -> Wallet:
    """The wallet to sign with: the public paper wallet on the simulated node, and only there."""
    genesis = await rpc.get_genesis_hash()
    if genesis == SIMULATED_GENESIS_HASH:
        return create_paper_wallet()
    name = get_cluster_name(genesis)
    if not settings.live:
        raise ConfigurationError(
            f"SOLANA_RPC_URL is a node of {name}, not the simulated one:"
            " set ORDER_ENGINE_LIVE=1 to trade with real money"
        )
    if settings.wallet_file is None:
        raise ConfigurationError(f"ORDER_ENGINE_WALLET_FILE must be set to trade on {name}")
    return load_wallet(settings.wallet_file)


async def _warn_without_history(rpc: RpcClient) -> None:
    try:
        if not await has_history(rpc):
            observe.node_without_history()
    except Unavailable as error:
        observe.chain_query_failed("probe history", error)


def _require_url(url: str | None, name: str) -> str:
    if not url:
        raise ConfigurationError(f"{name} must be set for this command (`up` needs none)")
    return url


async def _run_within(coroutine: Coroutine[Any, Any, None], seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await coroutine
    except TimeoutError:
        pass

"""The wiring: opens everything that a process needs, and closes it in reverse.

The only file that knows all the parts, reads the settings for them, and brings in what decisions
may not: the clock, randomness and ids.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
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

from backend.chain.rpc_client import Rpc
from backend.chain.transactions import Budget
from backend.chain.wallet import Wallet, load_wallet, paper_wallet
from backend.chain.wire import SIMULATED_GENESIS_HASH, cluster
from backend.config import ConfigurationError, Profile, Settings
from backend.domain.lifecycle import backoff_ms
from backend.domain.tokens import Tokens
from backend.execution.context import Means, Point, Policy
from backend.execution.executor import Executor
from backend.execution.lease_renewer import Keeper
from backend.execution.submission import Pace, Submission
from backend.execution.unsent_limiter import Unsent
from backend.queue.broker import StreamBroker
from backend.queue.jobs import Jobs, receive
from backend.queue.retry import RetryMiddleware
from backend.queue.sweep import sweep
from backend.routing.router import Router
from backend.runtime import observe
from backend.runtime.background import running
from backend.runtime.notifier import Bell, channel
from backend.store.counts import Counts
from backend.store.database import Pool, connect
from backend.store.feed import Feed
from backend.store.intake import Intake
from backend.store.journal import Journal, LeaseTerms
from backend.store.leases import Leases
from backend.store.queries import Orders
from backend.venues import VENUES

POLL_S = {Profile.DEMO: 0.2, Profile.INSTANT: 0.003}
DATABASE_CONNECTIONS_MAX = 10
UNSENT_MAX = 1_000


def new_id() -> UUID:
    """A UUIDv7: ids that are made later sort later."""
    return uuid7()


def now() -> datetime:
    """The time of this machine, for what is shown; nothing is decided by it."""
    return datetime.now(UTC)  # noqa: TID251 - the one clock that others are given


@dataclass(frozen=True, slots=True)
class Common:
    """What API and worker processes share."""

    settings: Settings
    tokens: Tokens
    pool: Pool
    redis: Redis
    rpc: Rpc
    router: Router
    broker: StreamBroker
    feed: Feed
    journal_id: UUID
    bell: Bell


@dataclass(frozen=True, slots=True)
class Front:
    """What the API works with."""

    settings: Settings
    tokens: Tokens
    redis: Redis
    rpc: Rpc
    router: Router
    intake: Intake
    orders: Orders
    counts: Counts
    feed: Feed
    journal_id: UUID
    jobs: Jobs
    new_id: Callable[[], UUID]
    now: Callable[[], datetime]


@asynccontextmanager
async def open_front(settings: Settings) -> AsyncIterator[Front]:
    """Everything for an API process. Raises what the servers that it needs raise."""
    async with _open_common(settings) as common:
        intake = Intake(
            common.pool, rekick=timedelta(seconds=settings.rekick_s), committed=common.bell.ring
        )
        async with running(intake.run):
            yield Front(
                settings=settings,
                tokens=common.tokens,
                redis=common.redis,
                rpc=common.rpc,
                router=common.router,
                intake=intake,
                orders=Orders(common.pool),
                counts=Counts(common.pool),
                feed=common.feed,
                journal_id=common.journal_id,
                jobs=Jobs(common.broker),
                new_id=new_id,
                now=now,
            )
            await _within(common.broker.flushed(), 2)


async def work(settings: Settings, *, ready: Callable[[], None], stop: asyncio.Event) -> None:
    """Be a worker until ``stop``; then finish what runs, or hand it back."""
    async with _open_common(settings) as common:
        wallet = await _wallet(settings, common.rpc)
        terms = LeaseTerms(
            timedelta(seconds=settings.lease_s), timedelta(seconds=settings.rekick_s)
        )
        leases = Leases(common.pool, terms=terms, tokens=common.tokens, committed=common.bell.ring)
        journal = Journal(common.pool, terms=terms, committed=common.bell.ring)
        keeper = Keeper(leases, lease_s=settings.lease_s)
        submission = Submission(
            common.rpc,
            wallet,
            pace=Pace(POLL_S[settings.profile], settings.resend_s),
            budget=Budget(unit_price=settings.priority_fee_microlamports),
            preflight=wallet.address != paper_wallet().address,
        )
        policy = _policy(settings)
        random = Random(f"{settings.seed} {os.getpid()}")  # noqa: S311 - jitter, not a secret
        means = Means(
            journal, common.router, submission, policy, random, _crasher(settings.crash_at)
        )
        retries = RetryMiddleware(
            attempts_max=settings.attempts_max,
            backoff_s=lambda failures: _backoff_s(policy, failures),
        )
        unsent = Unsent(UNSENT_MAX)
        looks = partial(sweep, leases, Jobs(common.broker), interval_s=settings.sweep_s)
        async with running(leases.run, journal.run, keeper.run, submission.run, retries.run):
            async with running(partial(looks, random=random)):
                ready()
                await receive(
                    common.broker,
                    Executor(keeper, means, unsent).run,
                    retries,
                    jobs_max=settings.orders_in_flight_max,
                    room=unsent.room,
                    stop=stop,
                    shutdown_s=settings.shutdown_s,
                )
            await keeper.hand_back(journal.idle)


def _policy(settings: Settings) -> Policy:
    wait_ms = round(settings.backoff_s * 1000)
    return Policy(settings.attempts_max, wait_ms, settings.backoff_jitter)


def _backoff_s(policy: Policy, failures: int) -> float:
    return backoff_ms(failures, base_ms=policy.backoff_ms, jitter=0, chance=0.5) / 1000


@asynccontextmanager
async def _open_common(settings: Settings) -> AsyncIterator[Common]:
    database_url = _required(settings.database_url, "DATABASE_URL")
    redis_url = _required(settings.redis_url, "REDIS_URL")
    rpc_url = _required(settings.solana_rpc_url, "SOLANA_RPC_URL")
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            connect(database_url, connections_max=DATABASE_CONNECTIONS_MAX)
        )
        redis = await stack.enter_async_context(Redis.from_url(redis_url))
        rpc = await stack.enter_async_context(
            Rpc(rpc_url, timeout_s=settings.rpc_timeout_s, on_call=observe.rpc_called)
        )
        router = Router(VENUES, rpc, timeout_s=settings.quote_timeout_s, age_s=settings.quote_age_s)
        feed = Feed(pool)
        journal_id = await feed.journal_id()
        bell = Bell(redis, channel(journal_id))
        consumer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        broker = StreamBroker(redis_url, consumer=consumer)
        await broker.startup()
        stack.push_async_callback(broker.shutdown)
        await stack.enter_async_context(running(router.run, bell.run, broker.run))
        yield Common(settings, Tokens(), pool, redis, rpc, router, broker, feed, journal_id, bell)


async def _wallet(settings: Settings, rpc: Rpc) -> Wallet:
    """The wallet to sign with: never the well-known one with real money, nor the other way."""
    genesis = await rpc.get_genesis_hash()
    if genesis == SIMULATED_GENESIS_HASH:
        return paper_wallet()
    name = cluster(genesis)
    if not settings.live:
        raise ConfigurationError(
            f"SOLANA_RPC_URL is a node of {name}, not the simulated one:"
            " set ORDER_ENGINE_LIVE=1 to trade with real money"
        )
    if settings.wallet_file is None:
        raise ConfigurationError(f"ORDER_ENGINE_WALLET_FILE must be set to trade on {name}")
    return load_wallet(settings.wallet_file)


def _crasher(crash_at: str) -> Callable[[Point], None]:
    """Ends this process, as ``kill -9`` does, when a point is reached for the n-th time."""
    name, _, times = crash_at.partition(":")
    left = int(times or 0)

    def reached(point: Point) -> None:
        nonlocal left
        if point == name:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return reached


def _required(url: str | None, name: str) -> str:
    if not url:
        raise ConfigurationError(f"{name} must be set for this command (`up` needs none)")
    return url


async def _within(doing: Coroutine[Any, Any, None], seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await doing
    except TimeoutError:
        pass

"""The services that API and worker processes share: stores, node, router, queue."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from random import Random
from typing import NamedTuple
from uuid import UUID

from redis.asyncio import Redis
from solders.pubkey import Pubkey

from backend.chain.lookup_tables import LookupTables
from backend.chain.nodes.solana_node import SolanaNode
from backend.chain.subscriptions.address import choose_websocket_url, has_same_host
from backend.chain.subscriptions.client import NodeSubscriptions
from backend.config import ConfigurationError, Settings
from backend.config.chain.node_urls import parse_node_urls
from backend.config.redis.url import RedisAddress, parse_redis_url
from backend.config.settings import OFF
from backend.domain.errors import Rejected, Transient
from backend.domain.tokens import TokenRegistry
from backend.engine.limits import build_rules, follow
from backend.engine.nodes.clients import open_node
from backend.engine.nodes.cluster import Cluster, open_cluster
from backend.engine.router import build_router, read_pool_preferences
from backend.execution.wallet.balances import WalletBalances
from backend.queue.broker import StreamBroker
from backend.routing.launches.launched_pools import LaunchedPoolReader
from backend.routing.mints import Mints
from backend.routing.pool_finder import PoolFinder
from backend.routing.pool_registry import PoolPreferences
from backend.routing.prices.price_recorder import PriceRecorder
from backend.routing.prices.price_sampler import PriceSampler
from backend.routing.router import Router
from backend.runtime import observe_database, observe_queue
from backend.runtime.background import run_in_background
from backend.runtime.commit_notifications import CommitNotifier, channel_name
from backend.runtime.redis.client import check_redis, open_redis
from backend.runtime.startup import wait_for_server
from backend.store.connection import Pooling
from backend.store.database import DatabasePool, open_pool
from backend.store.feed import Feed
from backend.store.launches.found_pools import FoundPools
from backend.store.prices.price_bars import PriceBars
from backend.store.trading.rules import TradingRules
from backend.store.verification.cluster_binding import bind_cluster
from backend.store.verification.connection_budget import require_connections
from backend.store.verification.durability import describe_protection, read_durability
from backend.venues.venue import Venue


class LaunchServices(NamedTuple):
    """What knows tokens by their mint, and finds and reads pools at any address."""

    tokens: TokenRegistry
    mints: Mints
    finder: PoolFinder
    reader: LaunchedPoolReader
    preferences: PoolPreferences


@dataclass(frozen=True, slots=True)
class SharedServices:
    """The services that API and worker processes share."""

    settings: Settings
    tokens: TokenRegistry
    pool: DatabasePool
    redis: Redis
    rpc: SolanaNode
    cluster: Cluster
    subscriptions: NodeSubscriptions | None
    launches: LaunchServices
    tables: LookupTables
    router: Router
    balances: WalletBalances
    broker: StreamBroker
    feed: Feed
    journal_id: UUID
    notifier: CommitNotifier
    trading: TradingRules


@asynccontextmanager
async def open_shared_services(
    settings: Settings, stop: asyncio.Event | None, *, awaits_node: bool = True
) -> AsyncIterator[SharedServices]:
    """Open what every process needs, as soon as the servers answer; the node if it is awaited.

    Raises what is wrong with their configuration, and ``StartInterrupted`` once ``stop`` is set.
    """
    database_url, redis_address, rpc_urls = _read_addresses(settings)
    async with AsyncExitStack() as stack:
        redis = await _open_redis(stack, redis_address)
        pool = await _open_database(stack, settings, database_url, stop)
        (feed, journal_id), trading = await _open_feed(pool, stop), build_rules(settings, pool)
        rpc = await stack.enter_async_context(open_node(settings, rpc_urls))
        cluster = await open_cluster(stack, settings, rpc, stop, awaits_node=awaits_node)
        await _bind_database(pool, cluster, stop)
        balances, tables = WalletBalances(rpc), _build_tables(settings, rpc)
        subscriptions = await _open_subscriptions(stack, settings, rpc_urls[0])
        launches = _build_launches(settings, pool, rpc, cluster.venues.default)
        finder = _build_finder(cluster.venues.all, pool, rpc, launches.preferences)
        prices = _build_recorder(settings, pool)
        market = subscriptions, finder, launches, tables, prices.sampler
        router = build_router(settings, cluster.venues, balances, *market)
        broker, notifier = await _open_messages(stack, redis, redis_address, journal_id)
        record_prices = partial(prices.run, router.read_pools)
        runs = tables.run, router.run, notifier.run, broker.run, follow(pool, trading)
        await stack.enter_async_context(run_in_background(*runs, record_prices))
        yield SharedServices(
            settings,
            launches.tokens,
            pool,
            redis,
            rpc,
            cluster,
            subscriptions,
            launches,
            tables,
            router,
            balances,
            broker,
            feed,
            journal_id,
            notifier,
            trading,
        )


def _build_recorder(settings: Settings, pool: DatabasePool) -> PriceRecorder:
    reference = TokenRegistry().find(settings.reference_token, "reference_token")
    kept = timedelta(days=settings.price_days)
    return PriceRecorder(PriceSampler(reference), PriceBars(pool), minutes_kept=kept)


async def _open_redis(stack: AsyncExitStack, address: RedisAddress) -> Redis:
    redis = await stack.enter_async_context(open_redis(address))
    await check_redis(redis)
    return redis


async def _open_feed(pool: DatabasePool, stop: asyncio.Event | None) -> tuple[Feed, UUID]:
    """The feed, and the id of its journal."""
    feed = Feed(pool)
    read = feed.read_journal_id
    return feed, await wait_for_server("PostgreSQL", read, away=(Transient,), stop=stop)


async def _open_messages(
    stack: AsyncExitStack, redis: Redis, address: RedisAddress, journal_id: UUID
) -> tuple[StreamBroker, CommitNotifier]:
    notifier = CommitNotifier(redis, channel_name(journal_id))
    broker = StreamBroker(address, consumer=_name_consumer(), take_message=notifier.take_message)
    stack.push_async_callback(broker.shutdown)
    await broker.startup()
    return broker, notifier


def _name_consumer() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


async def _open_database(
    stack: AsyncExitStack, settings: Settings, url: str, stop: asyncio.Event | None
) -> DatabasePool:
    pooling = Pooling(settings.database_pooler)

    async def connect() -> DatabasePool:
        return await stack.enter_async_context(
            open_pool(url, connections_max=settings.database_connections, pooling=pooling)
        )

    pool = await wait_for_server("PostgreSQL", connect, away=(Transient,), stop=stop)
    await _check_durability(pool, settings)
    if settings.database_processes:
        of_each = settings.database_connections + settings.readers_max
        check = partial(require_connections, pool, settings.database_processes, of_each)
        await wait_for_server("PostgreSQL", check, away=(Transient,), stop=stop)
    return pool


async def _bind_database(pool: DatabasePool, cluster: Cluster, stop: asyncio.Event | None) -> None:
    """Bind the database to the cluster, if the node has told which one it is of."""
    if cluster.is_known:
        bind = partial(bind_cluster, pool, cluster.name)
        await wait_for_server("PostgreSQL", bind, away=(Transient,), stop=stop)


def _build_tables(settings: Settings, rpc: SolanaNode) -> LookupTables:
    return LookupTables(rpc, list(map(Pubkey.from_string, settings.lookup_tables)))


async def _check_durability(pool: DatabasePool, settings: Settings) -> None:
    """Report what the server keeps of a commit. Raises ``Rejected`` if that is not what it must be.

    A server that is away is asked with the first statement that needs it.
    """
    try:
        durability = await read_durability(pool)
    except Transient:
        return
    faults = durability.list_faults()
    if faults and settings.require_durable_database:
        raise Rejected(
            "database_not_durable",
            f"PostgreSQL at {pool.address} may lose what it has answered: {'; '.join(faults)}"
            " (ORDER_ENGINE_REQUIRE_DURABLE_DATABASE)",
        )
    protection = describe_protection(
        durability, compares_history=settings.journal_reconciliation != OFF
    )
    observe_database.durability_found(durability.describe(), protection, is_safe=not faults)


def open_readers(settings: Settings) -> AbstractAsyncContextManager[DatabasePool]:
    """Open the connections for what clients read: few, and for a limited time at once.

    However slow those reads are, they take no connection from what accepts and streams orders.
    """
    return open_pool(
        _require_url(settings.database_url, "DATABASE_URL"),
        connections_max=settings.readers_max,
        pooling=Pooling(settings.database_pooler),
        timeout_s=settings.read_timeout_s,
    )


def _read_addresses(settings: Settings) -> tuple[str, RedisAddress, list[str]]:
    """The addresses of PostgreSQL, of Redis and of the nodes. Raises ``ConfigurationError``."""
    return (
        _require_url(settings.database_url, "DATABASE_URL"),
        _read_redis_address(_require_url(settings.redis_url, "REDIS_URL")),
        parse_node_urls(_require_url(settings.solana_rpc_url, "SOLANA_RPC_URL")),
    )


def _read_redis_address(url: str) -> RedisAddress:
    address = parse_redis_url(url)
    for note in address.notes:
        observe_queue.redis_url_noted(note)
    return address


async def _open_subscriptions(
    stack: AsyncExitStack, settings: Settings, rpc_url: str
) -> NodeSubscriptions | None:
    url = choose_websocket_url(settings.rpc_ws_url, rpc_url)
    if url is None:
        return None
    random = Random(f"{settings.seed} {os.getpid()}")  # noqa: S311 - jitter, not a secret
    is_of_node = has_same_host(url, rpc_url)
    subscriptions = NodeSubscriptions(url, random=random, is_of_node=is_of_node)
    await stack.enter_async_context(run_in_background(subscriptions.run))
    return subscriptions


def _build_launches(
    settings: Settings, pool: DatabasePool, rpc: SolanaNode, venues: Sequence[Venue]
) -> LaunchServices:
    tokens, preferences = TokenRegistry(), read_pool_preferences(settings)
    finder = _build_finder(venues, pool, rpc, preferences)
    mints = Mints(pool, rpc, tokens, timeout_s=settings.quote_timeout_s)
    return LaunchServices(tokens, mints, finder, LaunchedPoolReader(rpc), preferences)


def _build_finder(
    venues: Sequence[Venue], pool: DatabasePool, rpc: SolanaNode, preferences: PoolPreferences
) -> PoolFinder:
    return PoolFinder(venues, rpc, FoundPools(pool), excluded=preferences.excluded)


def _require_url(url: str | None, name: str) -> str:
    if not url:
        raise ConfigurationError(f"{name} must be set for this command (`up` needs none)")
    return url

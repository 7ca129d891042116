"""The watcher compares what it watches with the rows, and finds what no news has told it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random

from backend.chain.rpc.client import RpcClient
from backend.config.redis_url import parse_redis_url
from backend.domain.tokens import TokenRegistry
from backend.engine.api_services import new_id
from backend.queue.broker import StreamBroker
from backend.queue.jobs import JobQueue
from backend.routing.router import Router
from backend.runtime.commit_notifications import Commit
from backend.store.waiting.market_peaks import MarketPeaks
from backend.store.waiting.trigger_shards import SHARDS, TriggerShards
from backend.triggers.markets import MarketReader
from backend.triggers.releases import Releases
from backend.triggers.shard_holder import ShardHolder
from backend.triggers.shard_loader import ShardLoader
from backend.triggers.watched_orders import WatchedOrders
from backend.triggers.watcher import Watcher
from tests.integration.apis import UNREACHABLE_NODE
from tests.integration.stores import LIMIT_TERMS, Store, new_order, open_store


async def hear_nothing(on_commit: Callable[[Commit], None]) -> None:
    """Redis is silent."""


def build_watcher(store: Store, redis_url: str, rpc: RpcClient, watched: WatchedOrders) -> Watcher:
    holder = ShardHolder(TriggerShards(store.pool, duration=timedelta(seconds=60)), new_id())
    peaks = MarketPeaks(store.pool)
    random = Random(1)
    jobs = JobQueue(StreamBroker(parse_redis_url(redis_url), consumer="none"))
    return Watcher(
        holder=holder,
        shards=ShardLoader(holder, watched, store.waiting, peaks, lease_s=60, random=random),
        watched=watched,
        orders=store.waiting,
        peaks=peaks,
        feed=store.feed,
        markets=MarketReader(Router((), rpc, timeout_s=1), None, interval_s=1, settle_s=0),
        releases=Releases(store.waiting, jobs),
        listen=hear_nothing,
        random=random,
    )


async def test_a_comparison_finds_what_is_missing_and_what_waits_no_more(
    database_url: str, redis_url: str
) -> None:
    async with open_store(database_url) as store, RpcClient(UNREACHABLE_NODE) as rpc:
        watched = WatchedOrders(TokenRegistry())
        watcher = build_watcher(store, redis_url, rpc, watched)
        watched.add_shards(range(SHARDS), [])
        ids = [(await store.intake.accept(new_order(terms=LIMIT_TERMS))).id for _ in range(3)]
        watched.add(await store.waiting.load(ids[:2]), 0.0)
        await store.pool.execute(
            "UPDATE orders SET status = 'routing', trigger_shard = NULL WHERE id = $1", ids[0]
        )
        await watcher.compare()
        assert set(watched) == {ids[1]}
        assert watcher._news == {ids[2]}

"""The watcher finds what no news has told it, and what an error has made it lose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from random import Random
from typing import cast

from solders.pubkey import Pubkey

from backend.chain.costs import FeeBounds
from backend.chain.rpc.client import RpcClient
from backend.config.redis.url import parse_redis_url
from backend.domain.conditions import Limit
from backend.domain.prices import PriceRatio
from backend.domain.quotes import Quote
from backend.domain.tokens import SOL, USDC, TokenRegistry
from backend.engine.api_services import new_id
from backend.execution.wallet.holdings import WalletHoldings
from backend.queue.broker import StreamBroker
from backend.queue.jobs import JobQueue
from backend.routing.router import Router
from backend.runtime.commit_notifications import Commit
from backend.store.waiting.market_peaks import MarketPeaks
from backend.store.waiting.trigger_shards import SHARDS, TriggerShards
from backend.triggers.markets import MarketReader, Markets
from backend.triggers.pool_market import PoolMarket
from backend.triggers.releases import Releases
from backend.triggers.shards.shard_holder import ShardHolder
from backend.triggers.shards.shard_loader import ShardLoader
from backend.triggers.shares.share_sales import ShareSales
from backend.triggers.watched_orders import WatchedOrders
from backend.triggers.watcher import Watcher
from backend.venues import MAINNET_VENUES
from backend.venues.raydium.cpmm.pool import CpmmPool
from backend.venues.venue import Pool
from tests import pools
from tests.integration.apis import UNREACHABLE_NODE
from tests.integration.stores import LIMIT_TERMS, Store, new_order, open_store


async def hear_nothing(on_commit: Callable[[Commit], None]) -> None:
    """Redis is silent."""


def build_watcher(store: Store, redis_url: str, rpc: RpcClient, watched: WatchedOrders) -> Watcher:
    holder = ShardHolder(TriggerShards(store.pool, duration=timedelta(seconds=60)), new_id())
    peaks = MarketPeaks(store.pool)
    random = Random(1)
    jobs = JobQueue(StreamBroker(parse_redis_url(redis_url), consumer="none"))
    releases = Releases(store.waiting, jobs)
    holdings = WalletHoldings(
        store.pool, rpc, TokenRegistry(), fees=FeeBounds(5_000, 5_000), reserve_lamports=0
    )
    return Watcher(
        holder=holder,
        shards=ShardLoader(holder, watched, store.waiting, peaks, lease_s=60, random=random),
        watched=watched,
        orders=store.waiting,
        peaks=peaks,
        feed=store.feed,
        markets=MarketReader(Router((), rpc, timeout_s=1), None, interval_s=1, settle_s=0),
        releases=releases,
        sales=ShareSales(store.shares, store.waiting, watched, releases, holdings),
        listen=hear_nothing,
        random=random,
    )


async def test_a_comparison_finds_what_is_missing_and_what_waits_no_more(
    database_url: str, redis_url: str
) -> None:
    async with open_store(database_url) as store, RpcClient(UNREACHABLE_NODE) as rpc:
        watched = WatchedOrders(TokenRegistry(), MAINNET_VENUES)
        watcher = build_watcher(store, redis_url, rpc, watched)
        watched.add_shards(range(SHARDS), [], 0.0)
        ids = [(await store.intake.accept(new_order(terms=LIMIT_TERMS))).id for _ in range(3)]
        watched.add(await store.waiting.load(ids[:2]), 0.0)
        await store.pool.execute(
            "UPDATE orders SET status = 'routing', trigger_shard = NULL WHERE id = $1", ids[0]
        )
        await watcher.compare()
        assert set(watched) == {ids[1]}
        assert watcher._news == {ids[2]}


@dataclass(frozen=True, slots=True)
class FaultyPool(CpmmPool):
    """A pool whose quote for one amount is an error that nobody expects."""

    def quote(self, mint_in: Pubkey, amount_in: int) -> Quote:
        if amount_in == FAULTY_AMOUNT:
            raise ZeroDivisionError
        return CpmmPool.quote(self, mint_in, amount_in)


FAULTY_AMOUNT = 1_234_567_890


async def test_an_error_of_one_pair_loses_no_order_and_stops_no_other_pair(
    database_url: str, redis_url: str
) -> None:
    async with open_store(database_url) as store, RpcClient(UNREACHABLE_NODE) as rpc:
        watched = WatchedOrders(TokenRegistry(), MAINNET_VENUES)
        watcher = build_watcher(store, redis_url, rpc, watched)
        watched.add_shards(range(SHARDS), [], 0.0)
        met = replace(LIMIT_TERMS, condition=Limit(PriceRatio(9, 100)))
        faulty = replace(met, amount_in=FAULTY_AMOUNT)
        other = replace(met, token_in=USDC, token_out=SOL, condition=Limit(PriceRatio(9, 1)))
        first, second, third = [
            (await store.intake.accept(new_order(terms=terms))).id for terms in (met, faulty, other)
        ]
        watched.add(await store.waiting.load([first, second, third]), 0.0)
        pool = pools.make_cpmm_pool()
        parts = {each.name: getattr(pool, each.name) for each in fields(pool) if each.init}
        markets = {
            direction: PoolMarket(
                pools.SOL if direction.token_in == SOL else pools.USDC,
                pools.USDC if direction.token_in == SOL else pools.SOL,
                [cast(Pool, FaultyPool(**parts))],
                slot=pool.slot,
            )
            for direction in watched.directions
        }
        assert [next(iter(markets)).token_in] == [SOL]

        released = await watcher._find_met(Markets(markets, pool.slot))

        assert [each.order.order.id for each in released] == [third]
        assert watched.take_cooled(float("inf")) == [first]
        watched.add(await store.waiting.load([first]), 0.0)
        assert set(watched) == {first, second}

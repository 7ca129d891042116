"""What watches prices for waiting orders, in workers."""

from __future__ import annotations

import os
from datetime import timedelta
from functools import partial
from random import Random
from typing import Final

from backend.config import Settings
from backend.engine.api_services import new_id
from backend.engine.shared_services import SharedServices
from backend.execution.context import build_crash_trigger
from backend.queue.jobs import JobQueue
from backend.runtime.commit_notifications import (
    channel_name,
    listen_for_commits,
    waiting_channel_name,
)
from backend.store.journal import LeasePolicy
from backend.store.waiting.market_peaks import MarketPeaks
from backend.store.waiting.share_releases import ShareReleases
from backend.store.waiting.sliced_orders import SlicedOrders
from backend.store.waiting.trigger_shards import TriggerShards
from backend.store.waiting.waiting_orders import WaitingOrders
from backend.triggers.launches.launch_watcher import LaunchWatcher
from backend.triggers.markets import MarketReader
from backend.triggers.releases import Releases
from backend.triggers.shards.shard_holder import ShardHolder
from backend.triggers.shards.shard_loader import ShardLoader
from backend.triggers.shares.share_sales import FundsReader, ShareSales
from backend.triggers.slices.placer import SlicePlacer
from backend.triggers.watched_orders import WatchedOrders
from backend.triggers.watcher import Watcher

SETTLE_S: Final = 0.01
"""A node tells a slot before what changed in it; the notifications of an account take a while."""


def build_watcher(
    settings: Settings, shared: SharedServices, policy: LeasePolicy, funds: FundsReader
) -> Watcher:
    """Wire the watcher of a worker; ``funds`` are those of its wallet."""
    on_point = build_crash_trigger(settings.crash_at)
    orders = WaitingOrders(
        shared.pool,
        tokens=shared.tokens,
        rekick_after=policy.rekick_after,
        ahead_max=policy.ahead_max,
        on_commit=shared.notifier.notify,
    )
    shards = TriggerShards(shared.pool, duration=timedelta(seconds=settings.trigger_lease_s))
    channel = waiting_channel_name(channel_name(shared.journal_id))
    jobs = JobQueue(shared.broker)
    placer = SlicePlacer(_build_sliced_orders(shared, policy), jobs)
    markets = _build_markets(settings, shared)
    launches = _build_launches(settings, shared, orders, jobs, markets)
    holder = ShardHolder(shards, new_id())
    watched = WatchedOrders(shared.tokens, shared.cluster.venues, [placer, launches])
    peaks = MarketPeaks(shared.pool, shared.tokens)
    random = Random(f"{settings.seed} {os.getpid()}")  # noqa: S311 - jitter, not a secret
    lease_s = settings.trigger_lease_s
    releases = Releases(orders, jobs, on_point)
    return Watcher(
        holder=holder,
        shards=ShardLoader(
            holder, watched, orders, peaks, lease_s=lease_s, random=random, on_point=on_point
        ),
        watched=watched,
        orders=orders,
        peaks=peaks,
        feed=shared.feed,
        markets=markets,
        releases=releases,
        sales=ShareSales(_build_shares(shared, policy), orders, watched, releases, funds),
        listen=partial(listen_for_commits, shared.redis, channel),
        random=random,
        on_point=on_point,
    )


def _build_sliced_orders(shared: SharedServices, policy: LeasePolicy) -> SlicedOrders:
    return SlicedOrders(
        shared.pool,
        tokens=shared.tokens,
        rekick_after=policy.rekick_after,
        on_commit=shared.notifier.notify,
    )


def _build_shares(shared: SharedServices, policy: LeasePolicy) -> ShareReleases:
    return ShareReleases(
        shared.pool,
        rekick_after=policy.rekick_after,
        ahead_max=policy.ahead_max,
        on_commit=shared.notifier.notify,
    )


def _build_markets(settings: Settings, shared: SharedServices) -> MarketReader:
    return MarketReader(
        shared.router,
        shared.subscriptions,
        interval_s=settings.trigger_interval_s,
        settle_s=SETTLE_S,
        trusted_slots=settings.quote_slots_max,
    )


def _build_launches(
    settings: Settings,
    shared: SharedServices,
    orders: WaitingOrders,
    jobs: JobQueue,
    slots: MarketReader,
) -> LaunchWatcher:
    return LaunchWatcher(
        orders,
        jobs,
        slots,
        shared.launches.finder,
        shared.launches.reader,
        shared.subscriptions,
        pace_s=settings.trigger_interval_s,
    )

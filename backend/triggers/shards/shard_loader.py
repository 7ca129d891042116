"""Which shards this process watches: claimed, renewed, and their orders loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from random import Random
from time import monotonic
from typing import Final
from uuid import UUID

from backend.store.waiting.market_peaks import MarketPeaks
from backend.store.waiting.waiting_orders import WaitingOrders
from backend.triggers import observe_triggers
from backend.triggers.attempts import WatchPoint, attempt, ignore_point
from backend.triggers.shards.shard_holder import ShardHolder
from backend.triggers.watched_orders import WatchedOrders

LOAD_MAX: Final = 2_000
"""Most orders that one statement loads: their parsing holds up everything else."""


class ShardLoader:
    """Holds shards and loads their orders; ``hold`` and ``load`` must be running.

    ``on_loaded`` is called when orders were added; ``on_point`` may end the process.
    """

    def __init__(
        self,
        holder: ShardHolder,
        watched: WatchedOrders,
        orders: WaitingOrders,
        peaks: MarketPeaks,
        *,
        lease_s: float,
        random: Random,
        on_point: Callable[[WatchPoint], None] = ignore_point,
    ) -> None:
        self._holder = holder
        self._watched = watched
        self._orders = orders
        self._peaks = peaks
        self._renew_s = lease_s / 3
        self._random = random
        self._on_point = on_point
        self._held: set[int] = set()
        self._unloaded: set[int] = set()
        self._claimed = asyncio.Event()
        self._is_claiming = True

    @property
    def is_loading(self) -> bool:
        """Whether orders of claimed shards are not known yet."""
        return self._is_claiming or bool(self._unloaded)

    async def hold(self) -> None:
        """Hold an even share of the shards until cancelled."""
        while True:
            await attempt("hold shards", self._renew)
            await asyncio.sleep(self._renew_s * self._random.uniform(0.8, 1.0))

    async def _renew(self) -> None:
        lost = self._held - await self._holder.renew(self._held)
        if lost:
            observe_triggers.shards_lost(len(lost))
            self._drop(lost)
        while True:
            claimed, excess = await self._holder.balance(self._held)
            self._drop(excess)
            self._held |= claimed
            self._is_claiming = bool(claimed)
            if not claimed:
                break
            observe_triggers.shards_claimed(len(claimed))
            self._unloaded |= claimed - self._watched.shards
            self._claimed.set()
        self._claimed.set()  # that there are none is known now, too
        observe_triggers.shards_changed(len(self._held))

    def _drop(self, shards: set[int]) -> None:
        self._held -= shards
        self._unloaded -= shards
        self._watched.drop_shards(shards)

    async def load(self, on_loaded: Callable[[], None]) -> None:
        """Load the orders of claimed shards until cancelled."""
        while True:
            if not self._unloaded:
                on_loaded()
                self._claimed.clear()
                await self._claimed.wait()
            shards = set(self._unloaded)
            if shards and not await attempt("load shards", partial(self._load, shards)):
                await asyncio.sleep(self._renew_s)

    async def _load(self, shards: set[int]) -> None:
        self._on_point(WatchPoint.SHARDS_CLAIMED)
        started_at, loaded = monotonic(), 0
        now = asyncio.get_running_loop().time()  # before the read: no best price becomes younger
        peaks = await self._peaks.load(list(shards))
        self._watched.add_shards(shards & self._held, peaks, now)
        for shard in shards:
            after: UUID | None = None
            while shard in self._held:
                records = await self._orders.load_shard(shard, after=after, limit=LOAD_MAX)
                self._watched.add(records, asyncio.get_running_loop().time())
                loaded += len(records)
                if len(records) < LOAD_MAX:
                    break
                after = records[-1].id
            self._unloaded.discard(shard)
        observe_triggers.orders_loaded(loaded, len(shards), monotonic() - started_at)

    async def release_all(self) -> None:
        """Release the shards, so that another process may have them at once."""
        await attempt("release shards", self._holder.release_all)

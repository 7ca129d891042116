"""Records the markets that paid waiting orders most, and stores them every few seconds."""

from __future__ import annotations

import asyncio
from typing import Final
from uuid import UUID

from backend.domain.conditions import is_fresh
from backend.store.waiting.market_peaks import MarketPeaks, StoredText
from backend.triggers import observe_triggers
from backend.triggers.attempts import attempt
from backend.triggers.directions.direction import Direction
from backend.triggers.peak_codec import encode_reads
from backend.triggers.pool_market import DirectedPool, PoolMarket
from backend.triggers.watched_orders import WatchedOrders

STORE_S: Final = 10.0
"""How often they are stored: the best prices that are shown are that old."""


class BestMarketRecorder:
    """Records the best markets of all directions that are watched; ``run`` must be running."""

    def __init__(self, watched: WatchedOrders, peaks: MarketPeaks, holder_id: UUID) -> None:
        self._watched = watched
        self._peaks = peaks
        self._holder_id = holder_id

    def add(self, direction: Direction, market: PoolMarket, current_slot: int) -> None:
        """Add the market of a direction, unless it is too old. Never raises: it decides nothing.

        A restricted one adds the pools that the others of its pair do not follow.
        """
        best = self._watched.get_best(direction)
        if best is None or not is_fresh(market.slot, current_slot):
            return
        try:
            followed = market.select_followed().pools
            pools = [DirectedPool(pool, market.mint_in) for pool in followed]
            best.add(pools, asyncio.get_running_loop().time())
        except Exception as error:  # noqa: BLE001 - it is shown, and decides nothing
            observe_triggers.watch_failed("record the best prices", error)

    async def run(self) -> None:
        """Store what has changed until cancelled."""
        while True:
            await asyncio.sleep(STORE_S)
            await self.store()

    async def store(self) -> None:
        """Store what has changed; what cannot be stored now is reported, and stored later."""
        await attempt("store the best markets", self._store)

    async def _store(self) -> None:
        at = await self._peaks.read_clock()
        # No earlier than that: however long anything takes, no read becomes younger by it.
        now = asyncio.get_running_loop().time()
        changed = []
        texts = []
        for direction in {each.unrestricted: None for each in self._watched.directions}:
            best = self._watched.get_best(direction)
            if best is not None and best.has_changed:
                best.has_changed = False
                changed.append(best)
                token_in, token_out = (token.symbol for token in direction)
                text = encode_reads([each for each in best.reads if each.at <= now], now)
                texts.append(StoredText(token_in, token_out, text))
                await asyncio.sleep(0)
        if not texts:
            return
        try:
            await self._peaks.store_best(self._holder_id, texts, at)
        except BaseException:
            for best in changed:
                best.has_changed = True
            raise

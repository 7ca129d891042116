"""Stores the prices that a process has sampled, off the path of orders."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

from backend.domain.amounts import Token
from backend.domain.errors import EngineError
from backend.routing.prices.price_sampler import PriceSampler
from backend.runtime import observe_routing
from backend.store.prices.price_bars import PriceBars

SAMPLE_S: Final = 0.5
"""How often the pools that were noted are quoted: each slot, or almost."""
STORE_EVERY: Final = 2
"""After so many times the samples are stored."""
DELETE_EVERY: Final = 120
"""After so many times old bars are deleted, and the clock is read again."""

ReadPools = Callable[[Sequence[tuple[Token, Token]]], Awaitable[object]]


class PriceRecorder:
    """Stores what ``sampler`` has sampled; ``run`` must be running."""

    def __init__(self, sampler: PriceSampler, bars: PriceBars, *, minutes_kept: timedelta) -> None:
        self.sampler = sampler
        self._bars = bars
        self._minutes_kept = minutes_kept
        self._clock_offset_s: float | None = None

    async def run(self, read_pools: ReadPools) -> None:
        """Sample, store and delete until cancelled.

        ``read_pools`` reads the pools of pairs of which a price was lacked: once a second at most.
        """
        number = 0
        while True:
            await asyncio.sleep(SAMPLE_S)
            try:
                await self.sampler.sample()
                if number % DELETE_EVERY == 0:
                    await self._read_clock()
                    await self._bars.delete_old(self._minutes_kept)
                if number % STORE_EVERY == 0:
                    await self._store()
                    if pairs := self.sampler.take_unvalued():
                        await read_pools(pairs)
            except EngineError as error:
                observe_routing.prices_not_stored(error)
            number += 1

    async def _store(self) -> None:
        if self._clock_offset_s is None:
            await self._read_clock()
        assert self._clock_offset_s is not None
        await self._bars.add(self.sampler.take(self._clock_offset_s))

    async def _read_clock(self) -> None:
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        clock_s = await self._bars.read_clock_s()
        self._clock_offset_s = clock_s - (asked_at + loop.time()) / 2

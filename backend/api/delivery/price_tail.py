"""The price tail: publishes the bars of seconds that are new or have changed, for who asks.

One statement a second reads the bars of all pairs that the sockets of this process ask for, as the
processes have written them: a second in which nothing was read has none. The pools of these pairs
are read meanwhile, unless they were a moment ago. Without a subscriber it is idle.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final, NamedTuple

from backend.accounting.bars import Bar
from backend.accounting.pairs import PairName
from backend.api.delivery.event_page import EventPage
from backend.api.delivery.outgoing_queue import OutgoingQueue
from backend.api.wire.accounting.bar_json import bar_to_json
from backend.api.wire.json import encode
from backend.domain.errors import EngineError

INTERVAL_S: Final = 1.0
RECENT: Final = timedelta(seconds=10)
"""A bar that is older does not change any more: processes write what they sampled each second."""


class PriceFrame(NamedTuple):
    """A message with bars, as JSON text."""

    text: str


StreamQueue = OutgoingQueue[EventPage | PriceFrame]
ReadRecent = Callable[[Sequence[PairName], timedelta], Awaitable[list[tuple[PairName, Bar]]]]
ReadPools = Callable[[Sequence[PairName]], Awaitable[None]]


class PriceTail:
    """Reads the bars that subscribers ask for, and tells them; ``run`` must be running.

    ``read_pools`` begins to read the pools of pairs, and waits for none.
    """

    def __init__(self, read_recent: ReadRecent, read_pools: ReadPools) -> None:
        self._read_recent = read_recent
        self._read_pools = read_pools
        self._pairs: dict[StreamQueue, frozenset[PairName]] = {}
        self._has_subscriber = asyncio.Event()

    @asynccontextmanager
    async def subscribe(
        self, pairs: Collection[PairName], queue: StreamQueue
    ) -> AsyncIterator[None]:
        """Put the bars of some pairs into the queue while the block runs; without any, nothing."""
        if not pairs:
            yield
            return
        self._pairs[queue] = frozenset(pairs)
        self._has_subscriber.set()
        try:
            yield
        finally:
            del self._pairs[queue]

    async def run(self) -> None:
        """Read and publish bars until cancelled."""
        told: dict[tuple[PairName, int], Bar] = {}
        while True:
            if not self._pairs:
                told = {}
                self._has_subscriber.clear()
                await self._has_subscriber.wait()
            with suppress(EngineError):  # logged by the pool; the next look has all that changed
                told = await self._read_news(told)
            await asyncio.sleep(INTERVAL_S)

    async def _read_news(
        self, told: Mapping[tuple[PairName, int], Bar]
    ) -> dict[tuple[PairName, int], Bar]:
        """Publish the bars that are not told yet as they are; returns all that are recent."""
        pairs = sorted(frozenset[PairName]().union(*self._pairs.values()))
        await self._read_pools(pairs)
        recent = await self._read_recent(pairs, RECENT)
        self._publish([each for each in recent if told.get((each[0], each[1].start)) != each[1]])
        return {(pair, bar.start): bar for pair, bar in recent}

    def _publish(self, news: Sequence[tuple[PairName, Bar]]) -> None:
        frames: dict[frozenset[PairName], PriceFrame | None] = {}
        for queue, pairs in self._pairs.items():
            if pairs not in frames:
                frames[pairs] = _build_frame([each for each in news if each[0] in pairs])
            frame = frames[pairs]
            if frame is not None:
                queue.put(frame)


def _build_frame(news: Sequence[tuple[PairName, Bar]]) -> PriceFrame | None:
    if not news:
        return None
    bars = [{"pair": str(pair), **bar_to_json(bar)} for pair, bar in news]
    return PriceFrame(encode({"prices": bars}))

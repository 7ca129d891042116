"""The markets of pairs as API processes show them with waiting orders: read once a slot at most.

Whoever asks waits for a read for a short time only, counted from its start: a node that does not
answer slows one request down, and no other. What a read brings later is there for the next.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from backend.domain.amounts import Token
from backend.domain.errors import EngineError
from backend.domain.orders import OrderTerms
from backend.domain.route_constraints import RouteConstraints, select_pool_constraints
from backend.routing.pair_read import PairRead
from backend.routing.router import Router
from backend.runtime.background import shield
from backend.triggers.markets import Pair, build_market
from backend.triggers.pool_market import PoolMarket

PAIRS_MAX: Final = 256
"""Most pairs whose markets are kept."""


class MarketKey(NamedTuple):
    """A direction of trade, over the pools that constraints allow: all, if there are none."""

    token_in: Token
    token_out: Token
    allowed: RouteConstraints | None = None

    @classmethod
    def of(cls, terms: OrderTerms) -> MarketKey:
        """The market that an order is judged by."""
        return cls(terms.token_in, terms.token_out, select_pool_constraints(terms.constraints))

    @property
    def pair(self) -> Pair:
        """The pair of the direction: the same for both."""
        one, other = sorted((self.token_in, self.token_out), key=lambda token: token.mint)
        return one, other


class _Read:
    """The pools of a pair, being read since a time, or as they were read until another.

    ``found`` is ``None`` until they are read, ``has_pool`` until that is known; that there was one
    once counts.
    """

    def __init__(self, started_at: float, *, has_pool: bool | None = None) -> None:
        self.started_at = started_at
        self.ended_at: float | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.has_pool = has_pool
        self.found: PairRead | None = None

    def build_market(self, key: MarketKey) -> PoolMarket | None:
        """The market of a direction of the pair; ``None`` if it is not known."""
        if self.found is None:
            return None
        market = build_market(key[:2], self.found, key.allowed, lambda pool: pool.slot)
        return market if market.pools or market.is_complete else None

    def has_none(self, allowed: RouteConstraints | None) -> bool:
        """Whether it is known that no pool is allowed."""
        if allowed is None:
            return self.has_pool is False
        return self.found is not None and self.found.has_none(allowed)


class RecentMarkets:
    """Markets that are at most ``age_max_s`` old."""

    def __init__(self, router: Router, *, age_max_s: float) -> None:
        self._router = router
        self._age_max_s = age_max_s
        self._reads: OrderedDict[Pair, _Read] = OrderedDict()

    async def read(
        self, keys: Collection[MarketKey], *, wait_s: float
    ) -> dict[MarketKey, PoolMarket]:
        """The markets of some directions of trade.

        Those that are not known within ``wait_s`` are left out, with 0 what is not known already;
        and so are those whose pools could not be read. What has no pool has a market without one.
        """
        reads = await self._await_reads(keys, wait_s)
        markets = ((key, reads[key.pair].build_market(key)) for key in keys)
        return {key: market for key, market in markets if market is not None}

    def find_age_ms(self, key: MarketKey) -> int | None:
        """How long ago the read of a market began, at most; ``None`` if it is not known."""
        read = self._reads.get(key.pair)
        if read is None or read.found is None:
            return None
        return round((asyncio.get_running_loop().time() - read.started_at) * 1000)

    async def find_poolless(self, keys: Collection[MarketKey], *, wait_s: float) -> set[MarketKey]:
        """Those of some directions that no pool is allowed in, if that is known within ``wait_s``.

        A pair that had a pool once is not read again, unless it is asked which pools: it costs no
        wait. As long as more pools may be found, none of those asked for is taken to be missing.
        """
        unsure = [key for key in keys if key.allowed is not None or not self._had_pool(key.pair)]
        if not unsure:
            return set()
        reads = await self._await_reads(unsure, wait_s)
        return {key for key in unsure if reads[key.pair].has_none(key.allowed)}

    def _had_pool(self, pair: Pair) -> bool:
        read = self._reads.get(pair)
        return read is not None and read.has_pool is True

    async def _await_reads(
        self, keys: Collection[MarketKey], wait_s: float
    ) -> Mapping[Pair, _Read]:
        """The reads of the pairs of some directions, of which those that take longer go on."""
        reads = self._find_reads({key.pair for key in keys})
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(0)  # pools that are known already come in the next turn of the loop
        pending = [read for read in reads.values() if not read.ended.done()]
        left_s = max((read.started_at + wait_s - now for read in pending), default=0.0)
        if pending and left_s > 0:
            await asyncio.wait([read.ended for read in pending], timeout=left_s)
        return reads

    def _find_reads(self, pairs: Collection[Pair]) -> dict[Pair, _Read]:
        """The newest reads of pairs; begins those that there are none of."""
        now = asyncio.get_running_loop().time()
        reads, missing = {}, []
        for pair in pairs:
            read = self._reads.get(pair)
            if read is None or (
                read.ended_at is not None and now - read.ended_at >= self._age_max_s
            ):
                had_pool = self._had_pool(pair)
                read = self._reads[pair] = _Read(now, has_pool=had_pool or None)
                missing.append(pair)
            self._reads.move_to_end(pair)
            reads[pair] = read
        if missing:
            shield(self._read_pools({pair: reads[pair] for pair in missing}))
        while len(self._reads) > PAIRS_MAX:
            self._reads.popitem(last=False)
        return reads

    async def _read_pools(self, reads: dict[Pair, _Read]) -> None:
        try:
            found = await self._find_pools(list(reads))
            for (pair, read), pair_read in zip(reads.items(), found, strict=True):
                read.found = pair_read
                if pair_read.read:
                    read.has_pool = True
                elif read.has_pool is None and pair_read.has_none(None):
                    read.has_pool = False
                    self._router.look_again(*pair)  # the next one who asks may find it
        except EngineError:
            pass  # too many reads wait: nothing of these is known
        finally:
            for read in reads.values():
                read.ended_at = asyncio.get_running_loop().time()
                read.ended.set_result(None)

    async def _find_pools(self, pairs: Sequence[Pair]) -> Sequence[PairRead]:
        """The pools of each pair, once they were looked for if they never were, or are none."""
        found = await self._router.read_pools(pairs)
        unsure = [
            pair
            for pair, read in zip(pairs, found, strict=True)
            if not read.is_searched or not (read.read or read.is_settled)
        ]
        if not unsure:
            return found
        await self._router.await_pools(unsure)
        again = dict(zip(unsure, await self._router.read_pools(unsure), strict=True))
        return [again.get(pair, earlier) for pair, earlier in zip(pairs, found, strict=True)]

"""The markets of pairs as API processes show them with waiting orders: read once a slot at most.

Whoever asks waits for a read for a short time only, counted from its start: a node that does not
answer slows one request down, and no other. What a read brings later is there for the next.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.errors import NO_POOL_CODE, EngineError
from backend.routing.route import MissingQuote
from backend.routing.router import Router
from backend.runtime.background import shield
from backend.triggers.markets import Pair, are_final
from backend.triggers.pool_market import PoolMarket
from backend.venues.venue import Pool

PAIRS_MAX: Final = 256
"""Most pairs whose markets are kept."""


class _Read:
    """The pools of a pair, being read since a time, or as they were read until another.

    ``has_pool`` is ``None`` until that is known; that there was one once counts.
    """

    def __init__(self, started_at: float, *, has_pool: bool | None = None) -> None:
        self.started_at = started_at
        self.ended_at: float | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.has_pool = has_pool
        self.pools: Sequence[Pool] = ()
        self.is_complete = False


class RecentMarkets:
    """Markets that are at most ``age_max_s`` old."""

    def __init__(self, router: Router, *, age_max_s: float) -> None:
        self._router = router
        self._age_max_s = age_max_s
        self._reads: OrderedDict[Pair, _Read] = OrderedDict()

    async def read(self, directions: Collection[Pair], *, wait_s: float) -> dict[Pair, PoolMarket]:
        """The markets of some directions of trade, a token in and a token out each.

        Those that are not known within ``wait_s`` are left out, with 0 what is not known already;
        and so are those whose pools could not be read. What has no pool has a market without one.
        """
        reads = await self._await_reads(directions, wait_s)
        markets = {}
        for token_in, token_out in directions:
            read = reads[_to_pair((token_in, token_out))]
            if read.pools or read.is_complete:
                mints = Pubkey.from_string(token_in.mint), Pubkey.from_string(token_out.mint)
                slot = min((pool.slot for pool in read.pools), default=0)
                market = PoolMarket(*mints, read.pools, slot, read.is_complete)
                markets[token_in, token_out] = market
        return markets

    async def find_poolless(self, directions: Collection[Pair], *, wait_s: float) -> set[Pair]:
        """Those of some directions whose pair has no pool, if that is known within ``wait_s``.

        A pair that had a pool once is not read again: it costs no wait.
        """
        unsure = [each for each in directions if not self._had_pool(_to_pair(each))]
        if not unsure:
            return set()
        reads = await self._await_reads(unsure, wait_s)
        return {each for each in unsure if reads[_to_pair(each)].has_pool is False}

    def _had_pool(self, pair: Pair) -> bool:
        read = self._reads.get(pair)
        return read is not None and read.has_pool is True

    async def _await_reads(
        self, directions: Collection[Pair], wait_s: float
    ) -> Mapping[Pair, _Read]:
        """The reads of the pairs of some directions, of which those that take longer go on."""
        reads = self._find_reads({_to_pair(each) for each in directions})
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
            for (pair, read), (pools, missing) in zip(reads.items(), found, strict=True):
                read.pools = pools
                if pools:
                    read.has_pool = True
                elif (
                    read.has_pool is None
                    and are_final(missing)
                    and all(each.error.code == NO_POOL_CODE for each in missing)
                ):
                    read.has_pool = False
                    self._router.look_again(*pair)  # the next one who asks may find it
                read.is_complete = are_final(missing)
        except EngineError:
            pass  # too many reads wait: nothing of these is known
        finally:
            for read in reads.values():
                read.ended_at = asyncio.get_running_loop().time()
                read.ended.set_result(None)

    async def _find_pools(
        self, pairs: Sequence[Pair]
    ) -> Sequence[tuple[Sequence[Pool], Sequence[MissingQuote]]]:
        """The pools of each pair; those of a pair that has none, once it is known which it has."""
        found = await self._router.read_pools(pairs)
        unsure = [
            pair
            for pair, (pools, missing) in zip(pairs, found, strict=True)
            if not pools and not are_final(missing)
        ]
        if not unsure:
            return found
        await self._router.await_pools(unsure)
        again = dict(zip(unsure, await self._router.read_pools(unsure), strict=True))
        return [again.get(pair, earlier) for pair, earlier in zip(pairs, found, strict=True)]


def _to_pair(direction: Pair) -> Pair:
    """The pair of a direction: the same for both."""
    one, other = sorted(direction, key=lambda token: token.mint)
    return one, other

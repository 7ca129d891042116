"""Which pools of a pair are quoted: the default ones, pinned ones, and all that are found.

A pair that somebody asks for is looked at in the background, and again at an interval or when one
of its pools refuses a quote: what processes have found before, what the node lists, and how deep
each pool is. Until then, and where the node lists nothing, the default pools are quoted, whose
addresses follow from the two mints, and the pinned ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from operator import attrgetter
from typing import Final, NamedTuple

from solders.pubkey import Pubkey

from backend.domain.errors import EngineError, Rejected, Transient
from backend.routing.pool_depth import measure_depth
from backend.routing.pool_directory import (
    PAIRS_MAX,
    RETRY_S,
    KnownPair,
    PairPools,
    PoolRead,
    derive_pools,
)
from backend.routing.pool_finder import FoundPool, MintPair, PoolFinder, sort_pair
from backend.runtime import observe_routing
from backend.venues.venue import Venue

QUOTED_MAX: Final = 16
"""Most pools of a pair that are quoted: the deepest."""
LOOKS_MAX: Final = 4
"""Most pairs that are looked at concurrently."""


SEARCH_S_MAX: Final = 30.0
"""A pair is taken as it is known after this time, though the node does not list its pools."""


@dataclass(frozen=True, slots=True)
class PoolPreferences:
    """What an operator says of pools: those that are always quoted, those that never are.

    A pool whose depth is below ``depth_min_bps`` of that of the pair's deepest is left out.
    """

    pinned: Sequence[Pubkey] = ()
    excluded: Collection[Pubkey] = ()
    depth_min_bps: int = 0


class _JudgedPair(NamedTuple):
    """A pair whose known pools were judged, by when it is searched: rank, then order."""

    rank: int
    number: int
    pair: KnownPair
    is_complete: bool


class PoolRegistry:
    """The pools of every pair; ``run`` must be running.

    ``defaults`` have a pool of most pairs. Pools are looked for every ``interval_s`` while a pair
    is quoted; with 0, never.
    """

    def __init__(
        self,
        finder: PoolFinder,
        defaults: Sequence[Venue],
        *,
        preferences: PoolPreferences,
        interval_s: float,
    ) -> None:
        self._finder = finder
        self._defaults = defaults
        self._preferences = preferences
        self._searches = interval_s > 0
        self._look_again_s = interval_s or float("inf")
        self._pinned: dict[MintPair, list[FoundPool]] = {}
        self._pairs: dict[tuple[Pubkey, Pubkey], KnownPair] = {}
        self._queue: asyncio.Queue[KnownPair] = asyncio.Queue()  # of PAIRS_MAX at most
        self._judged: asyncio.PriorityQueue[_JudgedPair] = asyncio.PriorityQueue()
        self._numbers = count()
        self._is_listing = True

    def list_pools(self, mint_a: Pubkey, mint_b: Pubkey) -> PairPools:
        """The pools of two mints, in either order, that are quoted now."""
        pair = self._pairs.get((mint_a, mint_b)) or self._add(mint_a, mint_b)
        if asyncio.get_running_loop().time() >= pair.look_at:
            self._want(pair)
        return pair.pools

    def is_settled(self, mint_a: Pubkey, mint_b: Pubkey) -> bool:
        """Whether all pools of two mints are known, as far as the node lists them."""
        pair = self._pairs.get((mint_a, mint_b))
        return pair is not None and pair.settled

    def is_searched(self, mint_a: Pubkey, mint_b: Pubkey) -> bool:
        """Whether all pools are known, those of an earlier search, or those of ``SEARCH_S_MAX``."""
        pair = self._pairs.get((mint_a, mint_b))
        if pair is None:
            return False
        if pair.settled or pair.was_found:
            return True
        return asyncio.get_running_loop().time() - pair.added_at >= SEARCH_S_MAX

    def find_search(self, mint_a: Pubkey, mint_b: Pubkey) -> asyncio.Future[None] | None:
        """What ends when the pools of two mints were looked for; ``None`` if they were."""
        self.list_pools(mint_a, mint_b)  # that asks for a look
        pair = self._pairs[mint_a, mint_b]
        is_known = pair.settled or pair.was_found or pair.searched.done()
        return None if is_known else pair.searched

    def report_refusal(self, mint_a: Pubkey, mint_b: Pubkey) -> None:
        """Look at the pair again soon."""
        pair = self._pairs.get((mint_a, mint_b))
        if pair is None or not self._has_choice(pair):
            return
        if asyncio.get_running_loop().time() - pair.looked_at >= RETRY_S:
            self._want(pair)

    async def run(self, read: PoolRead) -> None:
        """Find the pinned pools, then look at pairs as they are asked for, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._find_pinned())
            for _ in range(LOOKS_MAX):
                tasks.create_task(self._judge_pairs(read))
                tasks.create_task(self._search_pairs(read))

    def _add(self, mint_a: Pubkey, mint_b: Pubkey) -> KnownPair:
        while len(self._pairs) >= PAIRS_MAX:
            oldest = min(self._pairs.values(), key=attrgetter("looked_at"))
            self._pairs.pop(oldest.mints, None)
            self._pairs.pop(oldest.mints[::-1], None)
            self._finder.forget(oldest.mints)
        mints = sort_pair(mint_a, mint_b)
        pair = KnownPair(mints, [*self._pinned.get(mints, ()), *self._derive(mints)])
        if not self._has_choice(pair):
            pair.look_at = float("inf")
            pair.end_first_look()
            pair.settled = True
        self._pairs[mint_a, mint_b] = self._pairs[mint_b, mint_a] = pair
        return pair

    def _has_choice(self, pair: KnownPair) -> bool:
        """Whether a pair may have other pools than the default ones."""
        return self._searches or pair.mints in self._pinned

    def _want(self, pair: KnownPair) -> None:
        if not pair.wanted and self._queue.qsize() < PAIRS_MAX:
            pair.wanted = True
            self._queue.put_nowait(pair)

    async def _judge_pairs(self, read: PoolRead) -> None:
        """Judge what is known of pairs already; no pair waits there for another one's search."""
        while True:
            pair = await self._queue.get()
            pair.wanted, is_complete = False, False
            pair.look_at = asyncio.get_running_loop().time() + RETRY_S  # not while this look lasts
            with suppress(EngineError):
                is_complete = await self._judge_known(pair, read)
            if not self._searches:
                pair.end_look(is_complete=is_complete, again_s=self._look_again_s)
            elif not pair.to_search:
                pair.to_search = True
                # Pairs that trade go first: of the others there may be any number.
                rank = 0 if any(pair.usable.values()) else 1
                self._judged.put_nowait(_JudgedPair(rank, next(self._numbers), pair, is_complete))

    async def _judge_known(self, pair: KnownPair, read: PoolRead) -> bool:
        """Judge the pools of a pair that were found before; returns whether all could be read."""
        if self._searches:
            with suppress(Transient):  # what other processes have found is not necessary
                await self._finder.load([pair.mints])
        is_complete = await self._judge(pair, read)
        if is_complete and any(pair.usable.values()):
            pair.end_first_look()
            pair.was_found = self._finder.has_found(pair.mints)
            if pair.was_found:
                pair.end_search()
        return is_complete

    async def _search_pairs(self, read: PoolRead) -> None:
        """Have the node list the pools of pairs, and judge those that are new."""
        while True:
            judged = await self._judged.get()
            pair, is_complete = judged.pair, judged.is_complete
            pair.to_search = False
            try:
                if await self._search(pair):
                    is_complete = await self._judge(pair, read)
            except EngineError as error:
                observe_routing.pools_not_found(pair.name, error.reason)
                is_complete = False
            pair.end_look(is_complete=is_complete, again_s=self._look_again_s)

    async def _search(self, pair: KnownPair) -> bool:
        """Ask the node for the pools of a pair; returns whether there is one that was not known.

        Raises ``Transient``.
        """
        is_new = False
        for query in self._finder.list_queries(pair.mints):
            try:
                is_new |= await self._finder.query(pair.mints, query)
            except Rejected as error:
                self._refuse_listing(error)
                break
        return is_new

    async def _judge(self, pair: KnownPair, read: PoolRead) -> bool:
        """Measure all known pools of a pair, and choose those that are quoted.

        Returns whether all could be read; what is known of the others stays.
        """
        pinned = self._pinned.get(pair.mints, ())
        known = {each.address: each for each in [*pinned, *self._finder.list_pools(pair.mints)]}
        reads = [(each, read(each.venue, each.address)) for each in known.values()]
        depths: dict[Pubkey, int] = {}
        idle: list[Pubkey] = []
        is_complete = True
        for each, pool in reads:
            try:
                depth = measure_depth(await pool, pair.mints)
            except Rejected:
                continue
            except Transient:
                depth, is_complete = pair.usable.get(each.address), False
            if depth is None:
                idle.append(each.address)
            else:
                depths[each.address] = depth
        # Pools of which none swaps say why: they are not open yet, or disabled.
        pair.usable = depths or dict.fromkeys(idle, 0)
        chosen = self._choose(pair, [known[address] for address in pair.usable])
        pair.pools = chosen._replace(judged=pair.pools.judged)
        observe_routing.pools_judged(pair.name, len(known), len(pair.pools.quoted))
        return is_complete

    def _choose(self, pair: KnownPair, usable: Sequence[FoundPool]) -> PairPools:
        pinned = {each.address for each in self._pinned.get(pair.mints, ())}
        ranked = sorted(
            usable,
            key=lambda each: (each.address not in pinned, -pair.usable[each.address]),
        )
        least = max(pair.usable.values(), default=0) * self._preferences.depth_min_bps
        deep = [
            each
            for each in ranked
            if each.address in pinned or pair.usable[each.address] * 10_000 >= least
        ]
        chosen = {each.address for each in deep[:QUOTED_MAX]}
        quoted = [each for each in usable if each.address in chosen]
        dexes = {each.venue.dex for each in quoted}
        # A venue without any pool still says why.
        quoted += [each for each in self._derive(pair.mints) if each.venue.dex not in dexes]
        return PairPools(tuple(quoted), len(usable) - len(chosen))

    def _derive(self, mints: MintPair) -> list[FoundPool]:
        derived = derive_pools(self._defaults, mints)
        return [each for each in derived if each.address not in self._preferences.excluded]

    def _refuse_listing(self, error: Rejected) -> None:
        if self._is_listing:
            self._is_listing = False
            observe_routing.pools_not_listed(error.reason)

    async def _find_pinned(self) -> None:
        """Learn the mints of the pinned pools, as soon as the node tells them."""
        missing = list(self._preferences.pinned)
        while missing:
            with suppress(EngineError):
                found = await self._finder.identify(missing)
                for each in found:
                    self._pinned.setdefault(each.pair, []).append(each)
                    for key in (each.pair, each.pair[::-1]):
                        if key in self._pairs:
                            self._want(self._pairs[key])
                unknown = set(missing) - {each.address for each in found}
                for address in unknown:
                    observe_routing.pinned_pool_unknown(str(address))
                return
            await asyncio.sleep(RETRY_S)

"""What a router asks about the pools of a pair, and the answer that needs no search."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from solders.pubkey import Pubkey

from backend.routing.pool_finder import FoundPool, MintPair, sort_pair
from backend.venues.venue import Pool, Venue

PAIRS_MAX: Final = 4_096
"""Most pairs whose pools are remembered, in both orders; those that were looked at last."""

RETRY_S: Final = 5.0
"""Shortest time between two looks at a pair."""

PoolRead = Callable[[Venue, Pubkey], asyncio.Future[Pool]]
"""Begins to read a pool; the future raises ``Rejected`` or ``Transient``."""


class PairPools(NamedTuple):
    """The pools of a pair that are quoted, and how many others there are that swap.

    ``judged`` ends when pools are known, or it is known that there are none; ``None`` if they are.
    """

    quoted: Sequence[FoundPool]
    left_out: int = 0
    judged: asyncio.Future[None] | None = None


class KnownPair:
    """What is known of a pair's pools."""

    __slots__ = (
        "added_at",
        "judged",
        "look_at",
        "looked_at",
        "mints",
        "pools",
        "searched",
        "settled",
        "to_search",
        "usable",
        "wanted",
        "was_found",
    )

    def __init__(self, mints: MintPair, pools: Sequence[FoundPool]) -> None:
        self.mints: Final = mints
        self.usable: dict[Pubkey, int] = {}
        """The depth of each pool that swaps, by its address; where none does, 0 of each pool."""
        self.added_at = asyncio.get_running_loop().time()
        self.looked_at = self.look_at = float("-inf")
        self.wanted = self.to_search = False
        """Whether it waits for its known pools to be judged, and for the node to list others."""
        self.judged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Ends when the pools are known that were found before, or of none all that there are."""
        self.searched: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Ends when the first look has ended, or the pools of an earlier search are known."""
        self.pools = PairPools(pools, judged=self.judged)
        self.settled = self.was_found = False
        """Whether the last look was complete, and whether pools are known of an earlier search."""

    @property
    def name(self) -> str:
        """Its mints, for logs."""
        return "/".join(map(str, self.mints))

    def end_first_look(self) -> None:
        """Have nobody wait any longer for the pools that were found before."""
        if not self.judged.done():
            self.judged.set_result(None)
            self.pools = self.pools._replace(judged=None)

    def end_search(self) -> None:
        """Have nobody wait any longer for the node to list pools."""
        if not self.searched.done():
            self.searched.set_result(None)

    def end_look(self, *, is_complete: bool, again_s: float) -> None:
        """Take note that a look has ended, and when the next one is due."""
        self.settled = is_complete
        self.end_first_look()
        self.end_search()
        self.looked_at = asyncio.get_running_loop().time()
        self.look_at = self.looked_at + (again_s if is_complete else RETRY_S)


class PoolDirectory(Protocol):
    """Knows the pools of every pair."""

    def list_pools(self, mint_a: Pubkey, mint_b: Pubkey) -> PairPools:
        """The pools of two mints, in either order, that are quoted now."""
        ...

    def report_refusal(self, mint_a: Pubkey, mint_b: Pubkey) -> None:
        """Take note that a pool of two mints refused a quote for a reason of its own."""
        ...

    def is_settled(self, mint_a: Pubkey, mint_b: Pubkey) -> bool:
        """Whether all pools of two mints are known, as far as the node lists them."""
        ...

    def is_searched(self, mint_a: Pubkey, mint_b: Pubkey) -> bool:
        """Whether all pools of two mints are known, or have been looked for long enough."""
        ...

    def find_search(self, mint_a: Pubkey, mint_b: Pubkey) -> asyncio.Future[None] | None:
        """What ends when the pools of two mints were looked for; ``None`` if they were."""
        ...

    async def run(self, read: PoolRead) -> None:
        """Look for pools until cancelled."""
        ...


class DerivedPools:
    """The default pool of each venue, and nothing else."""

    def __init__(self, venues: Sequence[Venue]) -> None:
        self._venues = venues
        self._pairs: dict[tuple[Pubkey, Pubkey], PairPools] = {}

    def list_pools(self, mint_a: Pubkey, mint_b: Pubkey) -> PairPools:
        """The default pools of two mints."""
        pools = self._pairs.get((mint_a, mint_b))
        if pools is None:
            while len(self._pairs) >= PAIRS_MAX:
                del self._pairs[next(iter(self._pairs))]
            derived = derive_pools(self._venues, sort_pair(mint_a, mint_b))
            pools = self._pairs[mint_a, mint_b] = PairPools(derived)
        return pools

    def report_refusal(self, mint_a: Pubkey, mint_b: Pubkey) -> None:
        """Do nothing: there is no other pool."""

    def is_settled(self, mint_a: Pubkey, mint_b: Pubkey) -> bool:
        """Always."""
        return True

    def is_searched(self, mint_a: Pubkey, mint_b: Pubkey) -> bool:
        """Always."""
        return True

    def find_search(self, mint_a: Pubkey, mint_b: Pubkey) -> asyncio.Future[None] | None:
        """Nothing to wait for."""
        return None

    async def run(self, read: PoolRead) -> None:
        """Do nothing."""


def derive_pools(venues: Sequence[Venue], mints: MintPair) -> list[FoundPool]:
    """The default pools of two mints."""
    return [FoundPool(venue.derive_pool_address(*mints), venue, mints) for venue in venues]

"""Finds the pools of two tokens at whatever address: a node lists them, and they are remembered.

A pool that was found once is known to every process, by the store. The addresses that the venues
derive from two mints are always looked at, also where the node lists nothing.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from solders.pubkey import Pubkey

from backend.domain.errors import Rejected, Transient
from backend.routing.pool_reader import KEYS_MAX, AccountReader
from backend.store.errors import translate_errors
from backend.store.launches.found_pools import StoredPool
from backend.venues.venue import Account, Venue

PROBE_AGE_S: Final = 60.0
POOLS_MAX: Final = 64
"""Most pools of a pair that are looked at: the newest, so that no earlier ones can hide them."""

MintPair = tuple[Pubkey, Pubkey]
"""Two mints, sorted as text."""


class ProgramLister(Protocol):
    """The part of a node's JSON-RPC client that lists what programs own."""

    async def get_program_accounts(
        self, program: Pubkey, filters: Sequence[Any]
    ) -> tuple[int, dict[Pubkey, Account]]:
        """The slot, and the accounts of a program that pass all filters, by address."""
        ...


class PoolNode(ProgramLister, AccountReader, Protocol):
    """The part of a node's JSON-RPC client that finds pools."""


class PoolStore(Protocol):
    """Pools that processes have found; see ``FoundPools``."""

    async def load(self, pairs: Sequence[tuple[str, str]]) -> list[StoredPool]:
        """The pools of some pairs of mints."""
        ...

    async def add(self, pools: Sequence[StoredPool]) -> None:
        """Store pools."""
        ...


class FoundPool(NamedTuple):
    """A pool by its address, with its venue and the pair of its mints."""

    address: Pubkey
    venue: Venue
    pair: MintPair


class PoolQuery(NamedTuple):
    """What lists the pools of a venue and two mints, in one order of these."""

    venue: Venue
    filters: Sequence[dict[str, object]]


def sort_pair(mint_a: Pubkey, mint_b: Pubkey) -> MintPair:
    """The pair of two mints."""
    return (mint_a, mint_b) if str(mint_a) < str(mint_b) else (mint_b, mint_a)


class PoolFinder:
    """The pools of pairs that are known in this process, and where to look for more.

    Those at ``excluded`` addresses are never told.
    """

    def __init__(
        self,
        venues: Sequence[Venue],
        node: PoolNode,
        store: PoolStore,
        *,
        excluded: Collection[Pubkey] = (),
    ) -> None:
        self._venues = venues
        self._excluded = excluded
        self._node = node
        self._store = store
        self._known: defaultdict[MintPair, dict[Pubkey, FoundPool]] = defaultdict(dict)
        self._programs = {str(venue.program): venue for venue in venues}

    def list_pools(self, pair: MintPair) -> list[FoundPool]:
        """The pools of a pair that are known, after the addresses that the venues derive."""
        derived = {
            address: FoundPool(address, venue, pair)
            for venue in self._venues
            for address in [venue.derive_pool_address(*pair)]
        }
        newest = list(self._known[pair].items())[-POOLS_MAX:]
        pools = {**derived, **dict(newest)}
        return [each for address, each in pools.items() if address not in self._excluded]

    def has_found(self, pair: MintPair) -> bool:
        """Whether some process has found pools of a pair, as far as is known here."""
        return bool(self._known.get(pair))

    def list_queries(self, pair: MintPair) -> Iterator[PoolQuery]:
        """The queries that find all pools of a pair: each venue, both orders of the mints."""
        for venue in self._venues:
            at_first, at_second = venue.search.mint_offsets
            for first, second in (pair, pair[::-1]):
                yield PoolQuery(
                    venue,
                    [
                        {"dataSize": venue.search.data_size},
                        {"memcmp": {"offset": at_first, "bytes": str(first)}},
                        {"memcmp": {"offset": at_second, "bytes": str(second)}},
                    ],
                )

    async def load(self, pairs: Iterable[MintPair]) -> None:
        """Know the pools of pairs that any process has found. Raises ``Transient``."""
        texts = [(str(one), str(other)) for one, other in pairs]
        for stored in await translate_errors(lambda: self._store.load(texts)):
            venue = self._programs.get(stored.program)
            if venue is not None:
                pair = Pubkey.from_string(stored.mint_one), Pubkey.from_string(stored.mint_other)
                self._remember(FoundPool(Pubkey.from_string(stored.address), venue, pair))

    async def query(self, pair: MintPair, query: PoolQuery) -> bool:
        """Ask the node; returns whether a pool was found that was not known.

        Raises ``Transient``, and ``Rejected`` if the node does not list what programs own.
        """
        slot, accounts = await self._node.get_program_accounts(query.venue.program, query.filters)
        return await self.add(pair, query.venue, accounts, slot)

    async def add(
        self, pair: MintPair, venue: Venue, accounts: Mapping[Pubkey, Account], slot: int
    ) -> bool:
        """Remember pools that the node has told; returns whether one was not known.

        What does not look like a pool of the pair is ignored. Raises ``Transient``.
        """
        new = [
            FoundPool(address, venue, pair)
            for address, account in accounts.items()
            if address not in self._known[pair] and _is_pool_of(venue, account, pair)
        ]
        if not new:
            return False
        one, other = map(str, pair)
        program = str(venue.program)
        stored = [StoredPool(str(each.address), program, one, other, slot) for each in new]
        await translate_errors(lambda: self._store.add(stored))
        for each in new:
            self._remember(each)
        return True

    async def identify(self, addresses: Sequence[Pubkey]) -> list[FoundPool]:
        """Find out which pools are at some addresses; what is no pool of a venue is left out.

        Raises ``Transient``, and ``Rejected`` if the node does not answer.
        """
        found: list[FoundPool] = []
        for at in range(0, len(addresses), KEYS_MAX):
            part = addresses[at : at + KEYS_MAX]
            _, accounts = await self._node.get_multiple_accounts(part)
            for address, account in zip(part, accounts, strict=True):
                venue = None if account is None else self._programs.get(str(account.owner))
                if venue is not None and account is not None:
                    pair = _read_pair(venue, account)
                    if pair is not None:
                        found.append(FoundPool(address, venue, pair))
        return found

    def forget(self, pair: MintPair) -> None:
        """Forget the pools of a pair, which can be loaded again."""
        self._known.pop(pair, None)

    def _remember(self, pool: FoundPool) -> None:
        self._known[pool.pair][pool.address] = pool


def _read_pair(venue: Venue, account: Account) -> MintPair | None:
    """The mints of a pool by its account; ``None`` if that is none."""
    search, data = venue.search, account.data
    if len(data) < search.data_size:
        return None
    one, other = (Pubkey(data[at : at + 32]) for at in search.mint_offsets)
    return None if one == other else sort_pair(one, other)


def _is_pool_of(venue: Venue, account: Account, pair: MintPair) -> bool:
    """Whether an account is of the size of a pool and has the mints where a pool has them."""
    search, data = venue.search, account.data
    if account.owner != venue.program or len(data) < search.data_size:
        return False
    mints = {data[at : at + 32] for at in search.mint_offsets}
    return mints == {bytes(mint) for mint in pair}


async def list_no_pools(venue: Venue, node: ProgramLister) -> None:
    """Have a node list pools of which there are none: it raises what the node answers else."""
    search = venue.search
    no_mint = str(Pubkey(bytes([255] * 32)))
    filters: list[object] = [{"dataSize": search.data_size}]
    filters += [{"memcmp": {"offset": at, "bytes": no_mint}} for at in search.mint_offsets]
    await node.get_program_accounts(venue.program, filters)


class ListingProbe:
    """Asks a node whether it lists what programs own, at most once in ``PROBE_AGE_S``."""

    def __init__(self, venue: Venue, node: ProgramLister) -> None:
        self._venue = venue
        self._node = node
        self._probed: tuple[float, str] | None = None

    async def check(self) -> str:
        """Why the node lists no pools; empty if it does, or does not say."""
        now = asyncio.get_running_loop().time()
        if self._probed is None or now - self._probed[0] > PROBE_AGE_S:
            self._probed = now, ""  # also while it does not answer
            self._probed = now, await self._ask()
        return self._probed[1]

    async def _ask(self) -> str:
        try:
            await list_no_pools(self._venue, self._node)
        except Rejected as error:
            return error.reason
        except Transient:
            return ""
        return ""

"""Reads the pools of one venue, coalescing the reads of many orders.

A pool that the node's notifications keep current is not read. Of a pool whose quotes depend on
accounts about its price, those are read that the last read suggests, and those that quotes lacked.

Orders that arrive while a read is in flight share the next one; orders that arrive shortly after
a read share its result. A read may begin before its order is claimed, and takes place meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, Protocol

from solders.pubkey import Pubkey

from backend.domain.errors import NO_POOL_CODE, EngineError, Rejected, Unavailable
from backend.routing.subscribed_pools import SubscribedPools
from backend.runtime import observe_node
from backend.runtime.coalescer import Coalescer
from backend.venues.venue import Account, Pool, Venue

KEYS_MAX = 100
"""Most accounts that a node returns in one response."""
CONCURRENT_READS_MAX = 2
READ_BATCH_TARGET = 50
READ_DELAY_MAX_S = 0.005
"""A read costs the same for one order as for a thousand, so under full load it waits this long."""

POOLS_MAX: Final = 8_192
"""Most pools of a venue that are remembered."""
LACKED_MAX: Final = 24
"""Most accounts of a pool that are read because quotes lacked them."""
LACKED_S: Final = 20.0
"""So long after a quote lacked accounts they are read."""

_NEVER: Final = (float("-inf"), None)
_NOTHING_LACKED: Final[tuple[float, tuple[Pubkey, ...]]] = (float("-inf"), ())


class AccountReader(Protocol):
    """The part of a node's JSON-RPC client that quotes need."""

    async def get_multiple_accounts(
        self, keys: Sequence[Pubkey]
    ) -> tuple[int, list[Account | None]]:
        """The slot, and the accounts of at most 100 keys as of that slot."""
        ...


class PoolReader:
    """Reads the pools of one venue for concurrent callers; ``run`` must be running."""

    def __init__(
        self,
        venue: Venue,
        node: AccountReader,
        *,
        timeout_s: float,
        age_max_s: float,
        subscribed: SubscribedPools | None = None,
    ) -> None:
        self.dex = venue.dex
        self._subscribed = subscribed
        self._venue = venue
        self._node = node
        self._timeout_s = timeout_s
        self._age_max_s = age_max_s
        self._recent: dict[Pubkey, tuple[float, Pool]] = {}
        self._ahead: dict[Pubkey, tuple[float, asyncio.Future[Pool]]] = {}
        self._accounts: dict[Pubkey, Sequence[Pubkey]] = {}
        self._guesses: dict[Pubkey, Sequence[Pubkey]] = {}
        """The accounts about the price of each pool that has such."""
        self._lacked: dict[Pubkey, tuple[float, tuple[Pubkey, ...]]] = {}
        """The accounts that quotes of a pool lacked, and when."""
        self._quoted: set[Pubkey] = set()
        self._reads: Coalescer[Pubkey, Pool] = Coalescer(
            self._read,
            name=f"read pools of {venue.dex}/{venue.name}",
            items_max=100_000,
            calls_max=CONCURRENT_READS_MAX,
            batch_target=READ_BATCH_TARGET,
            max_delay_s=READ_DELAY_MAX_S,
        )
        self.run = self._reads.run

    def look(self, address: Pubkey) -> asyncio.Future[Pool]:
        """Read a pool that nobody may quote; the future raises as that of ``read``."""
        return self._reads.submit_nowait(address)

    def read_more(self, address: Pubkey, keys: Sequence[Pubkey]) -> asyncio.Future[Pool]:
        """Read a pool again, with accounts that a quote of it lacked."""
        _, known = self._lacked.get(address, _NOTHING_LACKED)
        lacked = tuple(dict.fromkeys([*known, *keys]))[-LACKED_MAX:]
        self._lacked[address] = asyncio.get_running_loop().time(), lacked
        return self._reads.submit_nowait(address)

    def read(self, address: Pubkey) -> asyncio.Future[Pool]:
        """Read a pool for a quote, at most ``age_max_s`` old.

        The future raises ``Rejected``, ``Transient`` or ``Unavailable``.
        """
        self._quoted.add(address)
        known = self._get_subscribed(address) or self._get_recent(address)
        if known is not None:
            result: asyncio.Future[Pool] = asyncio.get_running_loop().create_future()
            result.set_result(known)
            return result
        observe_node.pool_quoted("read")
        begun_at, ahead = self._ahead.get(address, _NEVER)
        now = asyncio.get_running_loop().time()
        if ahead is None or ahead.done() or now - begun_at >= self._age_max_s:
            return self._reads.submit_nowait(address)
        return _follow(ahead)

    def prefetch(self, address: Pubkey) -> None:
        """Begin to read a pool, unless a state that is new enough is known."""
        if self._subscribed is not None and self._subscribed.get(address) is not None:
            return
        now = asyncio.get_running_loop().time()
        known_at = (self._recent.get(address, _NEVER)[0], self._ahead.get(address, _NEVER)[0])
        if now - max(known_at) >= self._age_max_s > 0:
            with suppress(Unavailable):  # too much waits already
                self._ahead[address] = now, self._reads.submit_nowait(address)
                while len(self._ahead) > POOLS_MAX:
                    del self._ahead[next(iter(self._ahead))]

    def _get_subscribed(self, address: Pubkey) -> Pool | None:
        if self._subscribed is None:
            return None
        pool = self._subscribed.get(address)
        if pool is not None:
            observe_node.pool_quoted("subscription")
            if self._subscribed.take_verification(address):
                self._reads.submit_nowait(address)
        return pool

    def _get_recent(self, address: Pubkey) -> Pool | None:
        requested_at, pool = self._recent.get(address, _NEVER)
        if pool is None or asyncio.get_running_loop().time() - requested_at >= self._age_max_s:
            return None
        observe_node.pool_quoted("recent")
        return pool

    async def _read(self, requests: Sequence[Pubkey]) -> list[Pool | Exception]:
        addresses = list(dict.fromkeys(requests))
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._timeout_s):
                pools = await self._read_pools(addresses)
        except TimeoutError:
            reason = f"{self.dex} did not respond within {self._timeout_s:g} s"
            return [Unavailable("venue_timeout", reason)] * len(requests)
        for address, pool in pools.items():
            if not isinstance(pool, Exception):
                self._recent[address] = now, pool
        while len(self._accounts) > POOLS_MAX:
            self._forget(next(iter(self._accounts)))
        return [pools.get(address) or _describe_forgotten() for address in requests]

    async def _read_pools(self, addresses: Sequence[Pubkey]) -> dict[Pubkey, Pool | Exception]:
        unknown = [address for address in addresses if address not in self._accounts]
        pools = await self._discover_accounts(unknown)
        wanted = {each: self._list_keys(each) for each in addresses if each in self._accounts}
        for group in _group_by_account_count(wanted):
            keys = list(dict.fromkeys(key for pool in group for key in wanted[pool]))
            requested_at = asyncio.get_running_loop().time()
            try:
                slot, values = await self._node.get_multiple_accounts(keys)
            except EngineError as error:
                pools.update(dict.fromkeys(group, error))
                continue
            accounts = dict(zip(keys, values, strict=True))
            for address in group:
                try:
                    pools[address] = self._venue.decode_pool(address, accounts, slot)
                except EngineError as error:
                    pools[address] = error
                    continue
                own = {key: accounts[key] for key in wanted[address]}
                guess = self._venue.guess_accounts(address, own)
                if guess:  # they change with the price, so there is nothing to subscribe to
                    self._guesses[address] = guess
                elif self._subscribed is not None and address in self._quoted:
                    self._subscribed.store(self._venue, address, own, slot, requested_at)
        return pools

    def _list_keys(self, address: Pubkey) -> Sequence[Pubkey]:
        """The accounts that a pool is read with; at most as many as fit one response."""
        fixed = self._accounts[address]
        guess = self._guesses.get(address, ())
        lacked_at, lacked = self._lacked.get(address, _NOTHING_LACKED)
        if lacked and asyncio.get_running_loop().time() - lacked_at > LACKED_S:
            del self._lacked[address]
            lacked = ()
        if not guess and not lacked:
            return fixed
        return list(dict.fromkeys([*fixed, *guess, *lacked]))[:KEYS_MAX]

    async def _discover_accounts(
        self, addresses: Sequence[Pubkey]
    ) -> dict[Pubkey, Pool | Exception]:
        """Load which accounts each pool is quoted from: its own account names them, for good.

        Returns the errors of the pools that cannot be quoted.
        """
        errors: dict[Pubkey, Pool | Exception] = {}
        for at in range(0, len(addresses), KEYS_MAX):
            chunk = addresses[at : at + KEYS_MAX]
            _, values = await self._node.get_multiple_accounts(chunk)
            for address, account in zip(chunk, values, strict=True):
                try:
                    if account is None:
                        raise Rejected(NO_POOL_CODE, f"{self.dex} has no pool of these tokens")
                    fixed = self._venue.list_accounts(address, account)
                    self._guesses[address] = self._venue.guess_accounts(address, {address: account})
                    self._accounts[address] = fixed
                except EngineError as error:
                    self._quoted.discard(address)
                    errors[address] = error
        return errors

    def _forget(self, address: Pubkey) -> None:
        """Forget a pool, whose accounts can be discovered again."""
        self._quoted.discard(address)
        for known in (self._accounts, self._guesses, self._lacked, self._recent):
            known.pop(address, None)


def _describe_forgotten() -> Unavailable:
    return Unavailable("venue_timeout", "so many pools are quoted that this one was forgotten")


def _follow(read: asyncio.Future[Pool]) -> asyncio.Future[Pool]:
    """A future of its own for each caller: a caller that is cancelled cancels nobody else's."""
    follower: asyncio.Future[Pool] = asyncio.get_running_loop().create_future()

    def finish(ended: asyncio.Future[Pool]) -> None:
        if follower.done():
            return
        if ended.cancelled():
            follower.cancel()
        elif (error := ended.exception()) is not None:
            follower.set_exception(error)
        else:
            follower.set_result(ended.result())

    read.add_done_callback(finish)
    return follower


def _group_by_account_count(accounts: Mapping[Pubkey, Sequence[Pubkey]]) -> list[list[Pubkey]]:
    """Group pools so that the accounts of each group fit one response."""
    groups: list[list[Pubkey]] = []
    capacity = 0
    for address, keys in accounts.items():
        count = len(keys)
        if count > capacity:
            groups.append([])
            capacity = KEYS_MAX
        groups[-1].append(address)
        capacity -= count
    return groups

"""Reads the pools of one venue for many orders at once.

Orders that ask while a read is under way share the next one, and orders that ask a moment after it
share its result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from solders.pubkey import Pubkey

from backend.domain.errors import EngineError, Rejected, Transient
from backend.runtime.coalescer import Coalescer
from backend.venues.venue import Account, Pool, Venue

KEYS_MAX = 100
"""Most accounts that a node returns in one answer."""
READS_AT_ONCE = 2
READ_COMPANY = 50
LINGER_S = 0.005
"""A read costs the same for one order as for a thousand; each may wait this long for the others."""

Pair = tuple[Pubkey, Pubkey]


class AccountReader(Protocol):
    """The part of a node's JSON-RPC that quotes need."""

    async def get_multiple_accounts(
        self, keys: Sequence[Pubkey]
    ) -> tuple[int, list[Account | None]]:
        """The slot, and the accounts of at most 100 keys as they are in it."""
        ...


class Desk:
    """Reads the pools of one venue, for all who ask together; ``run`` must be running."""

    def __init__(
        self,
        venue: Venue,
        node: AccountReader,
        *,
        timeout_s: float,
        age_s: float,
        pools: Mapping[Pair, Pubkey],
    ) -> None:
        self.dex = venue.dex
        self._venue = venue
        self._node = node
        self._timeout_s = timeout_s
        self._age_s = age_s
        self._pools = pools
        self._recent: dict[Pubkey, tuple[float, Pool]] = {}
        self._accounts: dict[Pubkey, Sequence[Pubkey]] = {}
        self._reads: Coalescer[Pubkey, Pool] = Coalescer(
            self._read,
            items_max=100_000,
            calls_max=READS_AT_ONCE,
            company=READ_COMPANY,
            linger_s=LINGER_S,
        )
        self.run = self._reads.run

    def read(self, mint_in: Pubkey, mint_out: Pubkey) -> asyncio.Future[Pool]:
        """The pool of two tokens, no older than asked for; raises ``Rejected`` or ``Transient``."""
        key = (mint_in, mint_out) if bytes(mint_in) < bytes(mint_out) else (mint_out, mint_in)
        address = self._pools.get(key) or self._venue.pool_address(*key)
        loop = asyncio.get_running_loop()
        asked_at, pool = self._recent.get(address, (0.0, None))
        if pool is None or loop.time() - asked_at >= self._age_s:
            return self._reads.put(address)
        known: asyncio.Future[Pool] = loop.create_future()
        known.set_result(pool)
        return known

    async def _read(self, asked: Sequence[Pubkey]) -> list[Pool | Exception]:
        wanted = list(dict.fromkeys(asked))
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._timeout_s):
                pools = await self._pools_of(wanted)
        except TimeoutError:
            reason = f"{self.dex} did not answer within {self._timeout_s:g} s"
            return [Transient("venue_timeout", reason)] * len(asked)
        for address, pool in pools.items():
            if not isinstance(pool, Exception):
                self._recent[address] = now, pool
        return [pools[address] for address in asked]

    async def _pools_of(self, wanted: Sequence[Pubkey]) -> dict[Pubkey, Pool | Exception]:
        unknown = [address for address in wanted if address not in self._accounts]
        pools = await self._learn(unknown)
        for group in _groups(wanted, self._accounts):
            keys = list(dict.fromkeys(key for pool in group for key in self._accounts[pool]))
            try:
                slot, found = await self._node.get_multiple_accounts(keys)
            except EngineError as error:
                pools.update(dict.fromkeys(group, error))
                continue
            accounts = dict(zip(keys, found, strict=True))
            for address in group:
                try:
                    pools[address] = self._venue.decode(address, accounts, slot)
                except EngineError as error:
                    pools[address] = error
        return pools

    async def _learn(self, addresses: Sequence[Pubkey]) -> dict[Pubkey, Pool | Exception]:
        """Which accounts each pool is quoted from: the pool itself says so, once.

        Returns the errors of those that cannot be quoted.
        """
        errors: dict[Pubkey, Pool | Exception] = {}
        for at in range(0, len(addresses), KEYS_MAX):
            chunk = addresses[at : at + KEYS_MAX]
            _, found = await self._node.get_multiple_accounts(chunk)
            for address, account in zip(chunk, found, strict=True):
                try:
                    if account is None:
                        raise Rejected("no_pool", f"{self.dex} has no pool of these tokens")
                    self._accounts[address] = self._venue.accounts_of(address, account)
                except EngineError as error:
                    errors[address] = error
        return errors


def _groups(
    wanted: Sequence[Pubkey], accounts: Mapping[Pubkey, Sequence[Pubkey]]
) -> list[list[Pubkey]]:
    """The known pools, in groups whose accounts fit one answer."""
    groups: list[list[Pubkey]] = []
    room = 0
    for address in wanted:
        if address not in accounts:
            continue
        needs = len(accounts[address])
        if needs > room:
            groups.append([])
            room = KEYS_MAX
        groups[-1].append(address)
        room -= needs
    return groups

"""Routing: what each venue would pay for an order, and which of them gets it.

Pools are read for many orders at once: whoever asks while a read is under way shares the next
one, and whoever asks a moment after it shares that. Each venue is read by itself, under its own
time-out, so that one that is slow or down costs an order nothing but that venue's quote.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from solders.pubkey import Pubkey

from backend import observe
from backend.coalesce import Coalescer
from backend.domain.amounts import format_amount, min_out
from backend.domain.errors import EngineError, Rejected, Transient
from backend.domain.orders import Terms
from backend.domain.quotes import Dex, Quote, best
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


@dataclass(frozen=True, slots=True)
class NoQuote:
    """Why a venue gave no quote."""

    dex: Dex
    error: EngineError

    def to_json(self) -> dict[str, str]:
        """As clients see it."""
        return {"dex": self.dex.value, "code": self.error.code, "reason": self.error.reason}


@dataclass(frozen=True, slots=True)
class Route:
    """The chosen quote, the pool it is of, and what was passed over.

    ``min_amount_out`` is what the chain will be told to insist on, in base units.
    """

    quote: Quote
    pool: Pool
    quotes: tuple[Quote, ...]
    missing: tuple[NoQuote, ...]
    min_amount_out: int

    def to_json(self, terms: Terms) -> dict[str, Any]:
        """As clients see it."""
        out = terms.token_out
        route: dict[str, Any] = {
            "dex": self.quote.dex.value,
            "quotes": [quote.to_json(terms.token_in, out) for quote in self.quotes],
            "minAmountOut": format_amount(self.min_amount_out, out.decimals),
        }
        if self.missing:
            route["unavailable"] = [venue.to_json() for venue in self.missing]
        return route


def choose(terms: Terms, quotes: Sequence[Quote], missing: Sequence[NoQuote]) -> tuple[Quote, int]:
    """The quote that pays most, and the least amount out to insist on.

    Raises ``Rejected`` if no venue can fill the order as asked, ``Transient`` if one that could
    not be asked might.
    """
    unheard = [venue for venue in missing if not isinstance(venue.error, Rejected)]
    if not quotes:
        if unheard:
            raise Transient("venues_unavailable", _reasons(missing))
        raise Rejected(_code(missing), _reasons(missing))
    chosen = best(quotes)
    floor = terms.min_amount_out or 1
    if chosen.amount_out < floor:
        offer = format_amount(chosen.amount_out, terms.token_out.decimals)
        wanted = format_amount(floor, terms.token_out.decimals)
        symbol = terms.token_out.symbol
        reason = f"the best offer, {offer} {symbol} on {chosen.dex}, is below the minimum {wanted}"
        if unheard:
            raise Transient("min_out_not_met", f"{reason}; {_reasons(unheard)}")
        raise Rejected("min_out_not_met", reason)
    return chosen, max(floor, min_out(chosen.amount_out, terms.slippage_bps))


def _reasons(missing: Sequence[NoQuote]) -> str:
    return "; ".join(f"{venue.dex}: {venue.error.reason}" for venue in missing)


def _code(missing: Sequence[NoQuote]) -> str:
    codes = {venue.error.code for venue in missing}
    return codes.pop() if len(codes) == 1 else "no_route"


class Router:
    """Quotes orders on every venue; ``run`` must be running.

    A quote is of a pool as it was asked for at most ``age_s`` ago. ``pools`` names pools to use
    instead of the venues' default ones.
    """

    def __init__(
        self,
        venues: Sequence[Venue],
        node: AccountReader,
        *,
        timeout_s: float,
        age_s: float = 0,
        pools: Mapping[Dex, Mapping[Pair, Pubkey]] | None = None,
    ) -> None:
        given = pools or {}
        self._desks = [
            Desk(venue, node, timeout_s=timeout_s, age_s=age_s, pools=given.get(venue.dex, {}))
            for venue in venues
        ]

    async def run(self) -> None:
        """Read pools for those who ask until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for desk in self._desks:
                tasks.create_task(desk.run())

    async def route(self, terms: Terms) -> Route:
        """Ask every venue and choose. Raises ``Rejected`` or ``Transient`` as ``choose`` does."""
        mint_in = Pubkey.from_string(terms.token_in.mint)
        mint_out = Pubkey.from_string(terms.token_out.mint)
        asked = [(desk, desk.read(mint_in, mint_out)) for desk in self._desks]
        offers: list[tuple[Quote, Pool]] = []
        missing: list[NoQuote] = []
        for desk, reading in asked:
            try:
                pool = await reading
                offers.append((pool.quote(mint_in, terms.amount_in), pool))
            except EngineError as error:
                missing.append(NoQuote(desk.dex, error))
                observe.quote_failed(desk.dex, error.code, error.reason)
        quotes = tuple(quote for quote, _ in offers)
        chosen, insist = choose(terms, quotes, missing)
        pool = next(pool for quote, pool in offers if quote is chosen)
        return Route(chosen, pool, quotes, tuple(missing), insist)


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

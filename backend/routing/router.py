"""The router: quotes an order on the pools of its pair concurrently, and chooses between them.

The pools are read in one request, and those of each venue apart when that fails, under their own
timeout: a slow or failed venue costs an order only that venue's quotes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.amounts import Token
from backend.domain.conditions import Launch
from backend.domain.errors import NO_POOL_CODE, EngineError, Rejected, Unavailable
from backend.domain.orders import OrderTerms
from backend.domain.quotes import Quote
from backend.routing.hops.hop_router import HopRouter
from backend.routing.joint_reader import JointReader
from backend.routing.launches.launch_router import LaunchRouter
from backend.routing.offers import Offers
from backend.routing.pair_read import (
    UNSETTLED,
    PairRead,
    await_reads,
    drop_absent,
    explain_missing,
    mark_unsettled,
)
from backend.routing.pool_directory import DerivedPools, PairPools, PoolDirectory
from backend.routing.pool_finder import FoundPool
from backend.routing.pool_reader import AccountReader, PoolReader
from backend.routing.prices.price_sampler import PriceSampler
from backend.routing.quote_choice import MissingQuote
from backend.routing.route import Route
from backend.routing.splitter import Splitter
from backend.routing.subscribed_pools import SubscribedPools
from backend.runtime import observe, observe_routing
from backend.venues.venue import AccountsMissing, Pool, Venue

QUOTE_READS_MAX: Final = 3
"""So often a pool is read again for a quote that lacks accounts."""
_REFUSALS: Final = frozenset({"no_pool", "bad_pool", "pool_disabled", "not_open", "no_liquidity"})
"""The codes of a pool that may not be quoted for long."""


class Router:
    """Quotes orders on the pools of their pair; ``run`` must be running.

    A quote uses a pool that was read at most ``age_max_s`` ago. ``directory`` knows the pools of
    each pair: without one, they are the default pools of ``venues``. ``max_price_impact_bps`` is
    the cap for orders that have none of their own. ``subscribed`` are the pools that need not be
    read, ``launches`` routes the orders that buy from a new pool, ``splitter`` splits orders,
    ``hops`` routes them through other tokens. ``prices`` samples what was read, and values routes.
    """

    def __init__(
        self,
        venues: Sequence[Venue],
        node: AccountReader,
        *,
        timeout_s: float,
        age_max_s: float = 0,
        directory: PoolDirectory | None = None,
        max_price_impact_bps: int | None = None,
        subscribed: SubscribedPools | None = None,
        launches: LaunchRouter | None = None,
        splitter: Splitter | None = None,
        hops: HopRouter | None = None,
        prices: PriceSampler | None = None,
    ) -> None:
        self._prices = prices
        self._subscribed = subscribed
        self._launches = launches
        self._splitter = splitter
        self._hops = hops
        self._max_price_impact_bps = max_price_impact_bps
        self._directory = directory or DerivedPools(venues)
        self._look_wait_s = timeout_s
        accounts = JointReader(node, patience_s=timeout_s / 2)
        self._readers: dict[Venue, PoolReader] = {
            venue: PoolReader(
                venue, accounts, timeout_s=timeout_s, age_max_s=age_max_s, subscribed=subscribed
            )
            for venue in venues
        }

    async def run(self) -> None:
        """Serve the reads of pools until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for reader in self._readers.values():
                tasks.create_task(reader.run())
            tasks.create_task(self._directory.run(self.look_at_pool))
            if self._subscribed is not None:
                tasks.create_task(self._subscribed.run())

    async def route(self, terms: OrderTerms) -> Route:
        """Quote an order on every pool and choose.

        Raises ``Rejected`` or ``Transient`` as ``choose_quote`` does.
        """
        if self._launches is not None and isinstance(terms.condition, Launch):
            route = await self._launches.route(self._with_cap(terms))
        else:
            route = await self.choose_route(await self.collect_offers(terms))
        observe_routing.route_chosen(len(route.legs))
        return route if self._prices is None else self._prices.value_route(route)

    async def choose_route(self, offers: Offers) -> Route:
        """Choose from what the pools of an order's pair offer, and those of other tokens.

        Raises ``Rejected`` or ``Transient`` as ``choose_quote``.
        """
        direct, refusal = None, None
        try:
            direct = offers.choose_route()
        except EngineError as error:
            if not (isinstance(error, Rejected) or offers.lacks_pools):
                raise
            refusal = error
        route = direct
        if self._hops is not None and self._hops.is_wanted(offers.terms, direct):
            route = await self._hops.find(offers, direct, self._read_pair) or direct
        if route is None:
            assert refusal is not None
            raise refusal
        return route

    async def _read_pair(self, terms: OrderTerms, token_in: Token, token_out: Token) -> list[Pool]:
        """Read the pools of two tokens that an order's constraints allow, as far as they can be."""
        listed = await self._find_pools(_find_mints(token_in, token_out))
        try:
            begun = self._begin_reads(_select_allowed(terms, listed.quoted))
        except EngineError:  # too many reads wait
            return []
        return (await await_reads(begun, is_settled=True)).select_pools(None)

    def prefetch(self, token_in: Token, token_out: Token) -> None:
        """Begin to read the pools of two tokens, for a quote that is about to be asked for."""
        for each in self._list_pools(token_in, token_out).quoted:
            self._readers[each.venue].prefetch(each.address)

    def tell_price(self, accounts: Iterable[Pubkey], price: int) -> None:
        """Take note of what locking these accounts costs, in micro-lamports a compute unit."""
        if self._splitter is not None:
            self._splitter.prices.tell(accounts, price)

    async def read_pools(self, pairs: Sequence[tuple[Token, Token]]) -> list[PairRead]:
        """Read the pools of many pairs at once."""
        begun = []
        for pair in pairs:
            mints = _find_mints(*pair)
            reads = self._begin_reads(self._directory.list_pools(*mints).quoted)
            is_settled = self._directory.is_settled(*mints)
            begun.append((reads, is_settled, self._directory.is_searched(*mints)))
        found = [await await_reads(*each) for each in begun]
        if self._prices is not None:
            for pair, read in zip(pairs, found, strict=True):
                self._prices.note(*pair, read.select_pools(None))
        return found

    async def await_pools(self, pairs: Sequence[tuple[Token, Token]]) -> None:
        """Wait until the pools of some pairs were looked for, for as long as a quote does."""
        searches = (self._directory.find_search(*_find_mints(*pair)) for pair in pairs)
        if waits := [search for search in searches if search is not None]:
            await asyncio.wait(waits, timeout=self._look_wait_s)

    def look_again(self, token_a: Token, token_b: Token) -> None:
        """Look soon for pools of two tokens, of which there was none."""
        self._directory.report_refusal(*_find_mints(token_a, token_b))

    def look_at_pool(self, venue: Venue, address: Pubkey) -> asyncio.Future[Pool]:
        """Read a pool that may not be quoted; the future raises ``Rejected`` or ``Transient``."""
        return self._readers[venue].look(address)

    async def collect_offers(self, terms: OrderTerms) -> Offers:
        """Quote an order on every pool that its constraints allow."""
        terms = self._with_cap(terms)
        mints = _find_mints(terms.token_in, terms.token_out)
        listed = await self._find_pools(mints)
        allowed = _select_allowed(terms, listed.quoted)
        quotes: list[Quote] = []
        pools: list[Pool] = []
        readable: list[Pool] = []
        missing: list[MissingQuote] = []
        for found, read in self._begin_reads(allowed):
            try:
                pool = await read
                readable.append(pool)
                pool, quote = await self._quote(found, pool, mints[0], terms.amount_in)
                readable[-1] = pool
                quotes.append(quote)
                pools.append(pool)
            except EngineError as error:
                missing.append(explain_missing(found, error))
                observe.quote_failed(found.venue.dex, error.code, error.reason)
                if error.code in _REFUSALS:
                    self._directory.report_refusal(*found.pair)
        if self._prices is not None and terms.constraints is None:
            self._prices.note(terms.token_in, terms.token_out, readable)
        if not readable:
            missing = mark_unsettled(missing, is_settled=self._directory.is_settled(*mints))
        return Offers(
            terms,
            tuple(quotes),
            tuple(pools),
            drop_absent(missing, quotes),
            tuple(readable),
            listed.left_out,
            self._splitter,
            None if allowed else self._refuse_all(mints),
        )

    async def _quote(
        self, found: FoundPool, pool: Pool, mint_in: Pubkey, amount_in: int
    ) -> tuple[Pool, Quote]:
        """Quote a pool, which is read again as long as the quote lacks accounts."""
        for _ in range(QUOTE_READS_MAX):
            try:
                return pool, pool.quote(mint_in, amount_in)
            except AccountsMissing as error:
                pool = await self._readers[found.venue].read_more(found.address, error.keys)
        return pool, pool.quote(mint_in, amount_in)

    async def _find_pools(self, mints: tuple[Pubkey, Pubkey]) -> PairPools:
        """The pools of two mints, after a short wait for those that were found before."""
        listed = self._directory.list_pools(*mints)
        if listed.judged is None:
            return listed
        await asyncio.wait([listed.judged], timeout=self._look_wait_s)
        return self._directory.list_pools(*mints)

    def _refuse_all(self, mints: tuple[Pubkey, Pubkey]) -> EngineError:
        """The error of an order that no pool is allowed for: temporary as long as one may be.

        Other processes may know more, or a pool is new: they are looked for again soon.
        """
        self._directory.report_refusal(*mints)
        reason = "none of the pools that are quoted for these tokens is one that the order allows"
        if self._directory.is_settled(*mints):
            return Rejected(NO_POOL_CODE, reason)
        return Unavailable(NO_POOL_CODE, f"{reason}{UNSETTLED}")

    def _list_pools(self, token_a: Token, token_b: Token) -> PairPools:
        return self._directory.list_pools(*_find_mints(token_a, token_b))

    def _begin_reads(
        self, pools: Sequence[FoundPool]
    ) -> list[tuple[FoundPool, asyncio.Future[Pool]]]:
        return [(each, self._readers[each.venue].read(each.address)) for each in pools]

    def _with_cap(self, terms: OrderTerms) -> OrderTerms:
        if terms.max_price_impact_bps is None:
            return replace(terms, max_price_impact_bps=self._max_price_impact_bps)
        return terms


def _select_allowed(terms: OrderTerms, pools: Sequence[FoundPool]) -> Sequence[FoundPool]:
    """Select the pools that an order's constraints allow."""
    constraints = terms.constraints
    if constraints is None:
        return pools
    return [
        each
        for each in pools
        if constraints.allows(each.venue.dex.value, each.venue.name, str(each.address))
    ]


def _find_mints(one: Token, other: Token) -> tuple[Pubkey, Pubkey]:
    return Pubkey.from_string(one.mint), Pubkey.from_string(other.mint)

"""The router: quotes an order on all venues concurrently and chooses between the quotes.

The venues are read in one request, and each apart from the others when that fails, under its own
timeout: a slow or failed venue costs an order only that venue's quote.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from solders.pubkey import Pubkey

from backend.domain.amounts import Token
from backend.domain.conditions import Launch
from backend.domain.errors import EngineError
from backend.domain.orders import OrderTerms
from backend.domain.quotes import Dex, Quote
from backend.routing.joint_reader import JointReader
from backend.routing.launch_router import LaunchRouter
from backend.routing.pool_reader import AccountReader, MintPair, PoolReader
from backend.routing.route import MissingQuote, Route, choose_quote
from backend.routing.subscribed_pools import SubscribedPools
from backend.runtime import observe
from backend.venues.venue import Pool, Venue


@dataclass(frozen=True, slots=True)
class Offers:
    """What the venues offer for ``terms``: a quote of a pool, or an error that explains why not."""

    terms: OrderTerms
    quotes: tuple[Quote, ...]
    pools: tuple[Pool, ...]
    missing: tuple[MissingQuote, ...]

    def choose_route(self) -> Route:
        """Choose between the quotes. Raises ``Rejected`` or ``Transient`` as ``choose_quote``."""
        chosen, min_amount_out = choose_quote(self.terms, self.quotes, self.missing)
        pool = self.pools[self.quotes.index(chosen)]
        return Route(chosen, pool, self.quotes, self.missing, min_amount_out)


class Router:
    """Quotes orders on every venue; ``run`` must be running.

    A quote uses a pool that was read at most ``age_max_s`` ago. ``pools`` overrides the venues'
    default pools. ``max_price_impact_bps`` is the cap for orders that have none of their own.
    ``subscribed`` are the pools that need not be read, ``launches`` routes the orders that buy from
    a new pool.
    """

    def __init__(
        self,
        venues: Sequence[Venue],
        node: AccountReader,
        *,
        timeout_s: float,
        age_max_s: float = 0,
        pools: Mapping[Dex, Mapping[MintPair, Pubkey]] | None = None,
        max_price_impact_bps: int | None = None,
        subscribed: SubscribedPools | None = None,
        launches: LaunchRouter | None = None,
    ) -> None:
        self._subscribed = subscribed
        self._launches = launches
        self._max_price_impact_bps = max_price_impact_bps
        overrides = pools or {}
        accounts = JointReader(node, patience_s=timeout_s / 2)
        self._readers = [
            PoolReader(
                venue,
                accounts,
                timeout_s=timeout_s,
                age_max_s=age_max_s,
                pools=overrides.get(venue.dex, {}),
                subscribed=subscribed,
            )
            for venue in venues
        ]

    async def run(self) -> None:
        """Serve the reads of pools until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for reader in self._readers:
                tasks.create_task(reader.run())
            if self._subscribed is not None:
                tasks.create_task(self._subscribed.run())

    async def route(self, terms: OrderTerms) -> Route:
        """Quote an order on every venue and choose.

        Raises ``Rejected`` or ``Transient`` as ``choose_quote`` does.
        """
        if self._launches is not None and isinstance(terms.condition, Launch):
            return await self._launches.route(self._with_cap(terms))
        return (await self.collect_offers(terms)).choose_route()

    def prefetch(self, token_in: Token, token_out: Token) -> None:
        """Begin to read the pools of two tokens, for a quote that is about to be asked for."""
        mint_in, mint_out = Pubkey.from_string(token_in.mint), Pubkey.from_string(token_out.mint)
        for reader in self._readers:
            reader.prefetch(mint_in, mint_out)

    async def read_pools(
        self, pairs: Sequence[tuple[Token, Token]]
    ) -> list[tuple[list[Pool], list[MissingQuote]]]:
        """Read the pools of many pairs at once: those of each pair, and the venues without one."""
        reads = []
        for token_a, token_b in pairs:
            mints = Pubkey.from_string(token_a.mint), Pubkey.from_string(token_b.mint)
            reads.append([(reader, reader.read(*mints)) for reader in self._readers])
        return [await _await_pools(each) for each in reads]

    def _with_cap(self, terms: OrderTerms) -> OrderTerms:
        if terms.max_price_impact_bps is None:
            return replace(terms, max_price_impact_bps=self._max_price_impact_bps)
        return terms

    async def collect_offers(self, terms: OrderTerms) -> Offers:
        """Quote an order on every venue."""
        terms = self._with_cap(terms)
        mint_in = Pubkey.from_string(terms.token_in.mint)
        mint_out = Pubkey.from_string(terms.token_out.mint)
        reads = [(reader, reader.read(mint_in, mint_out)) for reader in self._readers]
        quotes: list[Quote] = []
        pools: list[Pool] = []
        missing: list[MissingQuote] = []
        for reader, read in reads:
            try:
                pool = await read
                quotes.append(pool.quote(mint_in, terms.amount_in))
                pools.append(pool)
            except EngineError as error:
                missing.append(MissingQuote(reader.dex, error))
                observe.quote_failed(reader.dex, error.code, error.reason)
        return Offers(terms, tuple(quotes), tuple(pools), tuple(missing))


async def _await_pools(
    reads: Sequence[tuple[PoolReader, asyncio.Future[Pool]]],
) -> tuple[list[Pool], list[MissingQuote]]:
    pools: list[Pool] = []
    missing: list[MissingQuote] = []
    for reader, read in reads:
        try:
            pools.append(await read)
        except EngineError as error:
            missing.append(MissingQuote(reader.dex, error))
    return pools, missing

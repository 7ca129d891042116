"""The router: quotes an order on all venues concurrently and chooses between the quotes.

Each venue is read independently, under its own timeout, so that a slow or failed venue costs an
order only that venue's quote.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from solders.pubkey import Pubkey

from backend.domain.errors import EngineError
from backend.domain.orders import OrderTerms
from backend.domain.quotes import Dex, Quote
from backend.routing.pool_reader import AccountReader, MintPair, PoolReader
from backend.routing.route import MissingQuote, Route, choose_quote
from backend.runtime import observe
from backend.venues.venue import Pool, Venue


class Router:
    """Quotes orders on every venue; ``run`` must be running.

    A quote uses a pool that was read at most ``age_max_s`` ago. ``pools`` overrides the venues'
    default pools.
    """

    def __init__(
        self,
        venues: Sequence[Venue],
        node: AccountReader,
        *,
        timeout_s: float,
        age_max_s: float = 0,
        pools: Mapping[Dex, Mapping[MintPair, Pubkey]] | None = None,
    ) -> None:
        overrides = pools or {}
        self._readers = [
            PoolReader(
                venue,
                node,
                timeout_s=timeout_s,
                age_max_s=age_max_s,
                pools=overrides.get(venue.dex, {}),
            )
            for venue in venues
        ]

    async def run(self) -> None:
        """Serve the reads of pools until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for reader in self._readers:
                tasks.create_task(reader.run())

    async def route(self, terms: OrderTerms) -> Route:
        """Quote an order on every venue and choose.

        Raises ``Rejected`` or ``Transient`` as ``choose_quote`` does.
        """
        mint_in = Pubkey.from_string(terms.token_in.mint)
        mint_out = Pubkey.from_string(terms.token_out.mint)
        reads = [(reader, reader.read(mint_in, mint_out)) for reader in self._readers]
        offers: list[tuple[Quote, Pool]] = []
        missing: list[MissingQuote] = []
        for reader, read in reads:
            try:
                pool = await read
                offers.append((pool.quote(mint_in, terms.amount_in), pool))
            except EngineError as error:
                missing.append(MissingQuote(reader.dex, error))
                observe.quote_failed(reader.dex, error.code, error.reason)
        quotes = tuple(quote for quote, _ in offers)
        chosen, min_amount_out = choose_quote(terms, quotes, missing)
        pool = next(pool for quote, pool in offers if quote is chosen)
        return Route(chosen, pool, quotes, tuple(missing), min_amount_out)

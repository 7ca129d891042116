"""The router: quotes an order on every venue at the same time and chooses between the quotes.

Each venue is read by itself, under its own timeout, so that one that is slow or down costs an
order nothing but that venue's quote.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from solders.pubkey import Pubkey

from backend.domain.errors import EngineError
from backend.domain.orders import Terms
from backend.domain.quotes import Dex, Quote
from backend.routing.pool_reader import AccountReader, Desk, Pair
from backend.routing.route import NoQuote, Route, choose
from backend.runtime import observe
from backend.venues.venue import Pool, Venue


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

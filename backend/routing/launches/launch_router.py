"""Routes the orders that buy from a new pool: any pool of the pair that passes their guards.

The guards are checked at the quote, whatever was seen before: it is the last look before signing.
"""

from __future__ import annotations

from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.domain.orders import OrderTerms
from backend.domain.quotes import Quote
from backend.routing.launches.launched_pools import LaunchedPool, LaunchedPoolReader, judge
from backend.routing.pool_finder import MintPair, PoolFinder, sort_pair
from backend.routing.quote_choice import GUARDS_CODE, MissingQuote, choose_quote, join_reasons
from backend.routing.route import Route
from backend.runtime import observe


class LaunchRouter:
    """Finds and quotes the pools of one order."""

    def __init__(self, finder: PoolFinder, reader: LaunchedPoolReader) -> None:
        self._finder = finder
        self._reader = reader

    async def route(self, terms: OrderTerms) -> Route:
        """Choose the pool that pays most of those that pass.

        Raises ``Rejected`` (``guards_not_met``) with the reasons of each if none does, and
        ``Transient`` if that cannot be known.
        """
        pair = sort_pair(*(Pubkey.from_string(t.mint) for t in (terms.token_in, terms.token_out)))
        quotes, missing = await self._quote(terms, pair)
        if not quotes:
            await self._find_more(pair)
            quotes, missing = await self._quote(terms, pair)
        if not quotes:
            reasons = join_reasons(missing)
            raise Rejected(GUARDS_CODE, reasons or "there is no pool of these tokens")
        chosen, least = choose_quote(terms, list(quotes), missing)
        others = (quote for quote in quotes if quote is not chosen)
        # Several may be of one venue: the first is the one that its figures are compared with.
        pool = quotes[chosen].pool
        return Route.of_pool(terms, (pool, chosen), [chosen, *others], missing, least)

    async def _quote(
        self, terms: OrderTerms, pair: MintPair
    ) -> tuple[dict[Quote, LaunchedPool], list[MissingQuote]]:
        quotes: dict[Quote, LaunchedPool] = {}
        missing: list[MissingQuote] = []
        pools = self._finder.list_pools(pair)
        await self._reader.discover(pools)
        for launched in await self._reader.read(pools):
            verdict = judge(terms, launched)
            if verdict.quote is not None:
                quotes[verdict.quote] = launched
                continue
            dex, reason = launched.found.venue.dex, ", ".join(verdict.reasons)
            missing.append(MissingQuote(dex, Rejected(GUARDS_CODE, reason)))
            observe.quote_failed(dex, GUARDS_CODE, reason)
        return quotes, missing

    async def _find_more(self, pair: MintPair) -> None:
        """Look for pools that another process, or nobody yet, has found."""
        await self._finder.load([pair])
        for query in self._finder.list_queries(pair):
            try:
                await self._finder.query(pair, query)
            except Rejected:
                return  # the node lists nothing: what is known has to do

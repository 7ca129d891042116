"""What the pools of a pair offer for an order, and the route that is chosen from it."""

from __future__ import annotations

from dataclasses import dataclass

from backend.domain.amounts import compute_min_out
from backend.domain.errors import NO_POOL_CODE, EngineError
from backend.domain.orders import OrderTerms
from backend.domain.quotes import Quote, best_quote
from backend.routing.quote_choice import MissingQuote, choose_quote, select_steep
from backend.routing.route import Leg, Route, split_minimum
from backend.routing.splitter import Offer, Splitter
from backend.venues.venue import Pool


@dataclass(frozen=True, slots=True)
class Offers:
    """What pools offer for ``terms``: a quote of each, or an error that explains why not.

    ``readable`` are the pools that could be read, also those that do not take the whole amount.
    ``left_out`` is the number of the pair's pools that were not looked at. ``refusal`` tells why no
    pool was: the order's constraints allow none.
    """

    terms: OrderTerms
    quotes: tuple[Quote, ...]
    pools: tuple[Pool, ...]
    missing: tuple[MissingQuote, ...]
    readable: tuple[Pool, ...] = ()
    left_out: int = 0
    splitter: Splitter | None = None
    refusal: EngineError | None = None

    @property
    def lacks_pools(self) -> bool:
        """Whether no pool of the pair is known that the order may use; one may still be found."""
        return self.refusal is not None or (
            not self.readable and all(each.error.code == NO_POOL_CODE for each in self.missing)
        )

    def choose_route(self) -> Route:
        """Choose the quote that pays most, or several pools if they pay more together.

        Raises ``Rejected`` or ``Transient`` as ``choose_quote``, if they do not do it either.
        """
        if self.refusal is not None:
            raise self.refusal
        split = self._find_split()
        if split is not None:
            return split
        chosen, min_amount_out = choose_quote(self.terms, self.quotes, self.missing)
        pool = self.pools[self.quotes.index(chosen)]
        return Route.of_pool(
            self.terms, (pool, chosen), self.quotes, self.missing, min_amount_out, self.left_out
        )

    def _find_split(self) -> Route | None:
        """The route of several legs, if it pays more than any pool alone, and enough."""
        if self.splitter is None or len(self.readable) < 2:
            return None
        steep = select_steep(self.terms, self.quotes)
        within = [quote for quote in self.quotes if quote not in steep] if steep else self.quotes
        best = None
        if within:
            quote = best_quote(within)
            best = Offer(self.pools[self.quotes.index(quote)], quote)
        split = self.splitter.split(self.terms, self.readable, best)
        floor = self.terms.min_amount_out or 1
        if split is None or split.amount_out < floor:
            return None
        minimum = max(floor, compute_min_out(split.amount_out, self.terms.slippage_bps))
        quotes = [part.quote for part in split.parts]
        legs = tuple(
            Leg(part.pool, part.quote, least, self.terms.token_in, self.terms.token_out)
            for part, least in zip(split.parts, split_minimum(quotes, minimum), strict=True)
        )
        return Route(legs, self.quotes, self.missing, minimum, self.left_out)

"""The route of an order: the swaps that fill it, what they pay at least, and the alternatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from backend.domain.amounts import (
    BPS,
    Token,
    amounts_to_json,
    ceil_div,
    format_amount,
    format_ratio,
)
from backend.domain.orders import OrderTerms
from backend.domain.quotes import E9, Quote
from backend.routing.quote_choice import MissingQuote, quotes_to_json, select_steep
from backend.venues.venue import Pool

_IMPROVEMENT_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Leg:
    """One swap of a route: an amount of ``token_in`` through one pool.

    ``min_amount_out`` is what the pool's program enforces, in base units of ``token_out``.
    """

    pool: Pool
    quote: Quote
    min_amount_out: int
    token_in: Token
    token_out: Token


@dataclass(frozen=True, slots=True)
class Hop:
    """The legs of a route that swap one token for another, side by side, the largest first."""

    legs: tuple[Leg, ...]

    @property
    def token_in(self) -> Token:
        """The token that they take."""
        return self.legs[0].token_in

    @property
    def token_out(self) -> Token:
        """The token that they pay."""
        return self.legs[0].token_out

    @property
    def amount_in(self) -> int:
        """What they take, in base units."""
        return sum(leg.quote.amount_in for leg in self.legs)

    @property
    def amount_out(self) -> int:
        """What they pay, in base units."""
        return sum(leg.quote.amount_out for leg in self.legs)

    @property
    def price_impact_e9(self) -> int:
        """Their price impact, each weighted by its part of the amount, rounded up."""
        impact = sum(leg.quote.price_impact_e9 * leg.quote.amount_in for leg in self.legs)
        return ceil_div(impact, self.amount_in)


@dataclass(frozen=True, slots=True)
class Route:
    """The swaps of an order with all quotes of its pair, and the venues without one.

    Legs of the same two tokens swap side by side, the largest first. With several hops, each takes
    what the one before it pays at least, and the last pays the order. ``min_amount_out`` is what
    they bring at least, as the transaction enforces: the sum of what the last hop's legs do.
    ``left_out`` is the number of the pair's pools that were not quoted, ``value`` what the swap is
    worth in base units of a token that it does not lead through.
    """

    legs: tuple[Leg, ...]
    quotes: tuple[Quote, ...]
    missing: tuple[MissingQuote, ...]
    min_amount_out: int
    left_out: int = 0
    value: tuple[Token, int] | None = None

    @classmethod
    def of_pool(
        cls,
        terms: OrderTerms,
        chosen: tuple[Pool, Quote],
        quotes: Sequence[Quote],
        missing: Sequence[MissingQuote],
        min_amount_out: int,
        left_out: int = 0,
    ) -> Route:
        """The route of one leg."""
        leg = Leg(*chosen, min_amount_out, terms.token_in, terms.token_out)
        return cls((leg,), tuple(quotes), tuple(missing), min_amount_out, left_out)

    @property
    def quote(self) -> Quote:
        """The quote of the leg that pays most of the order's token."""
        return self._main.quote

    @property
    def pool(self) -> Pool:
        """The pool of the leg that pays most of the order's token."""
        return self._main.pool

    @property
    def hops(self) -> list[Hop]:
        """The swaps that follow each other."""
        groups: dict[tuple[Token, Token], list[Leg]] = {}
        for leg in self.legs:
            groups.setdefault((leg.token_in, leg.token_out), []).append(leg)
        return [Hop(tuple(legs)) for legs in groups.values()]

    @property
    def amount_out(self) -> int:
        """What the legs pay of the order's token, in base units."""
        return sum(leg.quote.amount_out for leg in self._last_legs)

    @property
    def fees(self) -> dict[Token, int]:
        """What the venues keep of each token, in base units."""
        fees: dict[Token, int] = {}
        for leg in self.legs:
            for token, fee in zip((leg.token_in, leg.token_out), leg.quote.fees, strict=True):
                fees[token] = fees.get(token, 0) + fee
        return fees

    @property
    def slot(self) -> int:
        """The newest slot that a leg's pool was read in."""
        return max(leg.quote.slot for leg in self.legs)

    @property
    def price_impact_e9(self) -> int:
        """The price impact of all hops together, rounded up."""
        if len(self.legs) == 1:
            return self.quote.price_impact_e9
        kept = E9
        for hop in self.hops:
            kept = kept * (E9 - hop.price_impact_e9) // E9
        return E9 - kept

    @property
    def residuals(self) -> list[tuple[Token, int]]:
        """What is expected to be left of the tokens in between, in base units."""
        if len(self.legs) == 1:
            return []
        hops = self.hops
        left = [
            (hop.token_out, hop.amount_out - following.amount_in)
            for hop, following in pairwise(hops)
        ]
        return [(token, amount) for token, amount in left if amount]

    @property
    def _main(self) -> Leg:
        return max(self._last_legs, key=lambda leg: leg.quote.amount_out)

    @property
    def _last_legs(self) -> Sequence[Leg]:
        if len(self.legs) == 1:
            return self.legs
        token_out = self.legs[-1].token_out
        return [leg for leg in self.legs if leg.token_out == token_out]

    def to_json(self, terms: OrderTerms) -> dict[str, Any]:
        """Convert to JSON for clients. Of one leg, the quote of its pool says all."""
        out, main = terms.token_out, self.quote
        route: dict[str, Any] = {
            "dex": main.dex.value,
            "program": main.program,
            "pool": main.pool,
            "quotes": quotes_to_json(terms, self.quotes),
            "minAmountOut": format_amount(self.min_amount_out, out.decimals),
            "venueFees": amounts_to_json(self.fees.items()),
        }
        if len(self.legs) > 1:
            route["legs"] = [_leg_to_json(leg, hop) for hop in self.hops for leg in hop.legs]
            route["expectedAmountOut"] = format_amount(self.amount_out, out.decimals)
            route["priceImpact"] = format_ratio(self.price_impact_e9, E9)
            route["improvementBps"] = self._compute_improvement(terms)
        if self.value is not None:
            [route["value"]] = amounts_to_json([self.value])
        if residuals := self.residuals:
            route["residuals"] = amounts_to_json(residuals)
        if self.left_out:
            route["leftOut"] = self.left_out
        if self.missing:
            route["unavailable"] = [venue.to_json() for venue in self.missing]
        return route

    def _compute_improvement(self, terms: OrderTerms) -> str | None:
        """How much more the legs pay than the best pool alone, in basis points.

        ``None`` if no pool alone fills the order within its price impact cap.
        """
        steep = select_steep(terms, self.quotes)
        single = max(
            (quote.amount_out for quote in self.quotes if quote not in steep), default=None
        )
        if single is None:
            return None
        return format_ratio((self.amount_out - single) * BPS, single, _IMPROVEMENT_DIGITS)


def split_minimum(quotes: Sequence[Quote], min_amount_out: int) -> list[int]:
    """Divide a minimum over the legs as what they pay, each at least 1; they sum up to it.

    ``min_amount_out`` is at most what they pay, so no leg has to bring more than its quote.
    """
    total = sum(quote.amount_out for quote in quotes)
    minimums = [max(quote.amount_out * min_amount_out // total, 1) for quote in quotes]
    missing = min_amount_out - sum(minimums)
    for i, quote in enumerate(quotes):
        change = max(min(missing, quote.amount_out - minimums[i]), 1 - minimums[i])
        minimums[i] += change
        missing -= change
    return minimums


def _leg_to_json(leg: Leg, hop: Hop) -> dict[str, object]:
    quote, token_in, token_out = leg.quote, leg.token_in, leg.token_out
    return {
        "dex": quote.dex.value,
        "program": quote.program,
        "pool": quote.pool,
        "tokenIn": token_in.symbol,
        "tokenOut": token_out.symbol,
        "amountIn": format_amount(quote.amount_in, token_in.decimals),
        "amountOut": format_amount(quote.amount_out, token_out.decimals),
        "share": format_ratio(quote.amount_in, hop.amount_in),
        "fee": format_ratio(quote.fee_e9, E9),
        "priceImpact": format_ratio(quote.price_impact_e9, E9),
        "minAmountOut": format_amount(leg.min_amount_out, token_out.decimals),
    }

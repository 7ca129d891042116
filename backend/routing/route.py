"""A route: the quote that pays most, the minimum amount out, and the quotes passed over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backend.domain.amounts import format_amount, min_out
from backend.domain.errors import EngineError, Rejected, Transient
from backend.domain.orders import Terms
from backend.domain.quotes import Dex, Quote, best
from backend.venues.venue import Pool


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

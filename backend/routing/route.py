"""The route of an order: the best quote, the minimum amount out, and the alternatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backend.domain.amounts import compute_min_out, format_amount
from backend.domain.errors import EngineError, Rejected, Transient, Unavailable
from backend.domain.orders import OrderTerms
from backend.domain.quotes import Dex, Quote, best_quote
from backend.venues.venue import Pool


@dataclass(frozen=True, slots=True)
class MissingQuote:
    """A venue without a quote, and the error that explains it."""

    dex: Dex
    error: EngineError

    def to_json(self) -> dict[str, str]:
        """Convert to JSON for clients."""
        return {"dex": self.dex.value, "code": self.error.code, "reason": self.error.reason}


@dataclass(frozen=True, slots=True)
class Route:
    """The chosen quote with its pool, all quotes, and the venues without one.

    ``min_amount_out`` is the minimum output that the transaction enforces, in base units.
    """

    quote: Quote
    pool: Pool
    quotes: tuple[Quote, ...]
    missing: tuple[MissingQuote, ...]
    min_amount_out: int

    def to_json(self, terms: OrderTerms) -> dict[str, Any]:
        """Convert to JSON for clients."""
        out = terms.token_out
        route: dict[str, Any] = {
            "dex": self.quote.dex.value,
            "quotes": [quote.to_json(terms.token_in, out) for quote in self.quotes],
            "minAmountOut": format_amount(self.min_amount_out, out.decimals),
        }
        if self.missing:
            route["unavailable"] = [venue.to_json() for venue in self.missing]
        return route


def choose_quote(
    terms: OrderTerms, quotes: Sequence[Quote], missing: Sequence[MissingQuote]
) -> tuple[Quote, int]:
    """Choose the quote that pays most, and determine the minimum output to enforce.

    Raises ``Rejected`` if no venue can fill the order, ``Transient`` if a venue without a quote
    might, and ``Unavailable`` if that one only has to be reached.
    """
    undecided = [venue for venue in missing if not isinstance(venue.error, Rejected)]
    if not quotes:
        if undecided:
            raise _build_undecided_error("venues_unavailable", _join_reasons(missing), undecided)
        raise Rejected(_get_common_code(missing), _join_reasons(missing))
    chosen = best_quote(quotes)
    floor = terms.min_amount_out or 1
    if chosen.amount_out < floor:
        offer = format_amount(chosen.amount_out, terms.token_out.decimals)
        minimum = format_amount(floor, terms.token_out.decimals)
        symbol = terms.token_out.symbol
        reason = f"the best offer, {offer} {symbol} on {chosen.dex}, is below the minimum {minimum}"
        if undecided:
            reason = f"{reason}; {_join_reasons(undecided)}"
            raise _build_undecided_error("min_out_not_met", reason, undecided)
        raise Rejected("min_out_not_met", reason)
    return chosen, max(floor, compute_min_out(chosen.amount_out, terms.slippage_bps))


def _build_undecided_error(code: str, reason: str, undecided: Sequence[MissingQuote]) -> Transient:
    """``Unavailable`` only if nothing else stands in the way; then with the longest pause asked."""
    pauses: list[float] = []
    for venue in undecided:
        if not isinstance(venue.error, Unavailable):
            return Transient(code, reason)
        pauses.append(venue.error.retry_after_s or 0)
    return Unavailable(code, reason, max(pauses) or None)


def _join_reasons(missing: Sequence[MissingQuote]) -> str:
    return "; ".join(f"{venue.dex}: {venue.error.reason}" for venue in missing)


def _get_common_code(missing: Sequence[MissingQuote]) -> str:
    codes = {venue.error.code for venue in missing}
    return codes.pop() if len(codes) == 1 else "no_route"

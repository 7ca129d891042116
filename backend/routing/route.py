"""The route of an order: the best quote, the minimum amount out, and the alternatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backend.domain.amounts import BPS, ceil_div, compute_min_out, format_amount
from backend.domain.errors import EngineError, Rejected, Transient, Unavailable
from backend.domain.orders import OrderTerms
from backend.domain.quotes import E9, Dex, Quote, best_quote
from backend.venues.venue import Pool

NO_POOL_CODE = "no_pool"
PRICE_IMPACT_CODE = "price_impact_too_high"
MIN_OUT_CODE = "min_out_not_met"
GUARDS_CODE = "guards_not_met"
"""The code of an order for which no pool is open and passes its guards."""
UNMET_TERMS_CODES = frozenset({PRICE_IMPACT_CODE, MIN_OUT_CODE, GUARDS_CODE})
"""The codes of an order that could be filled, but not at its terms."""
_PERCENT_DECIMALS = 2
_E9_PER_BPS = E9 // BPS


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
            "quotes": quotes_to_json(terms, self.quotes),
            "minAmountOut": format_amount(self.min_amount_out, out.decimals),
            "venueFees": self.quote.fees_to_json(terms.token_in, out),
        }
        if self.missing:
            route["unavailable"] = [venue.to_json() for venue in self.missing]
        return route


def choose_quote(
    terms: OrderTerms, quotes: Sequence[Quote], missing: Sequence[MissingQuote]
) -> tuple[Quote, int]:
    """Choose the quote within the cap that pays most, and the minimum output to enforce.

    Raises ``Rejected`` if no venue can fill the order, ``Transient`` if a venue without a quote
    might, and ``Unavailable`` if that one only has to be reached.
    """
    undecided = [venue for venue in missing if not isinstance(venue.error, Rejected)]
    if not quotes:
        if undecided:
            raise _build_undecided_error("venues_unavailable", join_reasons(missing), undecided)
        raise Rejected(_get_common_code(missing), join_reasons(missing))
    steep = _select_steep(terms, quotes)
    if len(steep) == len(quotes):
        reason = _describe_impact(terms, steep)
        if undecided:
            reason = f"{reason}; {join_reasons(undecided)}"
            raise _build_undecided_error(PRICE_IMPACT_CODE, reason, undecided)
        raise Rejected(PRICE_IMPACT_CODE, reason)
    chosen = best_quote([quote for quote in quotes if quote not in steep] if steep else quotes)
    floor = terms.min_amount_out or 1
    if chosen.amount_out < floor:
        offer = format_amount(chosen.amount_out, terms.token_out.decimals)
        minimum = format_amount(floor, terms.token_out.decimals)
        symbol = terms.token_out.symbol
        reason = f"the best offer, {offer} {symbol} on {chosen.dex}, is below the minimum {minimum}"
        if steep:
            reason = f"{reason}; {_describe_impact(terms, steep)}"
        if undecided:
            reason = f"{reason}; {join_reasons(undecided)}"
            raise _build_undecided_error(MIN_OUT_CODE, reason, undecided)
        raise Rejected(MIN_OUT_CODE, reason)
    return chosen, max(floor, compute_min_out(chosen.amount_out, terms.slippage_bps))


def quotes_to_json(terms: OrderTerms, quotes: Sequence[Quote]) -> list[dict[str, object]]:
    """Convert quotes to JSON for clients; one above the cap says that it is refused, and why."""
    shown = [quote.to_json(terms.token_in, terms.token_out) for quote in quotes]
    for quote in _select_steep(terms, quotes):
        reason = _describe_impact(terms, [quote])
        shown[quotes.index(quote)]["refused"] = {"code": PRICE_IMPACT_CODE, "reason": reason}
    return shown


def _select_steep(terms: OrderTerms, quotes: Sequence[Quote]) -> list[Quote]:
    """Select the quotes whose price impact is above the order's cap."""
    cap_bps = terms.max_price_impact_bps
    if cap_bps is None:
        return []
    return [quote for quote in quotes if not quote.is_within_impact(cap_bps)]


def _describe_impact(terms: OrderTerms, steep: Sequence[Quote]) -> str:
    # Rounded up, so that no impact is shown as if it were equal to the cap that it exceeds.
    impacts = " and ".join(
        f"{_format_percent(ceil_div(quote.price_impact_e9, _E9_PER_BPS))} on {quote.dex}"
        for quote in steep
    )
    cap = _format_percent(terms.max_price_impact_bps or 0)
    return f"the price impact, {impacts}, is above the cap of {cap}"


def _format_percent(bps: int) -> str:
    return f"{format_amount(bps, _PERCENT_DECIMALS)} %"


def _build_undecided_error(code: str, reason: str, undecided: Sequence[MissingQuote]) -> Transient:
    """``Unavailable`` only if nothing else stands in the way; then with the longest pause asked."""
    pauses: list[float] = []
    for venue in undecided:
        if not isinstance(venue.error, Unavailable):
            return Transient(code, reason)
        pauses.append(venue.error.retry_after_s or 0)
    return Unavailable(code, reason, max(pauses) or None)


def join_reasons(missing: Sequence[MissingQuote]) -> str:
    """Why each venue has no quote; empty if all have one."""
    return "; ".join(f"{venue.dex}: {venue.error.reason}" for venue in missing)


def _get_common_code(missing: Sequence[MissingQuote]) -> str:
    codes = {venue.error.code for venue in missing}
    return codes.pop() if len(codes) == 1 else "no_route"

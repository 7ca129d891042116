"""The choice between the quotes of an order, and the reasons of venues that have none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from backend.domain.amounts import BPS, ceil_div, compute_min_out, format_amount
from backend.domain.errors import NO_POOL_CODE, EngineError, Rejected, Transient, Unavailable
from backend.domain.orders import OrderTerms
from backend.domain.quotes import E9, Dex, Quote, best_quote

PRICE_IMPACT_CODE = "price_impact_too_high"
MIN_OUT_CODE = "min_out_not_met"
GUARDS_CODE = "guards_not_met"
"""The code of an order for which no pool is open and passes its guards."""
UNMET_TERMS_CODES = frozenset({PRICE_IMPACT_CODE, MIN_OUT_CODE, GUARDS_CODE})
"""The codes of an order that could be filled, but not at its terms."""
_PERCENT_DECIMALS = 2
_REASONS_MAX = 4
_E9_PER_BPS = E9 // BPS


@dataclass(frozen=True, slots=True)
class MissingQuote:
    """A pool without a quote, and the error that explains it; an exchange if it has no pool."""

    dex: Dex
    error: EngineError
    program: str | None = None
    pool: str | None = None

    def to_json(self) -> dict[str, str]:
        """Convert to JSON for clients."""
        shown = {"dex": self.dex.value}
        if self.program is not None and self.pool is not None:
            shown |= {"program": self.program, "pool": self.pool}
        return {**shown, "code": self.error.code, "reason": self.error.reason}


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
        code = _get_common_code(missing)
        raise Rejected(
            code, describe_poolless(terms) if code == NO_POOL_CODE else join_reasons(missing)
        )
    steep = select_steep(terms, quotes)
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


def describe_poolless(terms: OrderTerms) -> str:
    """That there is no pool for an order, in a sentence."""
    allowed = "" if terms.constraints is None else " that the order allows"
    pair = f"{terms.token_in.symbol} and {terms.token_out.symbol}"
    return f"no venue{allowed} has a pool of {pair}"


def quotes_to_json(terms: OrderTerms, quotes: Sequence[Quote]) -> list[dict[str, object]]:
    """Convert quotes to JSON for clients; one above the cap says that it is refused, and why."""
    shown = [quote.to_json(terms.token_in, terms.token_out) for quote in quotes]
    for quote in select_steep(terms, quotes):
        reason = _describe_impact(terms, [quote])
        shown[quotes.index(quote)]["refused"] = {"code": PRICE_IMPACT_CODE, "reason": reason}
    return shown


def select_steep(terms: OrderTerms, quotes: Sequence[Quote]) -> list[Quote]:
    """Select the quotes whose price impact is above the order's cap."""
    cap_bps = terms.max_price_impact_bps
    if cap_bps is None:
        return []
    return [quote for quote in quotes if not quote.is_within_impact(cap_bps)]


def _describe_impact(terms: OrderTerms, steep: Sequence[Quote]) -> str:
    # Rounded up, so that no impact is shown as if it were equal to the cap that it exceeds.
    impacts = " and ".join(
        _limit(
            [
                f"{_format_percent(ceil_div(quote.price_impact_e9, _E9_PER_BPS))} on {name}"
                for quote, name in zip(steep, _name_venues(steep), strict=True)
            ]
        )
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
    named = zip(missing, _name_venues(missing), strict=True)
    return "; ".join(_limit([f"{name}: {venue.error.reason}" for venue, name in named]))


def _name_venues(venues: Sequence[Quote | MissingQuote]) -> list[str]:
    """The exchange of each, and its program where one exchange is there several times."""
    counts = Counter(each.dex for each in venues)
    return [
        f"{each.dex} {each.program}" if counts[each.dex] > 1 and each.program else each.dex.value
        for each in venues
    ]


def _limit(texts: list[str]) -> list[str]:
    """The first texts, and how many more there are."""
    more = len(texts) - _REASONS_MAX
    return texts if more <= 0 else [*texts[:_REASONS_MAX], f"{more} more"]


def _get_common_code(missing: Sequence[MissingQuote]) -> str:
    codes = {venue.error.code for venue in missing}
    return codes.pop() if len(codes) == 1 else "no_route"

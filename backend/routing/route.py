"""The route of an order: the best quote, the minimum amount out, and the alternatives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backend.domain.amounts import BPS, ceil_div, compute_min_out, format_amount, format_ratio
from backend.domain.errors import NO_POOL_CODE, EngineError, Rejected, Transient, Unavailable
from backend.domain.orders import OrderTerms
from backend.domain.quotes import E9, Dex, Quote, best_quote, fees_to_json
from backend.routing.pool_directory import describe_poolless
from backend.venues.venue import Pool

PRICE_IMPACT_CODE = "price_impact_too_high"
MIN_OUT_CODE = "min_out_not_met"
GUARDS_CODE = "guards_not_met"
"""The code of an order for which no pool is open and passes its guards."""
UNMET_TERMS_CODES = frozenset({PRICE_IMPACT_CODE, MIN_OUT_CODE, GUARDS_CODE})
"""The codes of an order that could be filled, but not at its terms."""
_PERCENT_DECIMALS = 2
_IMPROVEMENT_DIGITS = 4
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


@dataclass(frozen=True, slots=True)
class Leg:
    """One swap of a route: a part of the order's amount through one pool.

    ``min_amount_out`` is what the pool's program enforces, in base units.
    """

    pool: Pool
    quote: Quote
    min_amount_out: int


@dataclass(frozen=True, slots=True)
class Route:
    """The swaps of an order with all quotes, and the venues without one.

    The legs swap parts of the amount side by side, the largest first. ``min_amount_out`` is what
    they bring at least, as the transaction enforces: the sum of what each of them does.
    ``left_out`` is the number of the pair's pools that were not quoted.
    """

    legs: tuple[Leg, ...]
    quotes: tuple[Quote, ...]
    missing: tuple[MissingQuote, ...]
    min_amount_out: int
    left_out: int = 0

    @classmethod
    def of_pool(
        cls,
        chosen: tuple[Pool, Quote],
        quotes: Sequence[Quote],
        missing: Sequence[MissingQuote],
        min_amount_out: int,
        left_out: int = 0,
    ) -> Route:
        """The route of one leg."""
        leg = Leg(*chosen, min_amount_out)
        return cls((leg,), tuple(quotes), tuple(missing), min_amount_out, left_out)

    @property
    def quote(self) -> Quote:
        """The quote of the leg that pays most."""
        return self._main.quote

    @property
    def pool(self) -> Pool:
        """The pool of the leg that pays most."""
        return self._main.pool

    @property
    def amount_out(self) -> int:
        """What all legs pay, in base units."""
        return sum(leg.quote.amount_out for leg in self.legs)

    @property
    def fees(self) -> tuple[int, int]:
        """What the venues keep of the token in and of the token out, in base units."""
        fees_in, fees_out = zip(*(leg.quote.fees for leg in self.legs), strict=True)
        return sum(fees_in), sum(fees_out)

    @property
    def slot(self) -> int:
        """The newest slot that a leg's pool was read in."""
        return max(leg.quote.slot for leg in self.legs)

    @property
    def price_impact_e9(self) -> int:
        """The price impact of all legs, each weighted by its part of the amount, rounded up."""
        amount = sum(leg.quote.amount_in for leg in self.legs)
        impact = sum(leg.quote.price_impact_e9 * leg.quote.amount_in for leg in self.legs)
        return ceil_div(impact, amount)

    @property
    def _main(self) -> Leg:
        return max(self.legs, key=lambda leg: leg.quote.amount_out)

    def to_json(self, terms: OrderTerms) -> dict[str, Any]:
        """Convert to JSON for clients. Of one leg, the quote of its pool says all."""
        out, main = terms.token_out, self.quote
        route: dict[str, Any] = {
            "dex": main.dex.value,
            "program": main.program,
            "pool": main.pool,
            "quotes": quotes_to_json(terms, self.quotes),
            "minAmountOut": format_amount(self.min_amount_out, out.decimals),
            "venueFees": fees_to_json(self.fees, terms.token_in, out),
        }
        if len(self.legs) > 1:
            route["legs"] = [_leg_to_json(leg, terms) for leg in self.legs]
            route["expectedAmountOut"] = format_amount(self.amount_out, out.decimals)
            route["priceImpact"] = format_ratio(self.price_impact_e9, E9)
            route["improvementBps"] = self._compute_improvement(terms)
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


def _leg_to_json(leg: Leg, terms: OrderTerms) -> dict[str, object]:
    quote, token_in, token_out = leg.quote, terms.token_in, terms.token_out
    return {
        "dex": quote.dex.value,
        "program": quote.program,
        "pool": quote.pool,
        "tokenIn": token_in.symbol,
        "tokenOut": token_out.symbol,
        "amountIn": format_amount(quote.amount_in, token_in.decimals),
        "amountOut": format_amount(quote.amount_out, token_out.decimals),
        "share": format_ratio(quote.amount_in, terms.amount_in),
        "fee": format_ratio(quote.fee_e9, E9),
        "priceImpact": format_ratio(quote.price_impact_e9, E9),
        "minAmountOut": format_amount(leg.min_amount_out, token_out.decimals),
    }


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

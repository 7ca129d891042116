"""What an order swaps, what was quoted for it and what it got, and the figures that follow."""

from __future__ import annotations

from decimal import Decimal

from tui.model.pairs import Pair, resolve_pair
from tui.model.routes.quotes import BPS, MissingQuote, Quote, QuoteGap
from tui.model.routes.route import Route
from tui.model.routes.venues import join_keys
from tui.model.waiting import Slices


class Swap:
    """The swap of an order; amounts are the text that the API sent."""

    __slots__ = (
        "amount_in",
        "amount_out",
        "dex",
        "route",
        "slices",
        "token_in",
        "token_out",
    )

    def __init__(self) -> None:
        self.token_in = ""
        self.token_out = ""
        self.amount_in = "0"
        self.amount_out: str | None = None
        self.dex: str | None = None
        self.route: Route | None = None
        self.slices: Slices | None = None

    @property
    def pair(self) -> Pair:
        """The pair and the side."""
        return resolve_pair(self.token_in, self.token_out)

    @property
    def quotes(self) -> tuple[Quote, ...]:
        """The quotes of the latest routing."""
        return () if self.route is None else self.route.quotes

    @property
    def missing_quotes(self) -> tuple[MissingQuote, ...]:
        """The venues that had nothing to offer at the latest routing."""
        return () if self.route is None else self.route.missing

    @property
    def route_min_out(self) -> str | None:
        """The least that the transaction of the latest routing accepts."""
        return None if self.route is None else self.route.min_out

    @property
    def leg_count(self) -> int:
        """The number of swaps of the route; 0 where a record does not have them."""
        return 0 if self.route is None else len(self.route.leg_venues)

    @property
    def venue_keys(self) -> str:
        """The exchange and the program of each leg: ``raydium/clmm meteora/dlmm``."""
        return self.dex or "" if self.route is None else join_keys(self.route.venues)

    @property
    def price(self) -> Decimal | None:
        """The execution price, in quote tokens for one base token."""
        if self.slices is not None:  # of what is filled so far
            filled, received = self.slices.filled_amount_in, self.slices.amount_out
            return self.pair.price(Decimal(filled), Decimal(received)) if received else None
        if self.amount_out is None:
            return None
        return self.pair.price(Decimal(self.amount_in), Decimal(self.amount_out))

    @property
    def improvement_bps(self) -> Decimal | None:
        """Price improvement (+) or loss (-) of the execution against the quotes of its route."""
        if self.amount_out is None:
            return None
        expected = None if self.route is None else self.route.expected_amount_out
        return (Decimal(self.amount_out) / expected - 1) * BPS if expected else None

    @property
    def quote_gap(self) -> QuoteGap | None:
        """The chosen route compared with the best that was not chosen."""
        return None if self.route is None else self.route.gap

    @property
    def quote_gap_bps(self) -> Decimal | None:
        """The advantage of the chosen route over the best that was not chosen, in basis points."""
        gap = self.quote_gap
        return None if gap is None else gap.bps

"""What an order swaps, what was quoted for it and what it got, and the figures that follow."""

from __future__ import annotations

from decimal import Decimal

from tui.model.pairs import Pair, resolve_pair
from tui.model.quotes import BPS, Quote, QuoteGap, unpack_quote
from tui.model.waiting import Slices


class Swap:
    """The swap of an order; amounts are the text that the API sent."""

    __slots__ = (
        "_quotes",
        "amount_in",
        "amount_out",
        "dex",
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
        self.slices: Slices | None = None
        self._quotes = ""

    @property
    def pair(self) -> Pair:
        """The pair and the side."""
        return resolve_pair(self.token_in, self.token_out)

    @property
    def quotes(self) -> tuple[Quote, ...]:
        """The quotes of the latest routing."""
        return tuple(unpack_quote(line) for line in self._quotes.splitlines())

    @property
    def quoted_venues(self) -> list[str]:
        """The venues that returned a quote."""
        return [line.partition("\t")[0] for line in self._quotes.splitlines()]

    @property
    def chosen_quote(self) -> Quote | None:
        """The quote of the venue that was chosen."""
        return next((quote for quote in self.quotes if quote.dex == self.dex), None)

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
        """Price improvement (+) or loss (-) of the execution against the chosen quote."""
        if self.amount_out is None:
            return None
        quote = self.chosen_quote
        if quote is None or not quote.amount_out:
            return None
        return (Decimal(self.amount_out) / quote.amount_out - 1) * BPS

    @property
    def quote_gap(self) -> QuoteGap | None:
        """The chosen venue's quote compared with the best quote of the other venues."""
        quotes = self.quotes
        chosen = [quote.amount_out for quote in quotes if quote.dex == self.dex]
        others = [quote.amount_out for quote in quotes if quote.dex != self.dex]
        if not chosen or not any(others):
            return None
        return QuoteGap(chosen[0], chosen[0] - max(others))

    @property
    def quote_gap_bps(self) -> Decimal | None:
        """The advantage of the chosen quote over the best other one, in basis points."""
        gap = self.quote_gap
        return None if gap is None else gap.bps

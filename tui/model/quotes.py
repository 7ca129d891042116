"""A venue's quote as the model keeps it: decimals to compute with, or one packed line of text."""

from __future__ import annotations

from decimal import Decimal
from sys import intern
from typing import Final, NamedTuple

from tui.model.wire import WireQuote, WireUnavailable

BPS: Final = 10_000


class Quote(NamedTuple):
    """A venue's quote. ``fee`` and ``impact`` are fractions, ``price`` is out per one in."""

    dex: str
    price: Decimal
    fee: Decimal
    amount_out: Decimal
    impact: Decimal


class QuoteGap(NamedTuple):
    """The amount that the chosen venue quoted, and its advantage over the best other quote."""

    amount_out: Decimal
    advantage: Decimal

    @property
    def bps(self) -> Decimal:
        """The advantage in basis points of the other quote."""
        return self.advantage / (self.amount_out - self.advantage) * BPS


def pack_quote(quote: WireQuote) -> str:
    """Pack a quote into one short line: tens of thousands are held in memory, few are displayed."""
    return "\t".join(
        (quote["dex"], quote["price"], quote["fee"], quote["amountOut"], quote["priceImpact"])
    )


def to_unavailable_venue(quote: WireQuote) -> WireUnavailable | None:
    """The venue of a quote that may not be chosen: to the order it offers nothing."""
    refusal = quote.get("refused")
    return None if refusal is None else WireUnavailable(dex=quote["dex"], **refusal)


def unpack_quote(line: str) -> Quote:
    """Unpack the line of ``pack_quote``."""
    dex, *numbers = line.split("\t")
    price, fee, amount_out, impact = map(Decimal, numbers)
    return Quote(dex, price, fee, amount_out, impact)


def intern_unavailable_venue(venue: WireUnavailable) -> tuple[str, str, str]:
    """The venue, the code and the reason; the first two are the same few texts again and again."""
    return intern(venue["dex"]), intern(venue["code"]), venue["reason"]

"""Quotes of venues for an order, and the choice between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from backend.domain.amounts import BPS, Price, Token, format_amount, format_ratio

E9 = 1_000_000_000
"""Rates are integers of parts per billion: fine enough for the rate units of every venue."""


class Dex(StrEnum):
    """An exchange that an order can be routed to."""

    RAYDIUM = "raydium"
    METEORA = "meteora"


@dataclass(frozen=True, slots=True)
class Quote:
    """What one pool pays for ``amount_in`` base units, after its fees.

    ``fee_e9`` is the pool's trading fee; ``price_impact_e9`` is how much worse than the pool's
    spot price the trade is, apart from the fee. Both are in parts per billion. ``fees`` are the
    base units that the venue keeps, of the token in and of the token out. ``program`` is the
    program's name among those of its exchange.
    """

    dex: Dex
    program: str
    pool: str
    amount_in: int
    amount_out: int
    fee_e9: int
    price_impact_e9: int
    slot: int
    fees: tuple[int, int] = (0, 0)

    def is_within_impact(self, cap_bps: int) -> bool:
        """Whether the price impact is at most ``cap_bps`` basis points."""
        return self.price_impact_e9 * BPS <= cap_bps * E9

    def to_json(self, token_in: Token, token_out: Token) -> dict[str, object]:
        """Convert to JSON for clients: decimal strings in token units, rates as fractions."""
        price = Price(self.amount_in, token_in.decimals, self.amount_out, token_out.decimals)
        return {
            "dex": self.dex.value,
            "program": self.program,
            "pool": self.pool,
            "price": str(price),
            "fee": _format_rate(self.fee_e9),
            "amountOut": format_amount(self.amount_out, token_out.decimals),
            "priceImpact": format_ratio(self.price_impact_e9, E9),
        }


@lru_cache(1_024)
def _format_rate(e9: int) -> str:
    return format_ratio(e9, E9)


def best_quote(quotes: Sequence[Quote]) -> Quote:
    """The quote that pays most; on a tie the first, so that the choice is deterministic.

    ``quotes`` must not be empty.
    """
    return max(quotes, key=lambda quote: quote.amount_out)

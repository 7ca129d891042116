"""Reference prices: what a route is compared with, the median of the prices of a pair's pools.

The price of a pool is that at which it would swap next to nothing without a fee. It is computed
from a quote of an amount that means the same in every pair, by the impact and the fee of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from solders.pubkey import Pubkey

from backend.accounting.pairs import name_pair
from backend.domain.amounts import Token
from backend.domain.errors import EngineError
from backend.domain.quotes import E9
from backend.routing.prices.price_sampler import QUOTE_SIZES
from backend.venues.venue import Pool

PARTS: Final = 100
"""The price of a pool is taken by a quote of so small a part of a sample's amount."""


def find_reference_price(
    pools: Sequence[Pool], token_in: Token, token_out: Token
) -> tuple[Fraction, int] | None:
    """The median of base units out for one in, and of how many pools; ``None`` without any.

    Of an even number of pools it is the mean of the two in the middle.
    """
    prices = sorted(
        price
        for price in (_find_price(pool, token_in, token_out) for pool in pools)
        if price is not None
    )
    if not prices:
        return None
    middle = len(prices) // 2
    if len(prices) % 2:
        return prices[middle], len(prices)
    return (prices[middle - 1] + prices[middle]) / 2, len(prices)


def _find_price(pool: Pool, token_in: Token, token_out: Token) -> Fraction | None:
    pair = name_pair(token_in.symbol, token_out.symbol)
    quoted = token_in if pair.quote == token_in.symbol else token_out
    size = QUOTE_SIZES.get(quoted.symbol, 1) * 10**quoted.decimals // PARTS
    try:
        quote = pool.quote(Pubkey.from_string(quoted.mint), max(size, 1))
    except EngineError:
        return None
    kept = (E9 - quote.price_impact_e9) * (E9 - quote.fee_e9)
    if not quote.amount_out or kept <= 0:
        return None
    price = Fraction(quote.amount_out * E9 * E9, quote.amount_in * kept)
    return price if quoted is token_in else 1 / price

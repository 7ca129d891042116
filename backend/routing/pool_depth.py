"""How deep a pool is: what a swap of one percent of its reserve says of its curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.amounts import BPS
from backend.domain.errors import EngineError
from backend.domain.quotes import E9
from backend.venues.venue import AccountsMissing, Pool

_PROBE_SHARE: Final = 100
_LEAST_IMPACT_E9: Final = E9 // BPS
"""A price that hardly moves says no more of the depth than this."""


def measure_depth(pool: Pool, mints: Sequence[Pubkey]) -> int | None:
    """Measure a pool's depth in base units of the first of its mints; ``None`` if it swaps nothing.

    It is the reserve that x · y = k would need for the same price impact, so that liquidity which
    is concentrated about the price counts for as much as it is worth to a trader.
    """
    first, second = mints
    depth, other_depth = _measure(pool, first), _measure(pool, second)
    if other_depth is None:
        return depth
    return max(depth or 0, _convert(pool, first, other_depth))


def _measure(pool: Pool, mint_in: Pubkey) -> int | None:
    """The depth in base units of ``mint_in``, by a swap of it."""
    try:
        reserve = pool.read_traits(mint_in, {}).reserve_in
        quote = pool.quote(mint_in, max(reserve // _PROBE_SHARE, 1))
    except AccountsMissing:
        return reserve
    except EngineError:
        return None
    return quote.amount_in * E9 // max(quote.price_impact_e9, _LEAST_IMPACT_E9)


def _convert(pool: Pool, mint: Pubkey, depth: int) -> int:
    """Convert a depth of the other token to one of ``mint``, at the pool's price."""
    try:
        price = pool.marginal_price(mint)
    except EngineError:
        return 0
    return depth * price.denominator // max(price.numerator, 1)

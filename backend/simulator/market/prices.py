"""The market price of each pool: a reference price, a walk around it, and explicit moves.

A walk is a function of the seed, the pool and the time, so no task has to advance it and a restart
does not change it. It is integer value noise: random values at regular knots, interpolated
smoothly, in two octaves. It stays inside its band by construction and its slope is bounded: under
5 basis points per second at its steepest, so that a quote is still good when its swap lands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from typing import Final

from backend.domain.amounts import BPS, Token
from backend.domain.quotes import E9, Dex
from backend.domain.tokens import BONK, JUP, RAY, SOL, USDC, USDT, WBTC, WETH
from backend.simulator.market.mints import FEE_TOKEN

_MICRO: Final = 1_000_000
_USD_PRICES_E6: Final[Mapping[Token, int]] = {
    USDC: _MICRO,
    USDT: _MICRO,
    JUP: 900_000,
    BONK: 20,
    RAY: 2 * _MICRO,
    WETH: 3_000 * _MICRO,
    WBTC: 90_000 * _MICRO,
    FEE_TOKEN: _MICRO,
}

_FACTOR_MIN: Final = E9 // 10_000
_FACTOR_MAX: Final = E9 * 10_000


@dataclass(frozen=True, slots=True)
class PriceBand:
    """The range of the prices of a venue around the reference price, in basis points."""

    low_bps: int
    high_bps: int


PRICE_BANDS: Final[Mapping[Dex, PriceBand]] = {
    Dex.RAYDIUM: PriceBand(-200, 200),
    Dex.METEORA: PriceBand(-300, 200),
}

_OCTAVES: Final = ((3, 240_000), (1, 80_000))
"""Share of the band in quarters, and milliseconds between knots."""
_SHARES_TOTAL: Final = 4


def usd_price_e6(token: Token, sol_price: int) -> int:
    """The reference price of one token, in millionths of a dollar."""
    return sol_price * _MICRO if token == SOL else _USD_PRICES_E6[token]


def reference_price(base: Token, quote: Token, sol_price: int) -> Fraction:
    """The reference price in base units of ``quote`` for one base unit of ``base``."""
    price = Fraction(usd_price_e6(base, sol_price), usd_price_e6(quote, sol_price))
    return price * Fraction(10**quote.decimals, 10**base.decimals)


def walk_factor_e9(seed: int, pool: str, band: PriceBand, at_ms: int) -> int:
    """The factor by which the walk changes the price of a pool at a time, in parts per billion."""
    low_plus_high_bps, width_bps = band.low_bps + band.high_bps, band.high_bps - band.low_bps
    noise = sum(
        share * _compute_noise(f"{seed}/{pool}/{share}", at_ms, knot_interval_ms)
        for share, knot_interval_ms in _OCTAVES
    )
    return E9 + (low_plus_high_bps * E9 + width_bps * noise // _SHARES_TOTAL) // (2 * BPS)


def _compute_noise(name: str, at_ms: int, knot_interval_ms: int) -> int:
    """Value noise between -1 and 1 in parts per billion, smooth in time."""
    knot, offset_ms = divmod(at_ms, knot_interval_ms)
    previous, following = _knot_value(name, knot), _knot_value(name, knot + 1)
    # 3x² - 2x³: flat at both knots, and never steeper than 1.5.
    rise = offset_ms * offset_ms * (3 * knot_interval_ms - 2 * offset_ms)
    return previous + (following - previous) * rise // knot_interval_ms**3


def _knot_value(name: str, knot: int) -> int:
    digest = sha256(f"{name}/{knot}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % (2 * E9 + 1) - E9


def move_factor(price_factor_e9: int, bps: int) -> int:
    """A price factor after a move by ``bps``, clamped to the range that pools can represent."""
    return min(max(price_factor_e9 * (BPS + bps) // BPS, _FACTOR_MIN), _FACTOR_MAX)

"""Where each pool's price is: a reference, a walk around it, and what it was moved by.

A walk is a function of the seed, the pool and the time, so nobody has to step it and a restart
does not disturb it. It is integer value noise: random heights at regular knots, joined smoothly,
in two octaves. It stays inside its band by construction and its speed is bounded: at its steepest
under 5 basis points a second, so that a quote outlives the seconds until it lands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from typing import Final

from backend.domain.amounts import BPS, Token
from backend.domain.quotes import E9, Dex
from backend.domain.tokens import BONK, JUP, RAY, SOL, USDC, USDT

_MICRO: Final = 1_000_000
_DOLLARS_E6: Final[Mapping[Token, int]] = {
    USDC: _MICRO,
    USDT: _MICRO,
    JUP: 900_000,
    BONK: 20,
    RAY: 2 * _MICRO,
}

_FACTOR_MIN: Final = E9 // 10_000
_FACTOR_MAX: Final = E9 * 10_000


@dataclass(frozen=True, slots=True)
class Band:
    """How far from the reference a venue's prices wander, in basis points."""

    low_bps: int
    high_bps: int


BANDS: Final[Mapping[Dex, Band]] = {
    Dex.RAYDIUM: Band(-200, 200),
    Dex.METEORA: Band(-300, 200),
}

_OCTAVES: Final = ((3, 240_000), (1, 80_000))
"""Shares of the band in quarters, and milliseconds between knots."""
_OCTAVE_PARTS: Final = 4


def dollars_e6(token: Token, sol_price: int) -> int:
    """The reference price of one unit of a token, in millionths of a dollar."""
    return sol_price * _MICRO if token == SOL else _DOLLARS_E6[token]


def reference(base: Token, quote: Token, sol_price: int) -> Fraction:
    """Base units of ``quote`` for one base unit of ``base``."""
    dollars = Fraction(dollars_e6(base, sol_price), dollars_e6(quote, sol_price))
    return dollars * Fraction(10**quote.decimals, 10**base.decimals)


def wandered_e9(seed: int, pool: str, band: Band, at_ms: int) -> int:
    """The factor of a pool's price at a time, in parts per billion."""
    middle_bps, half_bps = band.low_bps + band.high_bps, band.high_bps - band.low_bps
    noise = sum(
        share * _noise(f"{seed}/{pool}/{share}", at_ms, every_ms) for share, every_ms in _OCTAVES
    )
    return E9 + (middle_bps * E9 + half_bps * noise // _OCTAVE_PARTS) // (2 * BPS)


def _noise(name: str, at_ms: int, every_ms: int) -> int:
    """Between -1 and 1 in parts per billion, smooth in time."""
    knot, within = divmod(at_ms, every_ms)
    before, after = _knot(name, knot), _knot(name, knot + 1)
    # 3x² - 2x³: level at both knots, and never steeper than 1.5.
    rise = within * within * (3 * every_ms - 2 * within)
    return before + (after - before) * rise // every_ms**3


def _knot(name: str, number: int) -> int:
    digest = sha256(f"{name}/{number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % (2 * E9 + 1) - E9


def moved(factor_e9: int, bps: int) -> int:
    """A factor after a move by ``bps``, kept within what pools can hold."""
    return min(max(factor_e9 * (BPS + bps) // BPS, _FACTOR_MIN), _FACTOR_MAX)

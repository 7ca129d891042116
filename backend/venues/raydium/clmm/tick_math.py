"""Ticks and √prices of Raydium CLMM: one tick is one part in 10,000 of the price.

√prices are Q64.64 numbers, of token 1 for one token 0. The ladder is that of Uniswap v3 with 64
fractional bits, and its factors and roundings are those of the program.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

MIN_TICK: Final = -443_636
MAX_TICK: Final = 443_636
MIN_SQRT_PRICE: Final = 4_295_048_016
MAX_SQRT_PRICE: Final = 79_226_673_521_066_979_257_578_248_091

Q64: Final = 1 << 64
_U128_MAX: Final = (1 << 128) - 1
_TICK_CACHE_MAX: Final = 4_096

# 2⁶⁴ / 1.0001^(2ⁱ / 2) for each bit i of a tick, to the precision of the program.
_FACTORS: Final = (
    0xFFFCB933BD6FB800,
    0xFFF97272373D4000,
    0xFFF2E50F5F657000,
    0xFFE5CACA7E10F000,
    0xFFCB9843D60F7000,
    0xFF973B41FA98E800,
    0xFF2EA16466C9B000,
    0xFE5DEE046A9A3800,
    0xFCBE86C7900BB000,
    0xF987A7253AC65800,
    0xF3392B0822BB6000,
    0xE7159475A2CAF000,
    0xD097F3BDFD2F2000,
    0xA9F746462D9F8000,
    0x70D869A156F31C00,
    0x31BE135F97ED3200,
    0x09AA508B5B85A500,
    0x005D6AF8DEDC582C,
    0x00002216E584F5FA,
)

_PRECISION_BITS: Final = 16
# 2³² / log₂ √1.0001; the logarithm is exact to 2⁻¹⁶, so the tick is one of two neighbours.
_LOG_FACTOR: Final = 59_543_866_431_248
_LOG_ERROR_BELOW: Final = 184_467_440_737_095_516
_LOG_ERROR_ABOVE: Final = 15_793_534_762_490_258_745


@lru_cache(_TICK_CACHE_MAX)
def compute_sqrt_price(tick: int) -> int:
    """Compute the √price at a tick within the bounds of the program."""
    assert MIN_TICK <= tick <= MAX_TICK
    ratio, rest = Q64, abs(tick)
    for factor in _FACTORS:
        if rest & 1:
            ratio = ratio * factor >> 64
        rest >>= 1
    return _U128_MAX // ratio if tick > 0 else ratio


def compute_tick(sqrt_price: int) -> int:
    """Compute the highest tick whose √price is at most ``sqrt_price``.

    A binary logarithm, bit by bit, with a last comparison where its error matters.
    """
    assert MIN_SQRT_PRICE <= sqrt_price < MAX_SQRT_PRICE
    msb = sqrt_price.bit_length() - 1
    r = sqrt_price >> msb - 63 if msb >= 64 else sqrt_price << 63 - msb
    fraction, bit = 0, 1 << 63
    for _ in range(_PRECISION_BITS):
        r *= r
        is_two = r >> 127
        r >>= 63 + is_two
        fraction += bit * is_two
        bit >>= 1
    log = (((msb - 64) << 32) + (fraction >> 32)) * _LOG_FACTOR
    low, high = log - _LOG_ERROR_BELOW >> 64, log + _LOG_ERROR_ABOVE >> 64
    if low == high:
        return low
    return high if high <= MAX_TICK and compute_sqrt_price(high) <= sqrt_price else low

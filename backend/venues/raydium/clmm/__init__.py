"""Raydium CLMM: liquidity in ranges of ticks, limit orders on ticks, and a fee that may follow the
recent volatility.
"""

from backend.venues.raydium.clmm.venue import Clmm

__all__ = ["Clmm"]

"""Raydium CPMM: a constant product with a trading fee and, on some pools, a creator fee."""

from backend.venues.raydium.cpmm.venue import Cpmm

__all__ = ["Cpmm"]

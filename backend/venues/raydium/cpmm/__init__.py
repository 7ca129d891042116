"""Raydium CPMM: constant product with a trading fee and, on some pools, a creator's fee."""

from backend.venues.raydium.cpmm.venue import Cpmm

__all__ = ["Cpmm"]

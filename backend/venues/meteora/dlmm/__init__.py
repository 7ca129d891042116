"""Meteora DLMM: liquidity in bins of one price each, limit orders in bins, and a variable fee."""

from backend.venues.meteora.dlmm.venue import Dlmm

__all__ = ["Dlmm"]

"""Raydium AMM v4: a constant product with one trading fee, of SPL tokens only."""

from backend.venues.raydium.amm_v4.venue import AmmV4

__all__ = ["AmmV4"]

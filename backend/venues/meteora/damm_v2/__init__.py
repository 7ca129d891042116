"""Meteora DAMM v2: one price range or a constant product.

Fees may depend on a schedule, the size of the trade, the price or the recent volatility.
"""

from backend.venues.meteora.damm_v2.venue import DammV2

__all__ = ["DammV2"]

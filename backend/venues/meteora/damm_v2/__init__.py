"""Meteora DAMM v2: one price range or a constant product, with fees that may follow a schedule,
the size of the trade, the price or its recent movement."""

from backend.venues.meteora.damm_v2.venue import DammV2

__all__ = ["DammV2"]

"""Amounts of either sign, and times between two steps, as text and numbers for clients."""

from __future__ import annotations

from datetime import datetime, timedelta

from backend.domain.amounts import format_amount, format_ratio


def format_signed(base_units: int, decimals: int) -> str:
    """Base units of either sign as a decimal in token units."""
    sign = "-" if base_units < 0 else ""
    return sign + format_amount(abs(base_units), decimals)


def format_optional(base_units: int | None, decimals: int) -> str | None:
    """As ``format_signed``; ``None`` stays ``None``."""
    return None if base_units is None else format_signed(base_units, decimals)


def format_unit_price(cost: int, cost_decimals: int, amount: int, decimals: int) -> str | None:
    """What one token of an amount costs, rounded down to 12 digits; ``None`` of no amount."""
    if not amount:
        return None
    return format_ratio(abs(cost) * 10**decimals, abs(amount) * 10**cost_decimals)


def measure_ms(start: datetime | None, end: datetime) -> int | None:
    """The whole milliseconds from one time to another; ``None`` if the first is not known."""
    return None if start is None else max((end - start) // timedelta(milliseconds=1), 0)

"""Bars of prices as JSON."""

from __future__ import annotations

from datetime import UTC, datetime

from backend.accounting.bars import Bar
from backend.domain.times import format_time


def bar_to_json(bar: Bar) -> dict[str, object]:
    """A bar with its prices as plain decimals."""
    prices = (bar.open, bar.high, bar.low, bar.close)
    shown = (f"{price.normalize():f}" for price in prices)
    return {
        "at": format_seconds(bar.start),
        **dict(zip(("open", "high", "low", "close"), shown, strict=True)),
        "slot": bar.slot,
    }


def format_seconds(seconds: int) -> str:
    """A time in whole seconds since 1970."""
    return format_time(datetime.fromtimestamp(seconds, UTC))

"""The quotes of pools for an order, and how the chosen one compares with the others."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from sys import intern
from typing import Any, Final, NamedTuple

from tui.model.routes.venues import Venue, read_venue

BPS: Final = 10_000


class Quote(NamedTuple):
    """What one pool pays for the whole amount. ``fee`` and ``impact`` are fractions."""

    venue: Venue
    fee: Decimal
    amount_out: Decimal
    impact: Decimal


class MissingQuote(NamedTuple):
    """A venue that offers the order nothing: it has no quote, or one that may not be chosen."""

    venue: Venue
    code: str
    reason: str

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> MissingQuote:
        """Read an entry of ``unavailable``, or a quote that is refused."""
        refusal = record.get("refused") or record
        return cls(read_venue(record), intern(refusal["code"]), refusal["reason"])


class QuoteGap(NamedTuple):
    """The amount that the chosen route pays, and its advantage over the best that was not chosen.

    For a route of one leg that is the best other pool, for one of several the best single pool.
    """

    amount_out: Decimal
    advantage: Decimal

    @classmethod
    def from_bps(cls, amount_out: Decimal, bps: Decimal) -> QuoteGap:
        """Compute the advantage from basis points of the amount that was not chosen."""
        return cls(amount_out, amount_out * bps / (BPS + bps))

    @property
    def bps(self) -> Decimal:
        """The advantage in basis points of what was not chosen."""
        return self.advantage / (self.amount_out - self.advantage) * BPS

"""Exact quotes of the pools of a pair, each computed once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.errors import EngineError, Rejected, Transient
from backend.domain.quotes import Quote
from backend.venues.venue import Pool

_KEPT_MAX: Final = 4_096
_SIZE_CODES: Final = frozenset({"amount_too_large", "no_liquidity"})
"""The codes of amounts for which there may be a smaller one that the pool takes."""


class ExactQuotes:
    """What pools pay exactly, or why they do not; pools are named by their places."""

    def __init__(self, pools: Sequence[Pool], mint_in: Pubkey) -> None:
        self._pools: Final = pools
        self._mint_in: Final = mint_in
        self._kept: Final[dict[tuple[int, int], Quote | EngineError]] = {}

    def get(self, index: int, amount_in: int) -> Quote | EngineError:
        """Quote an amount; the error is what the pool raised."""
        key = index, amount_in
        found = self._kept.get(key)
        if found is not None:
            return found
        if len(self._kept) >= _KEPT_MAX:
            self._kept.clear()
        quote: Quote | EngineError
        try:
            quote = self._pools[index].quote(self._mint_in, amount_in)
        except (Rejected, Transient) as error:
            quote = error.with_traceback(None)
        self._kept[key] = quote
        return quote


class CappedQuotes:
    """The quotes for one order: those whose price impact is within its cap."""

    def __init__(self, quotes: ExactQuotes, max_price_impact_bps: int | None) -> None:
        self._quotes: Final = quotes
        self._cap_bps: Final = max_price_impact_bps

    def find(self, index: int, amount_in: int) -> Quote | None:
        """Quote an amount; ``None`` if the pool does not, or not within the cap."""
        quote = self._quotes.get(index, amount_in)
        if isinstance(quote, EngineError):
            return None
        if self._cap_bps is not None and not quote.is_within_impact(self._cap_bps):
            return None
        return quote

    def compute_out(self, index: int, amount_in: int) -> int | None:
        """What a pool pays for an amount, 0 for none; ``None`` as for ``find``."""
        if not amount_in:
            return 0
        quote = self.find(index, amount_in)
        return None if quote is None else quote.amount_out

    def may_take_less(self, index: int, amount_in: int) -> bool:
        """Whether a pool that does not quote an amount may quote a smaller one."""
        quote = self._quotes.get(index, amount_in)
        if isinstance(quote, Rejected):
            return quote.code in _SIZE_CODES
        return True

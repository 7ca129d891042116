"""What the market offers a waiting order, and how far that is from what it waits for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from solders.pubkey import Pubkey

from backend.domain.amounts import Token
from backend.domain.conditions import (
    INITIAL_STATE,
    ConditionState,
    Limit,
    PriceCondition,
    TakeProfit,
    is_met_by,
    measure_distance_bps,
    needs_best_price,
)
from backend.domain.prices import PriceOf, PriceRatio
from backend.store.waiting.amendments import HighWaterMark
from backend.triggers.best_markets import PoolRead
from backend.triggers.book import Market
from backend.triggers.peak_codec import decode_peaks, decode_reads
from backend.triggers.pool_market import DirectedPool
from backend.venues import Venues

_PEAKS_KNOWN_MAX: Final = 64


class Offer(NamedTuple):
    """What the best route pays for the whole amount of an order, and whether that is awaited.

    ``price`` is ``None`` if no pool swaps it. ``distance_bps`` is how far the price is from what is
    waited for, at 0 or below it is met; ``None`` if there is no such price.
    """

    price: PriceRatio | None
    distance_bps: int | None
    is_met: bool


def find_offer(
    awaited: PriceCondition,
    amount_in: int,
    market: Market,
    *,
    max_price_impact_bps: int | None,
    price_of: PriceOf,
    high_water: PriceRatio | None = None,
) -> Offer | None:
    """What a market offers an order, as the watcher judges it; ``None`` if that is not known.

    Of a fall the best price counts: with a pool that could not be read, it is not known.
    Confirmations by further reads are not asked for.
    """
    if needs_best_price(awaited) and not market.is_complete:
        return None
    quote = market.quote(amount_in, find_cap(awaited, max_price_impact_bps))
    if quote is None:
        return Offer(None, None, is_met=False) if market.is_complete else None
    price = PriceRatio(quote.amount_out, quote.amount_in)
    state = INITIAL_STATE if high_water is None else ConditionState(high_water)
    distance_bps = measure_distance_bps(awaited, price, state, price_of)
    return Offer(price, distance_bps, is_met_by(awaited, price, state))


def find_cap(awaited: PriceCondition, max_price_impact_bps: int | None) -> int | None:
    """The cap within which a price counts: of what waits for a better one, that of the order."""
    return max_price_impact_bps if isinstance(awaited, Limit | TakeProfit) else None


def find_mark(
    amount_in: int, stored: HighWaterMark, peaks: Sequence[DirectedPool]
) -> HighWaterMark:
    """The mark of a trailing stop: that of its row, raised by the peaks since the row's slot."""
    mark, slot = stored.price, stored.slot
    first = next((i for i, peak in enumerate(peaks) if slot is not None and peak.slot > slot), None)
    for peak in [] if first is None else peaks[first:]:
        slot = max(slot or 0, peak.slot)
        payment = peak.pay(amount_in)
        if payment is not None:
            mark = max(mark, PriceRatio(payment.amount_out, amount_in))
    return HighWaterMark(mark, slot)


@lru_cache(_PEAKS_KNOWN_MAX)
def read_peaks(text: str, token_in: Token, venues: Venues) -> Sequence[DirectedPool]:
    """The peaks of a direction of trade from their text, decoded once."""
    return decode_peaks(text, Pubkey.from_string(token_in.mint), venues)


@lru_cache(_PEAKS_KNOWN_MAX)
def read_best(text: str, token_in: Token, venues: Venues) -> Sequence[PoolRead]:
    """The reads of the markets that paid most from their text, decoded once, before time 0."""
    return decode_reads(text, Pubkey.from_string(token_in.mint), venues)

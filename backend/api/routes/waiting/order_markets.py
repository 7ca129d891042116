"""What the market offers orders that wait for a price, as their records and answers show it.

The market of each pair of a page is read once, if it is not known from a moment ago. It is waited
for only shortly: what is not known then is left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from backend.api.context import ApiContext
from backend.domain.amounts import Token
from backend.domain.conditions import PriceCondition, TrailingStop, get_awaited
from backend.domain.errors import Transient
from backend.domain.lifecycle import Status
from backend.domain.orders import OrderRecord, OrderTerms
from backend.domain.prices import PriceRatio
from backend.store.waiting.amendments import HighWaterMark
from backend.triggers.offers.order_offers import Offer, find_mark, find_offer, read_peaks
from backend.triggers.pool_market import DirectedPool, PoolMarket

MARKET_WAIT_S: Final = 0.3
"""How long a response waits for a market that has to be read: a node answers within a slot."""
YIELD_EVERY_ORDERS: Final = 50
"""Quotes of many orders yield to the event loop after so many of them."""

_Direction = tuple[Token, Token]
_Peaks = Mapping[_Direction, Sequence[DirectedPool]]


async def show_markets(
    api: ApiContext, records: Sequence[OrderRecord]
) -> dict[UUID, dict[str, object]]:
    """The members that the market gives those of the orders that wait for a price.

    It costs orders that wait for none nothing, and never fails.
    """
    waiting = [each for each in records if waits_for_price(each)]
    if not waiting:
        return {}
    directions = {each.id: _get_direction(api, each) for each in waiting}
    found = set(directions.values())
    markets = await api.services.markets.read(found, wait_s=MARKET_WAIT_S)
    peaks = await _find_peaks(api, waiting)
    shown: dict[UUID, dict[str, object]] = {}
    for index, record in enumerate(waiting, 1):
        direction = directions[record.id]
        market, seen = markets.get(direction), peaks.get(direction, ())
        shown[record.id] = _show(record, direction, market, seen)
        if index % YIELD_EVERY_ORDERS == 0:
            await asyncio.sleep(0)
    return shown


async def judge_orders(api: ApiContext, orders: Sequence[OrderTerms]) -> list[Offer | None]:
    """What the market offers each of some new orders; ``None`` if it is not known without a wait.

    They all wait for a price.
    """
    directions = {(each.token_in, each.token_out) for each in orders}
    markets = await api.services.markets.read(directions, wait_s=0)
    judged: list[Offer | None] = []
    for index, terms in enumerate(orders, 1):
        judged.append(_judge(terms, markets.get((terms.token_in, terms.token_out))))
        if index % YIELD_EVERY_ORDERS == 0:
            await asyncio.sleep(0)
    return judged


async def judge_surely(
    api: ApiContext,
    terms: OrderTerms,
    advice: str,
    *,
    is_triggered: bool = False,
    mark: PriceRatio | None = None,
) -> Offer:
    """What the market offers an order that waits for a price, however long a read of it takes.

    Raises ``Transient``, with ``advice``, if it cannot be read.
    """
    direction = terms.token_in, terms.token_out
    wait_s = api.services.settings.quote_timeout_s
    markets = await api.services.markets.read([direction], wait_s=wait_s)
    offer = _judge(terms, markets.get(direction), is_triggered=is_triggered, mark=mark)
    if offer is None:
        pair = f"{terms.token_in.symbol}/{terms.token_out.symbol}"
        raise Transient("market_unknown", f"the market of {pair} cannot be read now; {advice}")
    return offer


async def read_mark(api: ApiContext, record: OrderRecord) -> HighWaterMark | None:
    """The high-water mark of a trailing stop, from its row and the peaks of its pair.

    ``None`` for an order that follows no price, yet or at all. Raises ``Transient``.
    """
    if not isinstance(record.condition, TrailingStop) or record.high_water is None:
        return None
    found = await api.services.peaks.find([(record.token_in, record.token_out)])
    token_in, _ = _get_direction(api, record)
    peaks = read_peaks(found[0].peaks, token_in) if found else ()
    stored = HighWaterMark(record.high_water, record.high_water_slot)
    return find_mark(record.amount_in, stored, peaks)


def waits_for_price(record: OrderRecord) -> bool:
    """Whether an order waits for a price of the market, and for nothing else."""
    return record.status is Status.WAITING and isinstance(record.condition, PriceCondition)


def _judge(
    terms: OrderTerms,
    market: PoolMarket | None,
    *,
    is_triggered: bool = False,
    mark: PriceRatio | None = None,
) -> Offer | None:
    assert isinstance(terms.condition, PriceCondition)
    if market is None:
        return None
    return find_offer(
        get_awaited(terms.condition, is_triggered=is_triggered),
        terms.amount_in,
        market,
        max_price_impact_bps=terms.max_price_impact_bps,
        price_of=terms.price_of,
        high_water=mark,
    )


def _get_direction(api: ApiContext, record: OrderRecord) -> _Direction:
    find = api.services.tokens.find
    return find(record.token_in, "tokenIn"), find(record.token_out, "tokenOut")


async def _find_peaks(api: ApiContext, records: Sequence[OrderRecord]) -> _Peaks:
    """The peaks of the pairs whose price a trailing stop among these orders follows."""
    follow = [each for each in records if isinstance(each.condition, TrailingStop)]
    directions = {(each.token_in, each.token_out): _get_direction(api, each) for each in follow}
    if not directions:
        return {}
    try:
        found = await api.services.peaks.find(directions)
    except Transient:
        return {}  # the marks of the rows are shown
    peaks = {}
    for token_in, token_out, text in found:
        direction = directions[token_in, token_out]
        peaks[direction] = read_peaks(text, direction[0])
    return peaks


def _show(
    record: OrderRecord,
    direction: _Direction,
    market: PoolMarket | None,
    peaks: Sequence[DirectedPool],
) -> dict[str, object]:
    condition, mark = record.condition, record.high_water
    assert isinstance(condition, PriceCondition)
    decimals = direction[0].decimals, direction[1].decimals
    shown: dict[str, object] = {}
    if isinstance(condition, TrailingStop) and mark is not None:
        stored = HighWaterMark(mark, record.high_water_slot)
        mark = find_mark(record.amount_in, stored, peaks).price
        shown["highestPrice"] = mark.format(*decimals, record.price_of)
    if market is None:
        return shown
    offer = find_offer(
        get_awaited(condition, is_triggered=record.is_triggered),
        record.amount_in,
        market,
        max_price_impact_bps=record.max_price_impact_bps,
        price_of=record.price_of,
        high_water=mark,
    )
    if offer is not None and offer.price is not None:
        shown["executablePrice"] = offer.price.format(*decimals, record.price_of)
        if offer.distance_bps is not None:
            shown["distanceBps"] = offer.distance_bps
    return shown

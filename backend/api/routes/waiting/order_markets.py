"""What the market offers orders that wait for a price, as their records and answers show it.

The market of each pair of a page is read once, if it is not known from a moment ago. It is waited
for only shortly: what is not known then is left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from backend.api.context import ApiContext
from backend.api.wire.problems import FieldError
from backend.domain.conditions import PriceCondition, TrailingStop, get_awaited
from backend.domain.errors import NO_POOL_CODE, Transient
from backend.domain.lifecycle import Status
from backend.domain.orders import OrderRecord, OrderTerms
from backend.domain.prices import PriceRatio
from backend.domain.route_constraints import constraints_to_json, select_pool_constraints
from backend.routing.quote_choice import describe_poolless
from backend.store.waiting.amendments import HighWaterMark
from backend.store.waiting.market_peaks import PeaksKey, StoredPeaks
from backend.triggers.best_markets import find_best_price
from backend.triggers.offers.order_offers import (
    Offer,
    find_cap,
    find_mark,
    find_offer,
    read_best,
    read_peaks,
)
from backend.triggers.offers.recent_markets import MarketKey
from backend.triggers.pool_market import PoolMarket
from backend.venues import Venues

_PAIR_FIELD: Final = "tokenOut"
MARKET_WAIT_S: Final = 0.3
"""How long a response waits for a market that has to be read: a node answers within a slot."""
YIELD_EVERY_ORDERS: Final = 50
"""Quotes of many orders yield to the event loop after so many of them."""


class _StoredMarkets(NamedTuple):
    """What watchers have stored of a direction: its own peaks, and what all pools paid most."""

    own: StoredPeaks | None
    whole: StoredPeaks | None


_NOTHING_STORED: Final = _StoredMarkets(None, None)


async def show_markets(
    api: ApiContext, records: Sequence[OrderRecord]
) -> dict[UUID, dict[str, object]]:
    """The members that the market gives those of the orders that wait for a price.

    It costs orders that wait for none nothing, and never fails.
    """
    waiting = [each for each in records if _waits_for_price(each)]
    if not waiting:
        return {}
    terms = {each.id: read_terms(api, each) for each in waiting}
    keys = {order_id: MarketKey.of(each) for order_id, each in terms.items()}
    markets = await api.services.markets.read(set(keys.values()), wait_s=MARKET_WAIT_S)
    poolless = await api.services.markets.find_poolless(set(keys.values()), wait_s=0)
    stored = await _find_stored(api, set(keys.values()))
    shown: dict[UUID, dict[str, object]] = {}
    for index, record in enumerate(waiting, 1):
        key = keys[record.id]
        market, known = markets.get(key), stored.get(key, _NOTHING_STORED)
        shown[record.id] = _show(
            record, terms[record.id], market, known, api.services.cluster.venues
        )
        if key in poolless:
            _, reason = _find_lack(terms[record.id])
            shown[record.id]["lastError"] = f"{NO_POOL_CODE}: {reason}"
        if index % YIELD_EVERY_ORDERS == 0:
            await asyncio.sleep(0)
    return shown


async def judge_orders(
    api: ApiContext, orders: Sequence[OrderTerms], *, wait_s: float = 0.0
) -> list[Offer | None]:
    """What the market offers each of some new orders; ``None`` if it is not known within the wait.

    They all wait for a price.
    """
    keys = [MarketKey.of(each) for each in orders]
    markets = await api.services.markets.read(set(keys), wait_s=wait_s)
    judged: list[Offer | None] = []
    for index, (terms, key) in enumerate(zip(orders, keys, strict=True), 1):
        judged.append(_judge(terms, markets.get(key)))
        if index % YIELD_EVERY_ORDERS == 0:
            await asyncio.sleep(0)
    return judged


async def find_poolless(api: ApiContext, orders: Sequence[OrderTerms]) -> list[bool]:
    """Whether each of some new orders may use no pool, as far as the node answers soon."""
    keys = [MarketKey.of(each) for each in orders]
    poolless = await api.services.markets.find_poolless(set(keys), wait_s=MARKET_WAIT_S)
    return [key in poolless for key in keys]


def build_poolless_error(terms: OrderTerms) -> FieldError:
    """Why an order that may use no pool waits for nothing, and the field that says so."""
    field, reason = _find_lack(terms)
    if field == _PAIR_FIELD:
        reason = f"{reason}, and only a sniper order waits for one"
    return FieldError(field, NO_POOL_CODE, reason)


def _find_lack(terms: OrderTerms) -> tuple[str, str]:
    """The field that leaves an order without a pool, and why."""
    if select_pool_constraints(terms.constraints) is None:
        return _PAIR_FIELD, describe_poolless(terms)
    asked = constraints_to_json(terms.constraints)
    field = next(name for name in ("pools", "dexes", "excludeDexes") if name in asked)
    pair = f"{terms.token_in.symbol} and {terms.token_out.symbol}"
    reason = f"none of the pools of {pair} that are quoted is one that the order may use"
    return field, reason


async def judge_waiting(
    api: ApiContext,
    terms: OrderTerms,
    *,
    is_triggered: bool,
    mark: PriceRatio | None,
    wait_s: float,
) -> Offer | None:
    """What the market offers an order that waits already, as ``judge_orders``."""
    key = MarketKey.of(terms)
    markets = await api.services.markets.read([key], wait_s=wait_s)
    return _judge(terms, markets.get(key), is_triggered=is_triggered, mark=mark)


def find_met_price(offer: Offer | None, terms: OrderTerms, advice: str) -> str | None:
    """The executable price of an order that the market meets; ``None`` of one that it does not.

    Raises ``Transient``, with ``advice``, if what the market offers is not known.
    """
    if offer is None:
        pair = f"{terms.token_in.symbol}/{terms.token_out.symbol}"
        raise Transient("market_unknown", f"the market of {pair} cannot be read now; {advice}")
    if not offer.is_met or offer.price is None:
        return None
    return _format_price(offer.price, terms)


async def read_mark(api: ApiContext, record: OrderRecord) -> HighWaterMark | None:
    """The high-water mark of a trailing stop, from its row and the peaks of its pair.

    ``None`` for an order that follows no price, yet or at all. Raises ``Transient``.
    """
    if not isinstance(record.condition, TrailingStop) or record.high_water is None:
        return None
    allowed = select_pool_constraints(record.constraints)
    key = PeaksKey(record.token_in, record.token_out, allowed)
    texts = [each.peaks for each in await api.services.peaks.find([key]) if each.key == key]
    token_in = api.services.tokens.find(record.token_in, "tokenIn")
    peaks = read_peaks(texts[0], token_in, api.services.cluster.venues) if texts else ()
    stored = HighWaterMark(record.high_water, record.high_water_slot)
    return find_mark(record.amount_in, stored, peaks)


def read_terms(api: ApiContext, record: OrderRecord) -> OrderTerms:
    """The terms of an order from its record."""
    find = api.services.tokens.find
    return OrderTerms(
        type=record.type,
        token_in=find(record.token_in, "tokenIn"),
        token_out=find(record.token_out, "tokenOut"),
        amount_in=record.amount_in,
        min_amount_out=record.min_amount_out,
        slippage_bps=record.slippage_bps,
        max_price_impact_bps=record.max_price_impact_bps,
        condition=record.condition,
        price_of=record.price_of,
        amount_in_bps=record.amount_in_bps,
        constraints=record.constraints,
        fees=record.fees,
    )


def _waits_for_price(record: OrderRecord) -> bool:
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


def _format_price(price: PriceRatio, terms: OrderTerms) -> str:
    return price.format(terms.token_in.decimals, terms.token_out.decimals, terms.price_of)


async def _find_stored(
    api: ApiContext, keys: Collection[MarketKey]
) -> dict[MarketKey, _StoredMarkets]:
    """What watchers have stored of some directions."""
    wanted = {key: PeaksKey(key.token_in.symbol, key.token_out.symbol, key.allowed) for key in keys}
    try:
        rows = await api.services.peaks.find(wanted.values())
    except Transient:
        return {}  # the marks of the rows are shown
    found = {each.key: each for each in rows}
    return {
        key: _StoredMarkets(found.get(each), found.get(each.whole)) for key, each in wanted.items()
    }


def _show(
    record: OrderRecord,
    terms: OrderTerms,
    market: PoolMarket | None,
    stored: _StoredMarkets,
    venues: Venues,
) -> dict[str, object]:
    mark = record.high_water
    shown: dict[str, object] = {}
    if isinstance(terms.condition, TrailingStop) and mark is not None:
        seen = () if stored.own is None else read_peaks(stored.own.peaks, terms.token_in, venues)
        own_mark = HighWaterMark(mark, record.high_water_slot)
        mark = find_mark(terms.amount_in, own_mark, seen).price
        shown["highestPrice"] = _format_price(mark, terms)
    offer = _judge(terms, market, is_triggered=record.is_triggered, mark=mark)
    price = None if offer is None else offer.price
    if offer is not None and price is not None:
        shown["executablePrice"] = _format_price(price, terms)
        if offer.distance_bps is not None:
            shown["distanceBps"] = offer.distance_bps
    best = _find_best_price(record, terms, stored.whole, venues)
    if offered := [each for each in (best, price, mark) if each is not None]:
        shown["bestPrice"] = _format_price(max(offered), terms)
    return shown


def _find_best_price(
    record: OrderRecord, terms: OrderTerms, stored: StoredPeaks | None, venues: Venues
) -> PriceRatio | None:
    if stored is None or stored.best is None or stored.best_at is None:
        return None
    since = (record.created_at - stored.best_at).total_seconds()
    assert isinstance(terms.condition, PriceCondition)
    awaited = get_awaited(terms.condition, is_triggered=record.is_triggered)
    return find_best_price(
        terms.amount_in,
        read_best(stored.best, terms.token_in, venues),
        since,
        max_price_impact_bps=find_cap(awaited, terms.max_price_impact_bps),
        constraints=terms.constraints,
    )

"""Trailing stops keep few peaks, and another process knows their marks by them all the same."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from backend.domain.conditions import ConditionState, TrailingStop
from backend.domain.prices import PriceRatio
from backend.triggers.book import TriggerBook, WaitingOrder
from backend.triggers.peak_codec import decode_peaks, encode_peaks
from backend.triggers.pool_market import PoolMarket
from backend.venues import MAINNET_VENUES
from tests.pools import SOL, USDC, make_cpmm_pool


def make_market(slot: int, usdc: int) -> PoolMarket:
    """A market of a deep pool in which a SOL costs about so many USDC."""
    pool = replace(make_cpmm_pool(10**15, usdc * 10**12), slot=slot)
    return PoolMarket(SOL, USDC, [pool], slot)


def test_what_comes_while_the_price_falls_adds_no_peak() -> None:
    """A new order has its market in its own mark: no peak is needed before the price rises."""
    book = TriggerBook()
    for slot, usdc in enumerate([*range(150, 110, -1), 115]):
        book.insert(WaitingOrder(UUID(int=slot), 1, 10**9, TrailingStop(4_000)))
        update = book.find_met(make_market(slot, usdc), slot)
        assert [each.id for each in update.raised] == [UUID(int=slot)]
        assert update.has_new_peaks == (slot == 40)
        assert [each.slot for each in book.peaks] == ([40] if slot == 40 else [])
    prices = [mark for each in book if (mark := book.get_state(each.id).high_water) is not None]
    assert prices[:36] == sorted(set(prices), reverse=True)
    assert set(prices[35:]) == {prices[40]}


@pytest.mark.parametrize("another_comes", [False, True])
def test_another_process_knows_of_a_rise_in_the_slot_of_a_mark(*, another_comes: bool) -> None:
    """It takes peaks of later slots only: what the next slot pays counts, though it is less."""
    book, heir, texts = TriggerBook(), TriggerBook(), "[]"
    order = WaitingOrder(UUID(int=1), 1, 10**9, TrailingStop(4_000))
    book.insert(replace(order))
    stored: dict[UUID, PriceRatio | None] = {}
    for slot, usdc in ((5, 100), (5, 110), (6, 109), (7, 108)):
        if usdc == 110 and another_comes:
            book.insert(replace(order, id=UUID(int=2)))
        update = book.find_met(make_market(slot, usdc), slot)
        stored |= {each.id: each.state.high_water for each in update.raised}
        if update.has_new_peaks:
            texts = encode_peaks(book.peaks)
    heir.restore_peaks(decode_peaks(texts, SOL, MAINNET_VENUES))
    for order_id, mark in stored.items():
        heir.insert(replace(order, id=order_id, state=ConditionState(mark), mark_slot=5))
    quote = make_market(6, 109).quote(order.amount_in)
    assert quote is not None
    least = PriceRatio(quote.amount_out, quote.amount_in)
    marks = {each.id: heir.get_state(each.id).high_water for each in heir}
    assert marks[UUID(int=1)] == least
    assert marks.get(UUID(int=2), least) in {least, book.get_state(UUID(int=1)).high_water}

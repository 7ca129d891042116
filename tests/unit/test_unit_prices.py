"""What another leg of a split is weighed by: the price of compute units that is paid."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from solders.pubkey import Pubkey

from backend.chain.compute_budget import ComputeBudget
from backend.chain.unit_prices import AGE_MAX_S, UnitPrices
from backend.domain.fees.order_fees import AUTO, OrderFees
from backend.domain.orders import OrderTerms
from backend.execution.budget.priority_fees import FeePolicy, PriorityFees
from backend.routing.splitter import Offer, Splitter
from backend.venues import CPMM, DAMM_V2
from backend.venues.hosting import HostedPool
from tests.pools import SOL as SOL_MINT
from tests.pools import USDC as USDC_MINT
from tests.unit.test_order_fees import GOING_PRICE, fetch_fees, make_instructions
from tests.unit.test_route_splits import RESERVES, make_terms

VENUES = (CPMM, DAMM_V2)


async def test_another_leg_is_weighed_by_the_price_that_is_paid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known, other = (Pubkey(bytes([each] * 32)) for each in (1, 2))
    prices = UnitPrices(1_000, is_auto=True)
    assert prices.find([known], None) == 1_000
    fees = PriorityFees(fetch_fees, ComputeBudget(), FeePolicy(), on_price=prices.tell)
    instructions = make_instructions()
    await fees.choose_budget(instructions, 1)
    locked = instructions.list_locked_accounts()
    assert prices.find(locked[:1], None) == GOING_PRICE
    assert prices.find([other], None) == 1_000
    assert prices.find([other, *locked], OrderFees(AUTO)) == GOING_PRICE
    assert prices.find(locked, OrderFees(500)) == 0, "it pays the same for any number of units"
    fixed = UnitPrices(1_000)
    fixed.tell(locked, GOING_PRICE)
    assert (fixed.find(locked, None), fixed.find(locked, OrderFees(AUTO))) == (1_000, GOING_PRICE)
    loop = asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now + AGE_MAX_S + 1)
    assert prices.find(locked, None) == 1_000


async def test_an_order_is_split_only_where_that_brings_more_than_its_legs_cost() -> None:
    """A hundredth of a SOL in two equal pools: the second one brings some lamports."""
    pools = [each.create_pool(SOL_MINT, USDC_MINT, *RESERVES, fee_e9=3_000_000) for each in VENUES]
    terms = replace(make_terms(10**9), fees=None)
    prices = UnitPrices(1_000, is_auto=True)

    def count_legs(fees: OrderFees | None = None) -> int:
        splitter = Splitter(legs_max=2, prices=prices)
        split = splitter.split(replace(terms, fees=fees), pools, find_best(pools, terms))
        return 1 if split is None else len(split.parts)

    assert count_legs() == 2
    prices.tell([pools[0].address], 10**8)
    assert count_legs() == 1
    assert count_legs(OrderFees(5_000)) == 2, "its fee is the same for any number of legs"


def find_best(pools: Sequence[HostedPool], terms: OrderTerms) -> Offer:
    quotes = [pool.quote(SOL_MINT, terms.amount_in) for pool in pools]
    best = max(range(len(pools)), key=lambda place: quotes[place].amount_out)
    return Offer(pools[best], quotes[best])

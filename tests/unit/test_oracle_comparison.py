"""The comparison of the oracle finds an engine that releases orders wrongly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import cast
from uuid import UUID

import pytest
from solders.pubkey import Pubkey

from backend.domain.amounts import Token
from backend.domain.quotes import Dex, Quote
from backend.domain.tokens import SOL, USDC
from backend.domain.waiting.guards import Guards
from backend.trials.audit.records import LaunchedPoolTraits
from backend.trials.oracle.comparison import PlacedOrder, Release, compare
from backend.trials.oracle.launches import DrawnSniper, LaunchedPool
from backend.trials.oracle.orders import DrawnOrder
from backend.trials.oracle.path import Step
from backend.trials.oracle.rules import BPS, Rule, Sense
from backend.venues.venue import Pool

ID = UUID(int=1)
AMOUNT = 1_000
NEW = Token("new", str(Pubkey(bytes([9] * 32))), SOL.decimals)
ONE, OTHER = (str(Pubkey(bytes([n] * 32))) for n in (1, 2))
PRICES = {ONE: (90, 95, 100, 110, 120, 130), OTHER: (80, 80, 99, 99, 80, 150)}
FIRST_SLOT, FIRST_TIME = 1_000, 500
SAFE = LaunchedPoolTraits("raydium", 30, BPS, 10**12, False, False, 0)


@dataclass(frozen=True)
class FixedPool:
    """A pool that pays the same for each base unit."""

    text: str
    price: int

    @property
    def address(self) -> Pubkey:
        return Pubkey.from_string(self.text)

    def quote(self, mint_in: Pubkey, amount_in: int) -> Quote:
        amounts = amount_in, amount_in * self.price
        return Quote(Dex.RAYDIUM, "cpmm", self.text, *amounts, fee_e9=0, price_impact_e9=0, slot=0)


def build_pool(text: str, price: int) -> Pool:
    return cast(Pool, FixedPool(text, price))


STEPS = [
    Step(
        FIRST_SLOT + 10 * number,
        FIRST_TIME + 2 * number,
        {frozenset((SOL, USDC)): [build_pool(each, PRICES[each][number]) for each in PRICES]},
    )
    for number in range(len(PRICES[ONE]))
]
LIMIT = DrawnOrder(
    (SOL, USDC), AMOUNT, {"type": "limit"}, Rule(Sense.RISING, Fraction(100), cap_bps=BPS)
)


def find_differences(order: DrawnOrder, step: float | None, pool: str, price: int) -> list[str]:
    """Compare what an engine tells of an order that waits from the start; the price is in units."""
    told = {}
    if step is not None:
        told[ID] = Release(round(FIRST_SLOT + 10 * step), pool, str(price))
    return compare({ID: PlacedOrder(order, 0)}, told, STEPS, ()).differences


def shown(price: int) -> int:
    """The price of a SOL in USDC, which has three decimals fewer."""
    return price * 1_000


@pytest.mark.parametrize(
    ("step", "pool", "price"),
    [
        (2, ONE, 100),
        (3, ONE, 110),
        # The other pool of its slot was not told yet, or the slot was told before its pools.
        (2, ONE, 95),
        (3, OTHER, 99),
    ],
)
def test_a_release_within_a_slot_is_none(step: int, pool: str, price: int) -> None:
    assert find_differences(LIMIT, step, pool, shown(price)) == []


@pytest.mark.parametrize(
    ("step", "pool", "price", "fault"),
    [
        (None, ONE, 0, "never released, and met in step 2"),
        (0, ONE, 90, "released in step 0, and met in step 2"),
        (4, ONE, 120, "released in step 4, and met in step 2"),
        (0.5, ONE, 100, "released by slot 1005"),
        (2, ONE, 101, "released at 101000, and pool"),
        (2, OTHER, 99, "released at 99000, and another pool paid 100"),
        (2, OTHER, 100, "released at 100000, and pool"),
    ],
)
def test_a_wrong_release_is_found(step: float | None, pool: str, price: int, fault: str) -> None:
    [difference] = find_differences(LIMIT, step, pool, shown(price))
    assert difference.split(": ")[-1].startswith(fault)


def test_an_order_that_is_never_met_is_never_released() -> None:
    order = replace(LIMIT, rule=LIMIT.rule._replace(price=Fraction(151)))
    assert find_differences(order, None, ONE, 0) == []
    [difference] = find_differences(order, 3, ONE, shown(110))
    assert difference.endswith("released in step 3, and never met")


@pytest.mark.parametrize(
    ("step", "pool", "price", "fault"),
    [
        (5, OTHER, 150, None),
        (2, ONE, 100, "released in step 2, and met in step 5"),
        (3, OTHER, 99, "released in step 3, and met in step 5"),
        (5, ONE, 130, "which it may not use"),
        (None, OTHER, 0, "never released, and met in step 5"),
    ],
)
def test_an_order_is_released_by_the_pools_that_it_may_use(
    step: int | None, pool: str, price: int, fault: str | None
) -> None:
    order = replace(LIMIT, pools=frozenset({OTHER}))
    found = find_differences(order, step, pool, shown(price))
    if fault is None:
        assert found == []
    else:
        [difference] = found
        assert fault in difference


def build_sniper(
    guards: Guards, pools: Sequence[LaunchedPool], order: DrawnOrder = LIMIT
) -> DrawnSniper:
    rule = Rule(Sense.RISING, Fraction(0), guards.looks)
    body = {"type": "sniper"}
    return DrawnSniper((SOL, NEW), order.amount_in, body, rule, guards=guards, launched=pools)


def launch(step: int, opens_in_steps: int, text: str = ONE, **traits: object) -> LaunchedPool:
    """A pool that opens with a step after it was launched; it pays 7, and the other one 8."""
    price = 7 if text == ONE else 8
    opens_at = FIRST_TIME + 2 * (step + opens_in_steps)
    pool = build_pool(text, price)
    return LaunchedPool(step, opens_at, replace(SAFE, **traits), pool)  # type: ignore[arg-type]


FEE_CAPPED = Guards(max_fee_bps=100)


@pytest.mark.parametrize(
    ("guards", "pools", "step", "pool"),
    [
        (Guards(), [launch(1, 0)], 1, ONE),
        (Guards(), [launch(0, 3)], 3, ONE),
        (Guards(looks=3), [launch(1, 1)], 4, ONE),
        (Guards(), [launch(5, 1)], None, ONE),
        (FEE_CAPPED, [launch(0, 0, fee_bps=101)], None, ONE),
        (FEE_CAPPED, [launch(0, 0, fee_bps=101), launch(3, 0, OTHER)], 3, OTHER),
        (Guards(mint_authority_revoked=True), [launch(0, 0, has_mint_authority=True)], None, ONE),
        (Guards(freeze_authority_none=True), [launch(0, 0, has_freeze_authority=True)], None, ONE),
        (Guards(max_transfer_fee_bps=0), [launch(0, 0, transfer_fee_bps=1)], None, ONE),
        (Guards(lp_locked_min_bps=BPS), [launch(0, 0, locked_bps=BPS - 1)], None, ONE),
        (Guards(min_liquidity=10), [launch(0, 0, reserve_in=9)], None, ONE),
        (Guards(dexes=frozenset({Dex.METEORA})), [launch(0, 0)], None, ONE),
        (Guards(max_pool_age_s=4, looks=4), [launch(0, 0)], None, ONE),
        (Guards(max_pool_age_s=4, looks=3), [launch(0, 0)], 2, ONE),
        (Guards(), [launch(0, 2), launch(0, 2, OTHER)], 2, OTHER),
    ],
)
def test_when_a_sniper_order_should_be_released(
    guards: Guards, pools: list[LaunchedPool], step: int | None, pool: str
) -> None:
    sniper, price = build_sniper(guards, pools), 7 if pool == ONE else 8
    assert find_differences(sniper, step, pool, price) == []
    if step is None:
        [difference] = find_differences(sniper, 4, pool, price)
        assert difference.endswith("released in step 4, and never met")
    else:
        [difference] = find_differences(sniper, None, pool, price)
        assert difference.endswith(f"never released, and met in step {step}")
    if step is not None and step > 1:
        [difference] = find_differences(sniper, step - 2, pool, price)
        assert difference.endswith(f"released in step {step - 2}, and met in step {step}")


def test_a_sniper_order_that_buys_elsewhere_is_found() -> None:
    trapped = build_sniper(FEE_CAPPED, [launch(0, 0, fee_bps=101), launch(2, 0, OTHER)])
    [difference] = find_differences(trapped, 2, ONE, 7)
    assert f"released at 7, and pool {ONE} paid None" in difference
    better = build_sniper(Guards(), [launch(0, 2), launch(1, 1, OTHER)])
    [difference] = find_differences(better, 2, ONE, 7)
    assert difference.endswith("released at 7, and another pool paid 8 in step 2")

"""Prices as they are sampled: of pools that were noted, each state of them once."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_DOWN, Context, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from backend.domain.amounts import Token
from backend.domain.orders import OrderTerms, OrderType
from backend.domain.tokens import BONK, JUP, SOL, USDC
from backend.routing.prices import price_sampler
from backend.routing.prices.price_sampler import PriceSampler
from backend.routing.route import Route
from backend.venues import CPMM, DAMM_V2
from backend.venues.hosting import HostedPool, HostedVenue
from backend.venues.venue import Pool

OFFSET_S = 1_790_000_000.0
DEEP = 100_000


def make_pool(
    base: Token, quote: Token, price: int, slot: int, *, is_damm: bool = False
) -> HostedPool:
    """A deep pool whose base has this price, in quote tokens, as of a slot."""
    one, other = (Pubkey.from_string(each.mint) for each in (base, quote))
    base_units, quote_units = DEEP * 10**base.decimals, DEEP * price * 10**quote.decimals
    venue: HostedVenue = DAMM_V2 if is_damm else CPMM
    pool = venue.create_pool(one, other, base_units, quote_units, fee_e9=2_500_000)
    return replace(pool, slot=slot)  # type: ignore[type-var]


def quote_sale(pools: list[Pool], base: Token, quote: Token, size: int) -> Decimal:
    """What the best pool pays for the base that ``size`` quote tokens buy, to 12 digits."""
    base_mint, quote_mint = Pubkey.from_string(base.mint), Pubkey.from_string(quote.mint)
    bought = max(pool.quote(quote_mint, size * 10**quote.decimals).amount_out for pool in pools)
    paid = max(pool.quote(base_mint, bought).amount_out for pool in pools)
    ratio = Fraction(paid * 10**base.decimals, bought * 10**quote.decimals)
    context = Context(prec=12, rounding=ROUND_DOWN)
    return context.divide(Decimal(ratio.numerator), Decimal(ratio.denominator))


@given(
    st.lists(st.tuples(st.integers(50, 200), st.integers(50, 200), st.integers(1, 9)), max_size=8)
)
async def test_every_price_is_that_of_the_pools_of_a_read(
    reads: list[tuple[int, int, int]],
) -> None:
    sampler = PriceSampler(USDC)
    expected: list[tuple[Decimal, int]] = []
    for one, other, slot in reads:
        pools: list[Pool] = [
            make_pool(SOL, USDC, one, slot),
            make_pool(SOL, USDC, other, slot, is_damm=True),
        ]
        sampler.note(USDC, SOL, pools)
        await sampler.sample()
        if not expected or slot >= expected[-1][1]:  # older than one that was sampled: no price
            expected.append((quote_sale(pools, SOL, USDC, 100), slot))
    samples = sampler.take(OFFSET_S)
    assert [(each.price, each.slot) for each in samples] == expected
    assert all(each.pair == ("SOL", "USDC") and each.at > OFFSET_S for each in samples)
    assert sampler.take(OFFSET_S) == []


async def test_of_several_reads_between_two_samples_the_last_one_counts() -> None:
    sampler = PriceSampler(USDC)
    sampler.note(SOL, USDC, [make_pool(SOL, USDC, 100, 1)])
    last = make_pool(SOL, USDC, 120, 2)
    sampler.note(SOL, USDC, [last])
    sampler.note(SOL, USDC, [])  # none could be read: that shows no price
    await sampler.sample()
    await sampler.sample()
    [sample] = sampler.take(0)
    assert sample.price == quote_sale([last], SOL, USDC, 100)


def make_route(token_in: Token, amount_in: int, token_out: Token, price: int) -> Route:
    pool = make_pool(token_in, token_out, price, 1)
    quote = pool.quote(Pubkey.from_string(token_in.mint), amount_in)
    terms = OrderTerms(OrderType.MARKET, token_in, token_out, amount_in, None, 50)
    return Route.of_pool(terms, (pool, quote), [quote], [], 1)


async def test_a_swap_of_two_other_tokens_is_worth_what_was_sampled_of_one_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sampler = PriceSampler(USDC)
    swap = make_route(JUP, 500 * 10**6, BONK, 3)
    assert sampler.value_route(swap).value is None
    assert sampler.take_unvalued() == [(JUP, USDC)]
    assert sampler.take_unvalued() == []
    sampler.note(JUP, USDC, [make_pool(JUP, USDC, 2, 1)])
    await sampler.sample()
    price = sampler.take(0)[0].price
    valued = sampler.value_route(swap)
    assert valued.value is not None
    token, value = valued.value
    assert token == USDC
    assert abs(Decimal(value) / (500 * 10**6) - price) < Decimal("1e-6")
    terms = OrderTerms(OrderType.MARKET, JUP, BONK, 500 * 10**6, None, 50)
    assert valued.to_json(terms)["value"]["token"] == "USDC"
    assert sampler.value_route(make_route(SOL, 10**9, USDC, 100)).value is None
    monkeypatch.setattr(price_sampler, "VALUE_AGE_MAX_S", -1.0)
    assert sampler.value_route(swap).value is None  # the price is too old

"""The cap on the price impact: which quotes may be chosen, and what is told of the others."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from backend.api.wire.problems import Problem
from backend.api.wire.request_schemas import read_order, read_quote
from backend.domain.amounts import BPS
from backend.domain.errors import EngineError, Rejected, Transient
from backend.domain.orders import OrderTerms, OrderType
from backend.domain.quotes import E9, Dex, Quote
from backend.domain.tokens import SOL, USDC, TokenRegistry
from backend.routing.quote_choice import MissingQuote, choose_quote, quotes_to_json
from backend.venues import CPMM, DAMM_V2
from backend.venues.hosting import HostedVenue

ORDER = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1.5"}
TOKENS = TokenRegistry()
MINT_IN, MINT_OUT = (Pubkey.from_string(token.mint) for token in (SOL, USDC))
UNAVAILABLE = MissingQuote(Dex.METEORA, Transient("venue_timeout", "slow"))
CLOSED = MissingQuote(Dex.METEORA, Rejected("pool_disabled", "closed"))


def make_terms(cap_bps: int | None = 500, min_out: int | None = None) -> OrderTerms:
    return OrderTerms(OrderType.MARKET, SOL, USDC, 10**9, min_out, 50, cap_bps)


def make_quote(
    amount_out: int, impact_e9: int, dex: Dex = Dex.RAYDIUM, pool: str = "pool"
) -> Quote:
    return Quote(dex, "cpmm", pool, 10**9, amount_out, 0, impact_e9, 1)


def catch_refusal(
    terms: OrderTerms, quotes: Sequence[Quote], missing: Sequence[MissingQuote] = ()
) -> EngineError:
    with pytest.raises(EngineError) as caught:
        choose_quote(terms, quotes, missing)
    return caught.value


quote_lists = st.lists(
    st.builds(
        make_quote,
        st.integers(1, 10**6),
        st.one_of(st.integers(0, E9), st.integers(495, 505).map(lambda bps: bps * 100_000)),
        st.sampled_from(Dex),
        st.sampled_from("abc"),
    ),
    min_size=1,
    max_size=4,
)


@given(quote_lists, st.one_of(st.none(), st.sampled_from([0, 499, 500, 501, BPS])))
def test_the_best_quote_within_the_cap_is_chosen(quotes: list[Quote], cap_bps: int | None) -> None:
    cap_e9 = E9 if cap_bps is None else cap_bps * E9 // BPS
    within = [quote for quote in quotes if quote.price_impact_e9 <= cap_e9]
    if within:
        chosen, _ = choose_quote(make_terms(cap_bps), quotes, [])
        assert chosen in within
        assert chosen.amount_out == max(quote.amount_out for quote in within)
    else:
        error = catch_refusal(make_terms(cap_bps), quotes)
        assert type(error) is Rejected
        assert error.code == "price_impact_too_high"


@given(quote_lists, st.integers(0, BPS))
def test_exactly_the_quotes_above_the_cap_are_shown_as_refused(
    quotes: list[Quote], cap_bps: int
) -> None:
    shown = quotes_to_json(make_terms(cap_bps), quotes)
    for quote, each in zip(quotes, shown, strict=True):
        # Equal quotes are one and the same: a pool is quoted once.
        if quotes.count(quote) == 1:
            assert ("refused" in each) == (quote.price_impact_e9 * BPS > cap_bps * E9)


def test_the_reason_names_the_venues_the_impacts_and_the_cap() -> None:
    quotes = [make_quote(9, 838_223_000), make_quote(8, 50_000_001, Dex.METEORA)]
    error = catch_refusal(make_terms(), quotes)
    assert error.reason == (
        "the price impact, 83.83 % on raydium and 5.01 % on meteora, is above the cap of 5 %"
    )


@pytest.mark.parametrize(("missing", "kind"), [(UNAVAILABLE, Transient), (CLOSED, Rejected)])
def test_a_cap_that_an_unavailable_venue_might_keep_is_not_final(
    missing: MissingQuote, kind: type[EngineError]
) -> None:
    error = catch_refusal(make_terms(), [make_quote(9, 10**8)], [missing])
    assert type(error) is kind
    assert error.code == "price_impact_too_high"
    assert ("slow" in error.reason) == (kind is Transient)


def test_a_minimum_that_only_a_quote_above_the_cap_meets_is_refused_with_both_reasons() -> None:
    quotes = [make_quote(1_000, 0), make_quote(2_000, 60_000_000, Dex.METEORA)]
    error = catch_refusal(make_terms(min_out=1_500), quotes)
    assert error.code == "min_out_not_met"
    assert "0.001 USDC on raydium" in error.reason
    assert "6 % on meteora, is above the cap of 5 %" in error.reason


@given(
    st.sampled_from([CPMM, DAMM_V2]),
    st.integers(10**10, 10**14),
    st.integers(10**10, 10**14),
    st.integers(10**8, 10**15),
)
def test_the_impact_is_what_the_trade_loses_against_the_spot_price_of_its_pool(
    venue: HostedVenue, reserve_in: int, reserve_out: int, amount: int
) -> None:
    assume(amount * reserve_out > 10**8 * reserve_in)
    pool = venue.create_pool(MINT_IN, MINT_OUT, reserve_in, reserve_out, fee_e9=2_500_000)
    quote = pool.quote(MINT_IN, amount)
    at_spot = amount * reserve_out * (E9 - quote.fee_e9) // (reserve_in * E9)
    lost_e9 = (at_spot - quote.amount_out) * E9 // at_spot
    assert abs(lost_e9 - quote.price_impact_e9) < 10**4


def test_ten_sol_for_a_pool_of_two_are_refused() -> None:
    quotes = []
    venues: list[HostedVenue] = [CPMM, DAMM_V2]
    for venue in venues:
        pool = venue.create_pool(MINT_IN, MINT_OUT, 1_930_000_000, 193_000_000, fee_e9=2_500_000)
        quotes.append(pool.quote(MINT_IN, 10 * 10**9))
        assert quotes[-1].price_impact_e9 > 800_000_000
    assert catch_refusal(make_terms(), quotes).code == "price_impact_too_high"
    assert choose_quote(make_terms(BPS), quotes, [])[0] in quotes


def test_an_order_has_its_own_cap_or_that_of_the_settings() -> None:
    for cap, expected in ((None, 500), (0, 0), (499, 499), (10_000, 10_000)):
        body = {**ORDER, "maxPriceImpactBps": cap}
        assert read_order(body, TOKENS, 50, 500).terms.max_price_impact_bps == expected
        assert read_quote(body, TOKENS, 50, 500).max_price_impact_bps == expected
    assert read_order(ORDER, TOKENS, 50, 500).terms.max_price_impact_bps == 500


@pytest.mark.parametrize("value", [-1, 10_001, 0.5, "50", True, [], "nan"])
def test_a_bad_cap_is_refused_as_a_bad_slippage_is(value: object) -> None:
    with pytest.raises(Problem) as refused:
        read_order({**ORDER, "maxPriceImpactBps": value}, TOKENS, 50, 500)
    with pytest.raises(Problem) as slippage:
        read_order({**ORDER, "slippageBps": value}, TOKENS, 50, 500)
    [error], [expected] = refused.value.errors, slippage.value.errors
    assert (error.field, error.code, error.reason) == (
        "maxPriceImpactBps",
        expected.code,
        expected.reason,
    )


def test_a_repeat_of_a_request_from_before_the_cap_is_still_the_same_request() -> None:
    mints = f"{SOL.mint} {USDC.mint}"
    earlier = sha256(f"market {mints} 1500000000 None None None".encode()).digest()
    assert read_order(ORDER, TOKENS, 50, 500).request_hash == earlier
    assert read_order(ORDER, TOKENS, 50, 600).request_hash == earlier
    capped = {
        read_order({**ORDER, "maxPriceImpactBps": cap}, TOKENS, 50, 500).request_hash
        for cap in (0, 500, 501)
    }
    assert len(capped | {earlier}) == 4

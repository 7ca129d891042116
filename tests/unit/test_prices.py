"""Prices: exact in the direction in which they were written, never to the trader's disadvantage."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backend.domain.amounts import BPS, U64_MAX, format_amount
from backend.domain.prices import DISTANCE_MAX_BPS, PriceOf, PriceRatio, parse_price

amounts = st.integers(1, U64_MAX)
decimals = st.integers(0, 18)
ratios = st.builds(PriceRatio, amounts, amounts)
texts = st.builds(format_amount, st.integers(1, 10**20), st.integers(0, 12))


def to_fraction(price: PriceRatio) -> Fraction:
    return Fraction(price.numerator, price.denominator)


@given(texts, decimals, decimals, st.sampled_from(PriceOf))
def test_a_price_is_shown_as_it_was_written(
    text: str, decimals_in: int, decimals_out: int, price_of: PriceOf
) -> None:
    try:
        price = parse_price(text, decimals_in, decimals_out, price_of)
    except ValueError:
        assume(False)
    assert price.format(decimals_in, decimals_out, price_of) == text
    assert parse_price(Decimal(text), decimals_in, decimals_out, price_of) == price


@given(ratios, decimals, decimals, st.sampled_from(PriceOf))
def test_a_price_that_no_decimal_is_shows_twelve_digits_of_it(
    price: PriceRatio, decimals_in: int, decimals_out: int, price_of: PriceOf
) -> None:
    exact = to_fraction(price) * 10**decimals_in / 10**decimals_out
    if price_of is PriceOf.TOKEN_OUT:
        exact = 1 / exact
    shown = Fraction(price.format(decimals_in, decimals_out, price_of))
    assert shown <= exact
    assert (exact - shown) * 10**11 < exact


def test_the_price_of_either_token_says_the_same() -> None:
    buys_sol_at_95 = parse_price("95", 6, 9, PriceOf.TOKEN_OUT)
    assert buys_sol_at_95 == PriceRatio(10**9, 95 * 10**6)
    assert buys_sol_at_95.format(6, 9, PriceOf.TOKEN_OUT) == "95"
    assert buys_sol_at_95.format(6, 9) == "0.0105263157894"
    assert buys_sol_at_95.min_amount_out(95 * 10**6) == 10**9
    sells_sol_at_95 = parse_price(95, 9, 6)
    assert sells_sol_at_95.min_amount_out(10**9) == 95 * 10**6
    assert PriceRatio(0, 7).format(9, 6, PriceOf.TOKEN_OUT) == "0"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "must be a decimal number"),
        ("1,5", "must be a decimal number"),
        ("NaN", "finite"),
        ("0", "greater than 0"),
        ("-95", "greater than 0"),
        ("1e400", "out of range"),
        ("1e30", "out of range"),
        ("1e-30", "out of range"),
        (Decimal("1." + "1" * 40), "at most 40 digits"),
        ("9" * 41, "at most 40 characters"),
    ],
)
@pytest.mark.parametrize("price_of", PriceOf)
def test_these_are_no_prices(value: str | Decimal, reason: str, price_of: PriceOf) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_price(value, 9, 6, price_of)


@given(ratios, ratios)
def test_prices_compare_as_the_ratios_that_they_are(one: PriceRatio, other: PriceRatio) -> None:
    assert (one < other) == (to_fraction(one) < to_fraction(other))
    assert (one >= other) == (to_fraction(one) >= to_fraction(other))
    assert (one == other) == (to_fraction(one) == to_fraction(other))


@given(amounts, amounts, st.integers(1, 10**6))
def test_equal_prices_are_equal_values(out: int, into: int, factor: int) -> None:
    assert PriceRatio(out * factor, into * factor) == PriceRatio(out, into)
    assert hash(PriceRatio(out * factor, into * factor)) == hash(PriceRatio(out, into))


@given(ratios, amounts, amounts)
def test_an_output_meets_the_minimum_exactly_if_its_price_is_as_good(
    price: PriceRatio, amount_in: int, amount_out: int
) -> None:
    meets = PriceRatio(amount_out, amount_in) >= price
    assert meets == (amount_out >= price.min_amount_out(amount_in))


@given(ratios, amounts)
def test_a_minimum_is_the_least_that_is_enough(price: PriceRatio, amount_in: int) -> None:
    least = price.min_amount_out(amount_in)
    assert least >= amount_in * to_fraction(price)
    assert least == 1 or least - 1 < amount_in * to_fraction(price)


@given(ratios, st.integers(0, BPS))
def test_basis_points_of_a_price_are_exact(price: PriceRatio, bps: int) -> None:
    assert to_fraction(price.scale_bps(bps)) == to_fraction(price) * bps / BPS


@given(ratios, ratios)
def test_a_distance_is_rounded_away_from_0(price: PriceRatio, executable: PriceRatio) -> None:
    distance = price.distance_bps(executable)
    exact = (to_fraction(price) / to_fraction(executable) - 1) * BPS
    assert (distance == 0) == (price == executable)
    if abs(distance) < DISTANCE_MAX_BPS:
        assert 0 <= abs(distance) - abs(exact) < 1
        assert distance * exact >= 0
    else:
        assert abs(exact) > DISTANCE_MAX_BPS - 1


def test_distances_are_of_the_market_price() -> None:
    market = PriceRatio(100, 1)
    assert PriceRatio(105, 1).distance_bps(market) == 500
    assert PriceRatio(95, 1).distance_bps(market) == -500
    assert PriceRatio(10_000_001, 100_000).distance_bps(market) == 1
    assert market.distance_bps(PriceRatio(0, 1)) == DISTANCE_MAX_BPS

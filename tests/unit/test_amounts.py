"""Amounts and prices: exact in both directions, and refused with a reason if malformed."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.amounts import (
    BPS,
    U64_MAX,
    Price,
    ceil_div,
    compute_min_out,
    floor_div,
    format_amount,
    format_ratio,
    format_slippage,
    parse_amount,
)

base_units = st.integers(1, U64_MAX)
decimals = st.integers(0, 18)


@given(base_units, decimals)
def test_an_amount_survives_formatting(units: int, decimals_count: int) -> None:
    assert parse_amount(format_amount(units, decimals_count), decimals_count) == units


@given(base_units, decimals)
def test_a_json_number_is_as_exact_as_text(units: int, decimals_count: int) -> None:
    assert parse_amount(Decimal(format_amount(units, decimals_count)), decimals_count) == units


@pytest.mark.parametrize(
    ("text", "decimals_count", "units"),
    [
        ("1", 9, 10**9),
        ("0.000000001", 9, 1),
        ("1e3", 6, 10**9),
        ("1.50", 6, 1_500_000),
        ("18446744073709551615", 0, U64_MAX),
        ("0.1000000000000000000", 6, 100_000),
        (12, 5, 1_200_000),
    ],
)
def test_these_are_amounts(text: str | int, decimals_count: int, units: int) -> None:
    assert parse_amount(text, decimals_count) == units


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "must be a decimal number"),
        ("ten", "must be a decimal number"),
        ("1,5", "must be a decimal number"),
        ("١٢", "must be a decimal number"),
        ("9" * 41, "at most 40 characters"),
        ("NaN", "finite"),
        ("-Infinity", "finite"),
        (Decimal("sNaN"), "finite"),
        ("0", "greater than 0"),
        ("-1", "greater than 0"),
        ("1e400", "out of range"),
        (Decimal("1e999999"), "out of range"),
        (Decimal("1e-999999"), "out of range"),
        ("0.0000001", "more than 6 decimals"),
        ("18446744073709.551616", "64-bit"),
    ],
)
def test_these_are_no_amounts(value: str | Decimal, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_amount(value, 6)


@given(st.integers(0, 10**30), st.integers(1, 10**30))
def test_rounding_is_by_less_than_one(numerator: int, denominator: int) -> None:
    down, up = floor_div(numerator, denominator), ceil_div(numerator, denominator)
    assert down * denominator <= numerator <= up * denominator
    assert up - down == (numerator % denominator != 0)


@given(base_units, st.integers(0, BPS))
def test_a_minimum_never_exceeds_the_quote_and_is_never_zero(amount: int, bps: int) -> None:
    least = compute_min_out(amount, bps)
    assert 1 <= least <= amount
    assert least in {1, amount * (BPS - bps) // BPS}


@given(base_units, decimals, base_units, decimals)
def test_a_price_is_the_ratio_rounded_down_to_twelve_digits(
    amount_in: int, decimals_in: int, amount_out: int, decimals_out: int
) -> None:
    price = Price(amount_in, decimals_in, amount_out, decimals_out)
    exact = Fraction(amount_out, 10**decimals_out) / Fraction(amount_in, 10**decimals_in)
    shown = Fraction(str(price))
    assert shown <= exact
    assert (exact - shown) * 10**11 < exact


def test_ratios_are_plain_decimals() -> None:
    assert format_ratio(0, 1) == "0"
    assert format_ratio(1, 3) == "0.333333333333"
    assert format_ratio(1, 400_000_000) == "0.0000000025"
    assert format_ratio(5, 2) == "2.5"
    assert format_ratio(10**15, 1) == "1000000000000000"


@given(st.integers(0, 10**30), st.integers(1, 10**30), st.integers(1, 10**12))
def test_a_ratio_is_the_same_whatever_its_terms(
    numerator: int, denominator: int, factor: int
) -> None:
    scaled = format_ratio(numerator * factor, denominator * factor)
    assert scaled == format_ratio(numerator, denominator)


@pytest.mark.parametrize(
    ("quoted", "received", "slippage"),
    [
        (1_000, 1_000, "0"),
        (1_000, 995, "0.005"),
        (1_000, 1_010, "-0.01"),
        (3, 2, "0.333333333333"),
        (2**64 - 1, 1, "0.999999999999"),
    ],
)
def test_slippage_is_against_the_quote(quoted: int, received: int, slippage: str) -> None:
    assert format_slippage(quoted, received) == slippage

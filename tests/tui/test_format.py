"""Formatting of numbers and times for fixed columns, and of untrusted text."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.accounting.pairs import name_pair
from tui.model.pairs import resolve_pair, split_pair
from tui.output.failure_advice import get_advice
from tui.table.columns import COLUMNS
from tui.table.layouts import select_columns
from tui.text.format import (
    describe_value,
    draw_sparkline,
    format_amount,
    format_duration,
    format_price,
    parse_timestamp_ms,
    sanitize_text,
    to_ascii,
    wrap_text,
)

NUMBERS = st.decimals(
    min_value=Decimal("1e-12"), max_value=Decimal("1.8e19"), allow_nan=False, allow_infinity=False
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.001", "less than 0.01 USDC"),
        ("0.5", "about 0.50 USDC"),
        ("12.345", "about 12.34 USDC"),
        ("1275.4", "about 1,275 USDC"),
    ],
)
def test_no_value_is_rounded_to_nothing(value: str, text: str) -> None:
    assert describe_value(Decimal(value)) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0"),
        (9_999, "9,999"),
        (12_345, "12.3s"),
        (99_999, "100.0s"),
        (100_000, "1m40s"),
        (250_000, "4m10s"),
        (3_000_000, "50m"),
        (11_520_000, "3h12m"),
        (90_000_000, "25h"),
        (900_000_000, "10d"),
        (-5, "0"),
    ],
)
def test_a_duration_is_short(ms: int, text: str) -> None:
    assert format_duration(ms) == text


@given(st.integers(0, 10**12))
def test_a_duration_fits_its_column(ms: int) -> None:
    assert len(format_duration(ms)) <= 6


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("12.5", "12.500"),
        ("1460.2", "1,460.2"),
        ("123456", "123,456"),
        ("20480000", "20.48M"),
        ("0.0004", "0.0₃400"),
        ("0", "0.000"),
        ("18446744073709551615", "1.8e+19"),
    ],
)
def test_an_amount_is_short(value: str, text: str) -> None:
    assert format_amount(Decimal(value)) == text


@given(NUMBERS)
def test_an_amount_and_a_price_fit_their_columns(value: Decimal) -> None:
    assert len(format_amount(value)) <= 8
    assert len(format_price(value)) <= 9


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("142.3071", "142.3071"),
        ("0.9134", "0.9134"),
        ("1234.5", "1,234.50"),
        ("0.00213", "0.002130"),
        ("0.0000002019", "0.0₆2019"),
    ],
)
def test_a_price_has_the_decimals_of_its_size(value: str, text: str) -> None:
    assert format_price(Decimal(value)) == text


def test_untrusted_text_cannot_move_the_cursor_or_reverse_a_line() -> None:
    assert sanitize_text("a\x1b[2Jb\u202ec\r\nd\x9b") == "a?[2Jb?c??d?"


@given(st.text(max_size=80), st.integers(-3, 60))
def test_wrapped_text_fits(text: str, columns: int) -> None:
    assert all(len(line) <= max(columns, 1) for line in wrap_text(text, columns))


def test_an_api_timestamp_is_parsed_to_the_millisecond() -> None:
    assert parse_timestamp_ms("2026-11-21T16:09:00.123999Z") == 1_795_277_340_123
    assert parse_timestamp_ms("2026-11-21T17:09:00.123999+01:00") == 1_795_277_340_123


def test_a_sparkline_is_as_high_as_its_numbers() -> None:
    assert draw_sparkline([0, 1, 4, 8], "_12345678") == "_148"
    assert draw_sparkline([0, 0], "_12345678") == "__"


@pytest.mark.parametrize(
    ("token_in", "token_out", "name", "side"),
    [
        ("SOL", "USDC", "SOL/USDC", "sell"),
        ("USDC", "SOL", "SOL/USDC", "buy"),
        ("SOL", "BONK", "BONK/SOL", "buy"),
        ("JUP", "RAY", "JUP/RAY", "sell"),
        ("RAY", "JUP", "JUP/RAY", "buy"),
    ],
)
def test_a_swap_is_a_side_of_a_pair(token_in: str, token_out: str, name: str, side: str) -> None:
    swap = resolve_pair(token_in, token_out)
    assert (swap.name, swap.side) == (name, side)
    assert str(name_pair(token_in, token_out)) == name  # as the API names it
    assert split_pair(name, side) == (token_in, token_out)


def test_both_sides_of_a_pair_have_comparable_prices() -> None:
    assert resolve_pair("SOL", "USDC").price(Decimal(2), Decimal(200)) == 100
    assert resolve_pair("USDC", "SOL").price(Decimal(200), Decimal(2)) == 100


@pytest.mark.parametrize("cells", range(10, 160))
def test_the_columns_that_fit_are_shown(cells: int) -> None:
    shown = select_columns(cells, ["tries", "gap"])
    width = sum(column.cells + 1 for column in shown)
    assert width <= cells
    keys = [column.key for column in shown]
    assert keys == [key for key in COLUMNS if key in keys]


def test_all_needed_columns_fit_into_eighty() -> None:
    keys = {column.key for column in select_columns(79)}
    assert keys >= {"time", "pair", "side", "amount", "status", "dex", "price", "bps", "took"}


def test_an_unknown_code_gets_general_advice() -> None:
    assert "R resubmits" in get_advice("never_heard_of").action


@pytest.mark.parametrize(
    ("value", "text", "ascii_text"),
    [
        ("0.0000001998", "0.0₆1998", "1.998e-7"),
        ("-0.0000001998", "-0.0₆1998", "-1.998e-7"),
        ("0.00001991", "0.0₄1991", "1.991e-5"),
        ("0.00099996", "0.001000", "0.001000"),
        ("0.000999949", "0.0₃9999", "9.999e-4"),
        ("0.00000000000123456", "0.0₁₁1235", "1.235e-12"),
    ],
)
def test_small_prices_are_written_as_traders_read_them(
    value: str, text: str, ascii_text: str
) -> None:
    assert format_price(Decimal(value)) == text
    assert to_ascii(f"{text} x") == f"{ascii_text} x"
    assert len(ascii_text) == len(text)

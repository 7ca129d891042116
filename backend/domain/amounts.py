"""Token amounts as integers of base units, and prices as exact ratios of two amounts.

No float is used here or in any layer above. Text and JSON numbers are converted to integers once,
at the API boundary, by ``parse_amount``; integers are converted to text once, by
``format_amount``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

U64_MAX = 2**64 - 1
BPS = 10_000
"""Basis points in a whole."""

_DIGITS_MAX = 40
"""No 64-bit amount needs more digits; it also bounds the work that a hostile exponent can cause."""
_PRICE_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Token:
    """A token on the chain: its symbol, its mint address (base58) and its decimals."""

    symbol: str
    mint: str
    decimals: int

    # Every order compares and looks up tokens thirty times, nearly always one with itself.
    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Token):
            return NotImplemented
        return (self.mint, self.symbol, self.decimals) == (
            other.mint,
            other.symbol,
            other.decimals,
        )

    def __hash__(self) -> int:
        return hash(self.mint)


class TransactionCosts(NamedTuple):
    """What a landed transaction took from its wallet besides the amount, in lamports.

    ``priority_fee`` is a part of ``network_fee``. ``rent`` is the deposit of accounts that it
    opened and that stay; it comes back when they are closed.
    """

    network_fee: int
    priority_fee: int
    tip: int = 0
    rent: int = 0


def floor_div(numerator: int, denominator: int) -> int:
    """The quotient rounded down: the receiver loses the remainder."""
    return numerator // denominator


def ceil_div(numerator: int, denominator: int) -> int:
    """The quotient rounded up: the payer loses the remainder."""
    return -(-numerator // denominator)


def parse_decimal(value: str | int | Decimal) -> Decimal:
    """Parse a finite decimal from text or a JSON number.

    Raises ``ValueError`` with a reason for anything that is not a plain finite number.
    """
    if isinstance(value, str) and (not value.isascii() or len(value) > _DIGITS_MAX):
        raise ValueError("must be a decimal number of at most 40 characters")
    if isinstance(value, str) and ("_" in value or value != value.strip()):
        raise ValueError("must be a decimal number")  # ``Decimal`` itself would accept it
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError("must be a decimal number") from None
    if not number.is_finite():
        raise ValueError("must be a finite number")
    if number and abs(number.adjusted()) > _DIGITS_MAX:
        raise ValueError("is out of range")
    return number


def parse_amount(value: str | int | Decimal, decimals: int) -> int:
    """Convert an amount in token units to base units, exactly.

    Raises ``ValueError`` with a reason if it is not a number, not positive, has more decimals
    than the token, or does not fit 64 bits.
    """
    number = parse_decimal(value)
    if number <= 0:
        raise ValueError("must be greater than 0")
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    units = int("".join(map(str, digits)))
    shift = decimals + exponent
    if shift >= 0:
        scale: int = 10**shift
        units *= scale
    else:
        units, remainder = divmod(units, 10**-shift)
        if remainder:
            raise ValueError(f"has more than {decimals} decimals")
    if units > U64_MAX:
        raise ValueError("is more than a 64-bit amount of base units")
    return units


def format_amount(base_units: int, decimals: int) -> str:
    """Format base units as a plain decimal in token units, without trailing zeros."""
    return _place_point(str(base_units), decimals)


def amounts_to_json(amounts: Iterable[tuple[Token, int]]) -> list[dict[str, str]]:
    """Convert base units of tokens to JSON for clients: those that are not 0."""
    return [
        {"token": token.symbol, "amount": format_amount(amount, token.decimals)}
        for token, amount in amounts
        if amount
    ]


def _place_point(digits: str, decimals: int) -> str:
    """A decimal whose last ``decimals`` digits are behind the point, without zeros at its end."""
    if not decimals:
        return digits
    digits = digits.zfill(decimals + 1)
    fraction = digits[-decimals:].rstrip("0")
    return f"{digits[:-decimals]}.{fraction}" if fraction else digits[:-decimals]


@dataclass(frozen=True, slots=True)
class Price:
    """The price of a trade, token out per one token in, as an exact ratio of two amounts."""

    amount_in: int
    decimals_in: int
    amount_out: int
    decimals_out: int

    def __str__(self) -> str:
        """The ratio rounded down to 12 significant digits, in plain notation."""
        return format_ratio(
            self.amount_out * 10**self.decimals_in, self.amount_in * 10**self.decimals_out
        )


def format_ratio(numerator: int, denominator: int, digits: int = _PRICE_DIGITS) -> str:
    """Format a non-negative ratio, rounded down to ``digits`` significant digits, as a decimal."""
    if not numerator:
        return "0"
    magnitude = len(str(numerator)) - len(str(denominator))
    decimals = max(digits - magnitude, 0)
    text = str(numerator * 10**decimals // denominator)
    excess = len(text) - digits
    if 0 < excess <= decimals:
        text = text[:-excess]
        decimals -= excess
    return _place_point(text, decimals)


def format_slippage(quoted_out: int, amount_out: int) -> str:
    """How much less than its quote a swap paid, as a fraction of the quote.

    It is below 0 if the swap paid more, and rounded towards 0 to 12 significant digits.
    """
    missing = quoted_out - amount_out
    sign = "-" if missing < 0 else ""
    return f"{sign}{format_ratio(abs(missing), quoted_out)}"


def compute_min_out(amount_out: int, slippage_bps: int) -> int:
    """Compute the minimum output for a quote under a slippage tolerance: rounded down, at least 1.

    A minimum of 0 is no protection: Meteora DAMM v2 would take the input and pay nothing.
    """
    return max(floor_div(amount_out * (BPS - slippage_bps), BPS), 1)

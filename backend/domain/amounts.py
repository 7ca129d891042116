"""Amounts are integers of base units of a named token; prices are exact ratios of two amounts.

No float appears here or anywhere above. Text and JSON numbers become integers once, at the
edge, through ``parse_amount``; integers become text once, through ``format_amount``.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

U64_MAX = 2**64 - 1
BPS = 10_000
"""Basis points in one."""

_DIGITS_MAX = 40
"""No amount that fits 64 bits needs more; it also bounds the work a hostile exponent can cause."""
_PRICE_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Token:
    """A token as the chain knows it: its mint (base58) and the decimals of one unit."""

    symbol: str
    mint: str
    decimals: int


def floor_div(numerator: int, denominator: int) -> int:
    """The quotient rounded down: the one who receives it loses the remainder."""
    return numerator // denominator


def ceil_div(numerator: int, denominator: int) -> int:
    """The quotient rounded up: the one who pays it loses the remainder."""
    return -(-numerator // denominator)


def parse_decimal(value: str | int | Decimal) -> Decimal:
    """A finite decimal from text or a JSON number.

    Raises ``ValueError`` with a reason for anything that is not a plain finite number.
    """
    if isinstance(value, str) and (not value.isascii() or len(value) > _DIGITS_MAX):
        raise ValueError("must be a decimal number of at most 40 characters")
    if isinstance(value, str) and ("_" in value or value != value.strip()):
        raise ValueError("must be a decimal number")  # Python alone would take it
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
    """Base units of an amount in token units, exactly.

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
        units, lost = divmod(units, 10**-shift)
        if lost:
            raise ValueError(f"has more than {decimals} decimals")
    if units > U64_MAX:
        raise ValueError("is more than a 64-bit amount of base units")
    return units


def format_amount(base_units: int, decimals: int) -> str:
    """An amount in token units as a plain decimal, without trailing zeros."""
    whole, part = divmod(base_units, 10**decimals)
    if not part:
        return str(whole)
    return f"{whole}.{part:0{decimals}d}".rstrip("0")


@dataclass(frozen=True, slots=True)
class Price:
    """Token out per one token in: an exact ratio of two amounts."""

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
    """A non-negative ratio rounded down to ``digits`` significant digits, in plain notation."""
    if not numerator:
        return "0"
    magnitude = len(str(numerator)) - len(str(denominator))
    places = max(digits - magnitude, 0)
    scaled = numerator * 10**places // denominator
    extra = len(str(scaled)) - digits
    if 0 < extra <= places:
        scaled //= 10**extra
        places -= extra
    return format_amount(scaled, places)


def min_out(amount_out: int, slippage_bps: int) -> int:
    """The least that a quote of ``amount_out`` may pay: rounded down, and never below 1.

    A limit of 0 is no limit: Meteora DAMM v2 would keep the input and pay nothing.
    """
    return max(floor_div(amount_out * (BPS - slippage_bps), BPS), 1)

"""Amounts of generated orders, converted from the unit in which the user gave their range."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal
from typing import Final

from tui.model.pairs import DOLLAR_TOKENS
from tui.model.plan.form_reader import InvalidPlan

DECIMALS_MAX: Final = 5
REFERENCE: Final = "USDC"
_SOLANA_DECIMALS_MAX: Final = 6
_SIGNIFICANT_DIGITS: Final = 4

PriceLookup = Callable[[str], Decimal | None]
"""Returns the last known price of a pair, in quote tokens for one base token."""


def convert_to_quote(amount: Decimal, name: str, find_price: PriceLookup) -> Decimal:
    """The amount of the quote token that is worth so much of the base token of a pair.

    Raises ``InvalidPlan`` if no price is known.
    """
    price = find_price(name)
    if price is None:
        raise InvalidPlan(
            {"of": f"no price of {name} is known yet: choose amounts of the token in"}
        )
    value = amount * price
    step = Decimal(1).scaleb(-max(2, min(3 - value.adjusted(), DECIMALS_MAX)))
    return max(value.quantize(step), step)


def name_value_pair(token: str) -> str | None:
    """The pair whose price tells what a token is worth; ``None`` for one that is worth 1."""
    return None if token in DOLLAR_TOKENS else f"{token}/{REFERENCE}"


def convert_from_value(value: Decimal, token: str, find_price: PriceLookup) -> Decimal:
    """The amount of a token that is worth so much USDC, in a few digits, rounded down.

    Raises ``InvalidPlan`` if no price is known.
    """
    pair = name_value_pair(token)
    price = Decimal(1) if pair is None else find_price(pair)
    if not price:
        raise InvalidPlan({"of": f"no price of {pair} is known yet: choose amounts of a token"})
    amount = value / price
    places = max(min(_SIGNIFICANT_DIGITS - 1 - amount.adjusted(), _SOLANA_DECIMALS_MAX), 0)
    step = Decimal(1).scaleb(-places)
    return max(amount.quantize(step, rounding=ROUND_DOWN), step)

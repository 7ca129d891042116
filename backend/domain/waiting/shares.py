"""Amounts as a share of what the wallet holds free of a token when an order triggers.

A client writes ``"all"`` or a percentage, such as ``"50%"``. Shares are basis points here: the
finest that can be written is one.
"""

from __future__ import annotations

import re
from typing import Final

from backend.domain.amounts import BPS, floor_div
from backend.domain.errors import InvalidInput

ALL: Final = "all"
SHARE_TYPES: Final = ("stop", "takeProfit", "stopLimit", "trailingStop")
"""The types of orders that may sell a share: those that trigger."""
SHARE_PATTERN: Final = r"^(all|(?=.*[1-9])([0-9]{1,2}(\.[0-9]{1,2})?|100(\.0{1,2})?)%)$"
"""What a share is written as, within JSON Schema's regular expressions."""
_SHARE: Final = re.compile(SHARE_PATTERN.removesuffix("$") + r"\Z")
_FORM: Final = (
    'must be "all", or a percentage from 0.01% to 100% with at most two decimals, such as "50%"'
)
_TYPES: Final = f"{', '.join(SHARE_TYPES[:-1])} and {SHARE_TYPES[-1]}"


def is_share(value: object) -> bool:
    """Whether a value is meant to be a share, however it is written."""
    if not isinstance(value, str):
        return False
    text = value.strip().lower()
    return text == ALL or text.endswith("%")


def parse_share(text: str) -> int:
    """The share that a client wrote, in basis points. Raises ``ValueError`` (reason)."""
    if _SHARE.match(text) is None:
        raise ValueError(_FORM)
    if text == ALL:
        return BPS
    whole, _, fraction = text.removesuffix("%").partition(".")
    return int(whole) * 100 + int(fraction.ljust(2, "0"))


def format_share(bps: int) -> str:
    """A share as a client writes it: ``"all"`` for the whole."""
    if bps == BPS:
        return ALL
    whole, hundredths = divmod(bps, 100)
    fraction = f"{hundredths:02}".rstrip("0")
    return f"{whole}.{fraction}%" if fraction else f"{whole}%"


def describe_share(bps: int | None) -> dict[str, object]:
    """The member of an event that tells a share; none where the amount is fixed."""
    return {} if bps is None else {"amountInShare": format_share(bps)}


def compute_share(free: int, bps: int) -> int:
    """The share of what is free, in base units, rounded down."""
    return floor_div(free * bps, BPS)


def find_share_errors(order_type: str, *, has_minimum: bool) -> list[InvalidInput]:
    """The errors of an order of this type that sells a share."""
    if order_type not in SHARE_TYPES:
        reason = (
            f"is a share of what the wallet holds, which {_TYPES} orders take:"
            f" write the amount of {order_type} orders as a number"
        )
        return [InvalidInput("amount", reason)]
    if has_minimum and order_type == "stopLimit":
        reason = "is not known of a share of what the wallet holds: give limitPrice"
        return [InvalidInput("minAmountOut", reason)]
    return []

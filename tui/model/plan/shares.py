"""Amounts that are a share of what the wallet holds when an order triggers: "all", or "50%"."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from tui.model.pairs import shorten_token
from tui.model.wire import WireOrderTerms

SHARE_TYPES: Final = frozenset({"stop", "takeProfit", "stopLimit", "trailingStop"})
"""The types of orders that may sell a share."""
_SHARE: Final = re.compile(r"all|(?=.*[1-9])([0-9]{1,2}(\.[0-9]{1,2})?|100(\.0{1,2})?)%")
SHARE_FORM: Final = "write all, or 0.01% to 100%"


def is_share(text: str) -> bool:
    """Whether a text is meant to be a share, however it is written."""
    return text.strip().lower() == "all" or text.strip().endswith("%")


def is_valid_share(text: str) -> bool:
    """Whether the API takes a text as a share."""
    return _SHARE.fullmatch(text) is not None


def list_shares(orders: Iterable[WireOrderTerms]) -> list[str]:
    """The shares that new orders sell, in words: each once."""
    shares = {
        f"{each['amount']} of {shorten_token(each['tokenIn'])}": None
        for each in orders
        if is_share(each["amount"])
    }
    return list(shares)


def describe_amount(amount: str, token: str, share: str | None, *, is_known: bool) -> str:
    """What an order sells: ``12.5 SOL``, and of a share ``all of SOL, about 12.5`` before it is.

    ``is_known`` once the share was decided.
    """
    if share is None:
        return f"{amount} {token}"
    if is_known:
        return f"{amount} {token}, {share} of what was free"
    return f"{share} of {token}, about {amount}"

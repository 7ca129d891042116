"""Pairs as traders write them: a swap of USDC into SOL is a *buy* of SOL/USDC.

The API knows what goes in and what comes out. People know a base and a quote: the more money-like
token of the two is the quote.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

_MONEY: Final = ("USDC", "USDT", "SOL")
DOLLARS: Final = frozenset({"USDC", "USDT"})
SYMBOL_CELLS: Final = 4


class Pair(NamedTuple):
    """A pair and the side that a swap is on."""

    base: str
    quote: str
    side: str

    @property
    def name(self) -> str:
        """As in ``SOL/USDC``."""
        return f"{self.base}/{self.quote}"

    def price(self, amount_in: Decimal, amount_out: Decimal) -> Decimal | None:
        """Quote tokens for one base token, given what a swap takes and pays."""
        paid, got = (amount_out, amount_in) if self.side == "sell" else (amount_in, amount_out)
        return paid / got if got else None


@lru_cache(maxsize=1_024)
def pair(token_in: str, token_out: str) -> Pair:
    """The pair and the side of a swap."""
    if _rank(token_in) < _rank(token_out):
        return Pair(short(token_out), short(token_in), "buy")
    return Pair(short(token_in), short(token_out), "sell")


def tokens(name: str, side: str) -> tuple[str, str]:
    """What goes in and what comes out for a side of a pair such as ``SOL/USDC``.

    Raises ``ValueError`` if the name is not two tokens.
    """
    base, slash, quote = name.strip().partition("/")
    if not (slash and base and quote) or base == quote:
        raise ValueError("write a pair as BASE/QUOTE, such as SOL/USDC")
    return (base, quote) if side == "sell" else (quote, base)


def short(token: str) -> str:
    """A symbol, or the first letters of a mint address."""
    return token if len(token) <= 2 * SYMBOL_CELLS else token[:SYMBOL_CELLS]


def _rank(token: str) -> tuple[int, str]:
    return (_MONEY.index(token) if token in _MONEY else len(_MONEY), token)

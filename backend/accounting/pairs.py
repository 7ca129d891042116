"""Pairs as traders name them: a swap of USDC into SOL *buys* the base of SOL/USDC."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

QUOTE_TOKENS: Final = ("USDC", "USDT", "SOL")
"""The tokens that prices are quoted in, the first one that a pair has."""


class Side(StrEnum):
    """What a swap does with the base of its pair."""

    BUY = "buy"
    SELL = "sell"


class PairName(NamedTuple):
    """A pair by the names of its tokens."""

    base: str
    quote: str

    def __str__(self) -> str:
        """Such as ``SOL/USDC``."""
        return f"{self.base}/{self.quote}"


@lru_cache(maxsize=4_096)
def name_pair(one: str, other: str) -> PairName:
    """The pair of two tokens, the same in both directions.

    The quote is the token that ranks higher in ``QUOTE_TOKENS``; of two others, the one that sorts
    behind the other.
    """
    base, quote = sorted((one, other), key=lambda name: (-_rank(name), name))
    return PairName(base, quote)


def find_side(token_in: str, token_out: str) -> Side:
    """What a swap of ``token_in`` into ``token_out`` does with the base of their pair."""
    return Side.SELL if name_pair(token_in, token_out).base == token_in else Side.BUY


def parse_pair(text: str) -> tuple[str, str]:
    """The two names of a text such as ``SOL/USDC``. Raises ``ValueError`` (reason)."""
    one, slash, other = text.partition("/")
    if not (slash and one and other) or one == other or "/" in other:
        raise ValueError("must be two tokens, such as SOL/USDC: symbols or mints")
    return one, other


def _rank(name: str) -> int:
    return QUOTE_TOKENS.index(name) if name in QUOTE_TOKENS else len(QUOTE_TOKENS)

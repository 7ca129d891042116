"""Trading pairs: a swap of USDC into SOL is a *buy* of SOL/USDC.

Orders have a token in and a token out; traders use a base and a quote token. The quote is the token
that ranks higher in ``_QUOTE_TOKENS``; of two others, the one that sorts behind the other. So the
API names pairs too.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

_QUOTE_TOKENS: Final = ("USDC", "USDT", "SOL")
DOLLAR_TOKENS: Final = ("USDC", "USDT")
"""A swap is worth its amount of the first of them that it has."""
SYMBOL_CELLS: Final = 4
_PROBE_AMOUNTS: Final = dict.fromkeys(DOLLAR_TOKENS, "100")


class Pair(NamedTuple):
    """A trading pair and the side of a swap."""

    base: str
    quote: str
    side: str

    @property
    def name(self) -> str:
        """The name of the pair, such as ``SOL/USDC``."""
        return f"{self.base}/{self.quote}"

    def price(self, amount_in: Decimal, amount_out: Decimal) -> Decimal | None:
        """Return the price in quote tokens for one base token; ``None`` without a base amount."""
        quote_amount, base_amount = (
            (amount_out, amount_in) if self.side == "sell" else (amount_in, amount_out)
        )
        return quote_amount / base_amount if base_amount else None


class PairTokens(NamedTuple):
    """The tokens of a pair: symbols, or whole mints."""

    base: str
    quote: str

    @property
    def name(self) -> str:
        """What the API calls the pair."""
        return f"{self.base}/{self.quote}"

    @property
    def probe_amount(self) -> str:
        """So much of the quote token the engine's prices are for."""
        return _PROBE_AMOUNTS.get(self.quote, "1")


@lru_cache(maxsize=1_024)
def resolve_pair(token_in: str, token_out: str) -> Pair:
    """Return the pair and the side of a swap."""
    if _is_quote(token_in, token_out):
        return Pair(shorten_token(token_out), shorten_token(token_in), "buy")
    return Pair(shorten_token(token_in), shorten_token(token_out), "sell")


@lru_cache(maxsize=1_024)
def find_pair_tokens(token_in: str, token_out: str) -> PairTokens:
    """Return the tokens of the pair of a swap."""
    if _is_quote(token_in, token_out):
        return PairTokens(token_out, token_in)
    return PairTokens(token_in, token_out)


def split_pair(name: str, side: str) -> tuple[str, str]:
    """Return the token in and the token out for a side of a pair such as ``SOL/USDC``.

    Raises ``ValueError`` if the name is not two tokens.
    """
    base, slash, quote = name.strip().partition("/")
    if not (slash and base and quote) or base == quote:
        raise ValueError("write a pair as BASE/QUOTE, such as SOL/USDC: symbols or mints")
    return (base, quote) if side == "sell" else (quote, base)


def shorten_token(token: str) -> str:
    """Return a symbol, or the first characters of a mint address."""
    return token if len(token) <= 2 * SYMBOL_CELLS else token[:SYMBOL_CELLS]


def _is_quote(token: str, other: str) -> bool:
    rank, other_rank = _rank_token(token), _rank_token(other)
    return token > other if rank == other_rank else rank < other_rank


def _rank_token(token: str) -> int:
    return _QUOTE_TOKENS.index(token) if token in _QUOTE_TOKENS else len(_QUOTE_TOKENS)

"""The tokens that the engine trades, by symbol and by mint address."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from backend.domain.amounts import Token
from backend.domain.errors import InvalidInput

SOL = Token("SOL", "So11111111111111111111111111111111111111112", 9)
USDC = Token("USDC", "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", 6)
USDT = Token("USDT", "Es9vMFrzaCERmJfrF4H2FYD4KCoNky11McCe8BenwNYB", 6)
JUP = Token("JUP", "JUPyiwrYJFskUPiHa7hkeR8VUtAeFoSYbKedZNsDvCN", 6)
BONK = Token("BONK", "DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263", 5)
RAY = Token("RAY", "4k3Dyjzvzp8eMZWUXbBCjEvwSkkk59S5iCNLY3QrkX6R", 6)

KNOWN_TOKENS = (SOL, USDC, USDT, JUP, BONK, RAY)

_BASE58 = frozenset("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")


class TokenRegistry:
    """A fixed set of tokens with lookup by symbol (case-insensitive) or by mint."""

    def __init__(self, tokens: Iterable[Token] = KNOWN_TOKENS) -> None:
        self._all = tuple(tokens)
        self._by_symbol = {t.symbol.upper(): t for t in self._all}
        self._by_mint = {t.mint: t for t in self._all}

    def __iter__(self) -> Iterator[Token]:
        return iter(self._all)

    def find(self, name: str, field: str) -> Token:
        """Find the token that the client named in ``field``; raises ``InvalidInput`` if none."""
        token = self._by_symbol.get(name.upper()) or self._by_mint.get(name)
        if token is not None:
            return token
        if len(name) < 32:
            raise InvalidInput(
                field,
                f"unknown token {name[:16]!r}; known are {', '.join(t.symbol for t in self._all)}",
                "unknown_token",
            )
        if len(name) > 44 or not _BASE58.issuperset(name):
            raise InvalidInput(field, "is not a mint address (32 bytes in base58)", "invalid_mint")
        raise InvalidInput(field, f"no pool is known for the mint {name}", "unknown_token")

"""The tokens that the engine knows, by symbol and by mint address."""

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

KNOWN = (SOL, USDC, USDT, JUP, BONK, RAY)

_BASE58 = frozenset("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")


class Tokens:
    """A fixed set of tokens, looked up by symbol (any case) or by mint."""

    def __init__(self, tokens: Iterable[Token] = KNOWN) -> None:
        self._all = tuple(tokens)
        self._by_name = {t.symbol.upper(): t for t in self._all}
        self._by_mint = {t.mint: t for t in self._all}

    def __iter__(self) -> Iterator[Token]:
        return iter(self._all)

    def by_mint(self, mint: str) -> Token:
        """The token with this mint; ``KeyError`` if there is none."""
        return self._by_mint[mint]

    def find(self, name: str, field: str) -> Token:
        """The token that a client named; raises ``InvalidInput`` that says what is wrong."""
        token = self._by_name.get(name.upper()) or self._by_mint.get(name)
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

"""The tokens that the engine trades, by symbol and by mint address."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from backend.domain.amounts import Token
from backend.domain.errors import InvalidInput
from backend.domain.spelling import add_suggestion, suggest_name

SOL = Token("SOL", "So11111111111111111111111111111111111111112", 9)
USDC = Token("USDC", "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", 6)
USDT = Token("USDT", "Es9vMFrzaCERmJfrF4H2FYD4KCoNky11McCe8BenwNYB", 6)
JUP = Token("JUP", "JUPyiwrYJFskUPiHa7hkeR8VUtAeFoSYbKedZNsDvCN", 6)
BONK = Token("BONK", "DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263", 5)
RAY = Token("RAY", "4k3Dyjzvzp8eMZWUXbBCjEvwSkkk59S5iCNLY3QrkX6R", 6)
WETH = Token("WETH", "7vfCXTUXx5WJV5JADk17DUJ4ksgau7utNKj4b963voxs", 8)
WBTC = Token("WBTC", "3NZ9JMVBmGAqocybic2c7LQCJScmgsAZ6vQqTDzcqmJh", 8)

KNOWN_TOKENS = (SOL, USDC, USDT, JUP, BONK, RAY, WETH, WBTC)

TOKEN_ALIASES: Mapping[str, Token] = {"ETH": WETH, "BTC": WBTC, "WSOL": SOL}
"""Other symbols of known tokens: on this chain ether and bitcoin exist in their wrapped form only,
by the bridge Wormhole, and SOL is traded in its wrapped form."""

INVALID_MINT_CODE: Final = "invalid_mint"
ADDED_MAX: Final = 100_000
"""Most tokens that a process keeps in mind beside the listed ones: some 50 MB."""

SYMBOL_LENGTH_MAX: Final = 31
"""A longer name is that of a mint, right or wrong."""
_ADDRESS_MIN = SYMBOL_LENGTH_MAX + 1
_ADDRESS_MAX = 44
_BASE58_LETTERS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE58 = frozenset(_BASE58_LETTERS)
_ADDRESS_BYTES = 32


class TokenRegistry:
    """Tokens with lookup by symbol or alias (case-insensitive), or by mint.

    Those that it was made with are *listed*. Every other token is named by its mint alone; what is
    known of these is added when it was read, and the oldest of more than ``added_max`` is dropped.
    """

    def __init__(
        self, tokens: Iterable[Token] = KNOWN_TOKENS, *, added_max: int = ADDED_MAX
    ) -> None:
        self._all = tuple(tokens)
        self._by_symbol = {
            **{alias: token for alias, token in TOKEN_ALIASES.items() if token in self._all},
            **{t.symbol.upper(): t for t in self._all},
        }
        self._by_mint = {t.mint: t for t in self._all}
        self._added: dict[str, Token] = {}
        self._added_max = added_max

    def __iter__(self) -> Iterator[Token]:
        """The tokens that are listed."""
        return iter(self._all)

    def __contains__(self, name: object) -> bool:
        """Whether a symbol or a mint is that of a token that is known."""
        return isinstance(name, str) and (
            name in self._by_mint or name in self._added or name.upper() in self._by_symbol
        )

    def add(self, tokens: Iterable[Token]) -> None:
        """Add tokens that only their mint names."""
        self._added.update((token.mint, token) for token in tokens)
        while len(self._added) > self._added_max:
            del self._added[next(iter(self._added))]

    def find(self, name: str, field: str) -> Token:
        """Find the token that ``field`` names; raises ``InvalidInput`` if none is known by it."""
        token = (
            (self._by_symbol.get(name.upper()) if name.isascii() else None)
            or self._by_mint.get(name)
            or self._added.get(name)
        )
        if token is not None:
            return token
        if len(name) < _ADDRESS_MIN:
            known = ", ".join(t.symbol for t in self._all)
            reason = f"unknown token {name[:16]!r}; known are {known}, and every mint address"
            raise InvalidInput(
                field, add_suggestion(reason, name, self._by_symbol), "unknown_token"
            )
        if is_public_key(name):
            raise InvalidInput(field, f"no token is known by the mint {name}", "unknown_token")
        reason = self.suggest_mint("is not a mint address (32 bytes in base58)", name)
        raise InvalidInput(field, reason, INVALID_MINT_CODE)

    def find_name(self, name: str, field: str) -> str:
        """Find the name by which orders have a token: its symbol, or the mint of one not listed.

        Raises ``InvalidInput`` if no order can have it.
        """
        return name if is_public_key(name) and name not in self else self.find(name, field).symbol

    def suggest_mint(self, reason: str, name: str) -> str:
        """A reason with the listed token behind it whose mint a wrong one may be meant to be."""
        mint = suggest_name(name, self._by_mint)
        if mint is None:
            return reason
        return f"{reason}: did you mean {mint}, which is {self._by_mint[mint].symbol}?"


def is_address(name: str) -> bool:
    """Whether a text looks like an address: 32 to 44 letters of base58."""
    return _ADDRESS_MIN <= len(name) <= _ADDRESS_MAX and _BASE58.issuperset(name)


def is_public_key(name: str) -> bool:
    """Whether a text is an address: base58 of exactly 32 bytes."""
    if not is_address(name):
        return False
    number = 0
    for letter in name:
        number = number * len(_BASE58_LETTERS) + _BASE58_LETTERS.index(letter)
    zeros = len(name) - len(name.lstrip(_BASE58_LETTERS[0]))
    return zeros + (number.bit_length() + 7) // 8 == _ADDRESS_BYTES

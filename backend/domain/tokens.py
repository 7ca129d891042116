"""The tokens that the engine trades, by symbol and by mint address."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

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

_ADDRESS_MIN = 32
_ADDRESS_MAX = 44
_BASE58_LETTERS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE58 = frozenset(_BASE58_LETTERS)
_ADDRESS_BYTES = 32


class TokenRegistry:
    """Tokens with lookup by symbol or alias (case-insensitive), or by mint.

    Those that it was made with are *listed*: every order may name them. Orders for new pools may
    also name a token by its mint alone; what is known of these is added when it was read.
    """

    def __init__(self, tokens: Iterable[Token] = KNOWN_TOKENS) -> None:
        self._all = tuple(tokens)
        self._by_symbol = {
            **{alias: token for alias, token in TOKEN_ALIASES.items() if token in self._all},
            **{t.symbol.upper(): t for t in self._all},
        }
        self._by_mint = {t.mint: t for t in self._all}
        self._added: dict[str, Token] = {}

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

    def find(self, name: str, field: str) -> Token:
        """Find the token that ``field`` names; raises ``InvalidInput`` if there is none."""
        return self._added.get(name) or self.find_listed(name, field)

    def find_listed(self, name: str, field: str) -> Token:
        """Find a listed token that the client named in ``field``; raises ``InvalidInput``."""
        token = self._by_symbol.get(name.upper()) or self._by_mint.get(name)
        if token is not None:
            return token
        if len(name) < _ADDRESS_MIN:
            known = ", ".join(t.symbol for t in self._all)
            reason = f"unknown token {name[:16]!r}; known are {known}"
            raise InvalidInput(
                field, add_suggestion(reason, name, self._by_symbol), "unknown_token"
            )
        reason, code = f"no pool is known for the mint {name}", "unknown_token"
        if not is_address(name):
            reason, code = "is not a mint address (32 bytes in base58)", "invalid_mint"
        mint = suggest_name(name, self._by_mint)
        if mint is not None:
            reason = f"{reason}: did you mean {mint}, which is {self._by_mint[mint].symbol}?"
        raise InvalidInput(field, reason, code)


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

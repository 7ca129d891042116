"""What a person names to halt: an owner, a pair or an exchange, or nothing for all orders."""

from __future__ import annotations

from typing import Final

from backend.domain.errors import InvalidInput
from backend.domain.quotes import Dex
from backend.domain.spelling import add_suggestion
from backend.domain.tokens import TokenRegistry
from backend.domain.trading.states import ALL_ORDERS, Scope, Target, name_pair

_EXCHANGES: Final = [dex.value for dex in Dex]


def parse_target(
    tokens: TokenRegistry, *, owner: str | None, pair: str | None, dex: str | None
) -> Target:
    """The orders that are named. Raises ``InvalidInput`` for the first field that is wrong."""
    named = {"owner": owner, "pair": pair, "dex": dex}
    given = [name for name, value in named.items() if value is not None]
    if len(given) > 1:
        raise InvalidInput(given[1], f"cannot be given with {given[0]}: one state is of one thing")
    if owner is not None:
        if not owner.strip():
            raise InvalidInput("owner", "must name an owner")
        return Target(Scope.OWNER, require_line("owner", owner))
    if pair is not None:
        return Target(Scope.PAIR, _parse_pair(tokens, pair))
    if dex is not None:
        return Target(Scope.DEX, _parse_exchange(dex))
    return ALL_ORDERS


def require_line(field: str, text: str) -> str:
    """Return a text without blanks around it.

    Raises ``InvalidInput`` if it is more than one line, or has characters that are not shown.
    """
    line = text.strip()
    if not line.isprintable():
        raise InvalidInput(field, "must be one line of characters that can be shown")
    return line


def _parse_pair(tokens: TokenRegistry, pair: str) -> str:
    one, slash, other = (part.strip() for part in pair.partition("/"))
    if not (one and slash and other) or "/" in other:
        raise InvalidInput("pair", "must be two tokens with a slash between them, as SOL/USDC")
    names = [tokens.find_name(name, "pair") for name in (one, other)]
    if names[0] == names[1]:
        raise InvalidInput("pair", "must be two different tokens")
    return name_pair(*names)


def _parse_exchange(dex: str) -> str:
    name = dex.strip().lower()
    if name not in _EXCHANGES:
        reason = f"unknown exchange {dex[:32]!r}; known are {', '.join(_EXCHANGES)}"
        raise InvalidInput("dex", add_suggestion(reason, name, _EXCHANGES))
    return name

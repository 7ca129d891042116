"""The tokens that an order names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from backend.api.wire.order_types.conditions import add_errors
from backend.api.wire.problems import FieldError
from backend.domain.amounts import Token
from backend.domain.errors import InvalidInput, Rejected
from backend.domain.tokens import INVALID_MINT_CODE, SYMBOL_LENGTH_MAX, TokenRegistry


def list_mints(raw: Sequence[object]) -> list[str]:
    """The names of tokens in unparsed orders and quotes that are too long for a symbol."""
    return [
        name
        for order in raw
        if isinstance(order, dict)
        for name in (order.get("tokenIn"), order.get("tokenOut"))
        if isinstance(name, str) and len(name) > SYMBOL_LENGTH_MAX
    ]


def find_token(
    tokens: TokenRegistry, refused_mints: Mapping[str, Rejected], name: str, field: str
) -> Token:
    """Find a token by its symbol or its mint. Raises ``InvalidInput``."""
    refusal = refused_mints.get(name)
    if refusal is not None:
        reason = refusal.reason
        if refusal.code == INVALID_MINT_CODE:
            reason = tokens.suggest_mint(reason, name)
        raise InvalidInput(field, reason, refusal.code)
    return tokens.find(name, field)


def resolve_token(
    name: str | None,
    field: str,
    find: Callable[[str, str], Token],
    failed_fields: set[str],
    errors: list[FieldError],
) -> Token | None:
    """The token of a field, by ``find``; ``None`` with an error."""
    if name is None:
        if field not in failed_fields:
            errors.append(FieldError(field, "missing_field", "is required"))
        return None
    try:
        return find(name, field)
    except InvalidInput as error:
        add_errors([error], errors)
        return None

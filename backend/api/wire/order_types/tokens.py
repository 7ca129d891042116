"""The tokens that an order names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from backend.api.wire.order_types.conditions import add_errors
from backend.api.wire.problems import FieldError
from backend.domain.amounts import Token
from backend.domain.errors import InvalidInput, Rejected
from backend.domain.tokens import TokenRegistry


def find_token(
    tokens: TokenRegistry, refused_mints: Mapping[str, Rejected], name: str, field: str
) -> Token:
    """Find a token, also one that only its mint names. Raises ``InvalidInput``."""
    refusal = refused_mints.get(name)
    if refusal is not None:
        raise InvalidInput(field, refusal.reason, refusal.code)
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

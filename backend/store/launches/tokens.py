"""Tokens that only their mint names, as all processes know them.

A token is stored before the first order that names it. So whoever reads an order with a token that
he does not know finds it here, and looks here for no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, TypeVar

import asyncpg

from backend.domain.amounts import Token
from backend.domain.errors import InvalidInput
from backend.domain.tokens import TokenRegistry
from backend.store.database import DatabasePool, fetch_repeating

_LOAD: Final = "SELECT mint, decimals FROM tokens WHERE mint = ANY($1::text[])"
_ADD: Final = """ -- add tokens
INSERT INTO tokens (mint, decimals, token_program)
SELECT * FROM unnest($1::text[], $2::smallint[], $3::text[]) ON CONFLICT DO NOTHING
"""

Result = TypeVar("Result")


class MintedToken(NamedTuple):
    """A token and its program."""

    token: Token
    program: str


async def load_tokens(pool: DatabasePool, tokens: TokenRegistry, names: Iterable[str]) -> None:
    """Add those of some tokens that are stored, and not known, to a registry.

    Raises ``DATABASE_ERRORS``.
    """
    unknown = [name for name in set(names) if name not in tokens]
    if unknown:
        rows = await fetch_repeating(pool, _LOAD, unknown)
        tokens.add(Token(row["mint"], row["mint"], row["decimals"]) for row in rows)


async def add_tokens(pool: DatabasePool, added: Sequence[MintedToken]) -> None:
    """Store tokens; those that are there stay as they are. Raises ``DATABASE_ERRORS``."""
    mints = [each.token.mint for each in added]
    decimals = [each.token.decimals for each in added]
    await fetch_repeating(pool, _ADD, mints, decimals, [each.program for each in added])


async def parse_with_tokens(
    pool: DatabasePool,
    tokens: TokenRegistry,
    rows: Sequence[asyncpg.Record],
    parse: Callable[[asyncpg.Record], Result],
) -> list[Result]:
    """Parse rows of orders; the tokens that they name and that are not known are loaded.

    Raises ``DATABASE_ERRORS``.
    """
    try:
        return [parse(row) for row in rows]
    except InvalidInput:
        await load_tokens(pool, tokens, list_token_names(rows))
    return [parse(row) for row in rows]


def list_token_names(rows: Iterable[asyncpg.Record]) -> set[str]:
    """The names of the tokens in rows of orders."""
    return {name for row in rows for name in (row["token_in"], row["token_out"])}

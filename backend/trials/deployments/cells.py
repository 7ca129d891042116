"""The cells of the matrix: which PostgreSQL, Redis and node there are, and which are chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import product
from typing import Final, NamedTuple


class PostgresKind(StrEnum):
    """How the engine reaches PostgreSQL."""

    DIRECT = "direct"
    SESSION = "pgbouncer-session"
    TRANSACTION = "pgbouncer-transaction"


class RedisKind(StrEnum):
    """How the engine reaches Redis."""

    PLAIN = "plain"
    TLS_ACL = "tls-acl"
    """TLS with a certificate of a private authority, and a user who may do what is needed only."""
    RESP3 = "resp3"


class NodeKind(StrEnum):
    """How the node behaves. Those that are not healthy have another genesis hash than the simulated
    one, so that the engine treats them as it does a real node: with a wallet file and preflights.
    """

    HEALTHY = "healthy"
    NO_ARRAYS = "no-arrays"
    RATE_LIMITED = "rate-limited"
    NO_HISTORY = "no-history"
    """It answers -32011 where history is needed."""
    EMPTY_HISTORY = "empty-history"
    """It answers ``null`` for every transaction, for ever."""
    BEHIND = "behind"


class Cell(NamedTuple):
    """One combination; ``str()`` is the choice of it on the command line."""

    postgres: PostgresKind
    redis: RedisKind
    node: NodeKind

    def __str__(self) -> str:
        return f"postgres={self.postgres},redis={self.redis},node={self.node}"


_DIMENSIONS: Final[Mapping[str, type[StrEnum]]] = {
    "postgres": PostgresKind,
    "redis": RedisKind,
    "node": NodeKind,
}


def list_cells() -> list[Cell]:
    """List every cell, those of one node together."""
    return [
        Cell(postgres, redis, node)
        for node, postgres, redis in product(NodeKind, PostgresKind, RedisKind)
    ]


def list_quick_cells() -> list[Cell]:
    """List few cells in which each kind is at least once."""
    postgres, redis = list(PostgresKind), list(RedisKind)
    return [Cell(postgres[n % 3], redis[(n + n // 3) % 3], node) for n, node in enumerate(NodeKind)]


def select_cells(cells: Sequence[Cell], chosen: Mapping[str, Sequence[str]]) -> list[Cell]:
    """Select the cells of the chosen kinds; a dimension without a choice has all of them."""
    return [
        cell
        for cell in cells
        if all(getattr(cell, dimension) in kinds for dimension, kinds in chosen.items())
    ]


def parse_choice(text: str) -> dict[str, list[str]]:
    """Parse ``postgres=direct,node=behind``. Raises ``ValueError`` with a sentence."""
    chosen: dict[str, list[str]] = {}
    for part in text.split(","):
        name, _, kind = part.strip().partition("=")
        if name not in _DIMENSIONS:
            raise ValueError(f"{name!r} is not one of {', '.join(_DIMENSIONS)}")
        known = [each.value for each in _DIMENSIONS[name]]
        if kind not in known:
            raise ValueError(f"{name}={kind!r} is not one of {', '.join(known)}")
        chosen.setdefault(name, []).append(kind)
    return chosen

"""Scopes: what a key or a token permits its holder to do."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final


class Scope(StrEnum):
    """One permission. None implies another: a key that trades and reads has both."""

    READ = "read"
    """Read orders, events, quotes and counts, and follow them on sockets."""
    TRADE = "trade"
    """Place and amend orders; an answer shows the order that it placed."""
    CANCEL = "cancel"
    """Cancel orders, and set the cancel timer; an answer shows the orders that it cancelled."""
    ADMIN = "admin"
    """What concerns all owners: the wallets that pay for their orders."""


ALL_SCOPES: Final = frozenset(Scope)
OWNER_SCOPES: Final = ALL_SCOPES - {Scope.ADMIN}
"""Everything that an owner does with its own orders."""


def parse_scopes(names: Iterable[str]) -> frozenset[Scope]:
    """The scopes of these names. Raises ``ValueError`` that names an unknown one."""
    known = {scope.value for scope in Scope}
    scopes = set()
    for name in names:
        if name not in known:
            raise ValueError(f"{name!r} is no scope: there are {', '.join(Scope)}")
        scopes.add(Scope(name))
    return frozenset(scopes)


def format_scopes(scopes: Iterable[Scope]) -> tuple[str, ...]:
    """The names of scopes, in the order of their definition."""
    given = frozenset(scopes)
    return tuple(scope.value for scope in Scope if scope in given)

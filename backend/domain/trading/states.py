"""Trading states: for all, an owner, a pair or an exchange; what has none is active.

The rule is that of the database's ``is_order_held``, which decides. Here it tells processes early.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from backend.domain.amounts import Token
from backend.domain.quotes import Dex


class TradingState(StrEnum):
    """What is executed of the orders in a scope; whatever it is, they can be read and cancelled."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    """Only what is sold into the reference token."""
    HALTED = "HALTED"


class Scope(StrEnum):
    """What a trading state is of."""

    ALL = "all"
    OWNER = "owner"
    PAIR = "pair"
    DEX = "dex"


@dataclass(frozen=True, slots=True)
class Target:
    """The orders that a trading state is of: all, or those of an owner, a pair or an exchange.

    The tokens of a pair are in the order of their names, with a slash between them.
    """

    scope: Scope
    subject: str = ""

    def __str__(self) -> str:
        return "all orders" if self.scope is Scope.ALL else f"{self.scope} {self.subject}"


ALL_ORDERS: Final = Target(Scope.ALL)


def name_pair(one: str, other: str) -> str:
    """The subject of a pair, whichever of its tokens is sold."""
    return "/".join(sorted((one, other)))


@dataclass(frozen=True, slots=True)
class TradingRule:
    """A trading state in force. ``reference`` is the token that may be bought while reducing."""

    target: Target
    state: TradingState
    why: str
    set_by: str
    since: datetime
    reference: str | None = None

    def holds(self, owner: str | None, token_in: Token, token_out: Token) -> bool:
        """Whether an order is held, whatever its route; without an owner, those of all."""
        if self.state is TradingState.REDUCING and token_out.symbol == self.reference:
            return False
        match self.target.scope:
            case Scope.ALL:
                return True
            case Scope.OWNER:
                return self.target.subject == owner
            case Scope.PAIR:
                return self.target.subject == name_pair(token_in.symbol, token_out.symbol)
            case Scope.DEX:
                return False

    def describe(self) -> str:
        """A sentence for people: what is stopped, since when, why, and by whom."""
        done = "halted"
        if self.state is TradingState.REDUCING:
            done = f"reducing, into {self.reference} only,"
        since = f"{self.since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        return f"{self.target}: {done} since {since}: {self.why} (by {self.set_by})"


def find_hold(
    rules: Iterable[TradingRule], owner: str | None, token_in: Token, token_out: Token
) -> TradingRule | None:
    """The first rule that holds an order, whatever its route."""
    return next((each for each in rules if each.holds(owner, token_in, token_out)), None)


def list_halted_exchanges(rules: Iterable[TradingRule]) -> list[str]:
    """The exchanges that no route may use."""
    halted = {each.target.subject for each in rules if each.target.scope is Scope.DEX}
    return [dex.value for dex in Dex if dex.value in halted]
